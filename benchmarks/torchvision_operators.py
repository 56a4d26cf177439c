"""Lets torchvision import beside a CPU-only torch, for a rival that insists on it; the project itself never does.

Published wheels carry CUDA operators and fail on torch's CPU build ("operator torchvision::nms does not exist").
With the operators' names declared, its Python transforms work. Import this before torchvision or transformers.
"""

import importlib.util

import torch

TENSOR, INT, FLOAT, BOOL = "Tensor", "int", "float", "bool"
# Arguments and results of each operator that the wheel implements.
OPERATORS = {
    "nms": ((TENSOR, TENSOR, FLOAT), 1),
    "qnms": ((TENSOR, TENSOR, FLOAT), 1),
    "roi_align": ((TENSOR, TENSOR, FLOAT, INT, INT, INT, BOOL), 1),
    "_roi_align_backward": ((TENSOR, TENSOR, FLOAT, *(INT,) * 7, BOOL), 1),
    "roi_pool": ((TENSOR, TENSOR, FLOAT, INT, INT), 2),
    "_roi_pool_backward": ((*(TENSOR,) * 3, FLOAT, *(INT,) * 6), 1),
    "ps_roi_align": ((TENSOR, TENSOR, FLOAT, INT, INT, INT), 2),
    "_ps_roi_align_backward": ((*(TENSOR,) * 3, FLOAT, *(INT,) * 7), 1),
    "ps_roi_pool": ((TENSOR, TENSOR, FLOAT, INT, INT), 2),
    "_ps_roi_pool_backward": ((*(TENSOR,) * 3, FLOAT, *(INT,) * 6), 1),
    "deform_conv2d": ((*(TENSOR,) * 5, *(INT,) * 8, BOOL), 1),
    "_deform_conv2d_backward": ((*(TENSOR,) * 6, *(INT,) * 8, BOOL), 5),
}


def schema(name: str, arguments: tuple[str, ...], results: int) -> str:
    """An operator's declaration, such as "nms(Tensor a0, Tensor a1, float a2) -> Tensor"."""
    listed = ", ".join(f"{kind} a{place}" for place, kind in enumerate(arguments))
    return f"{name}({listed}) -> " + ("Tensor" if results == 1 else f"({', '.join([TENSOR] * results)})")


def missing() -> bool:
    """Whether torchvision is not installed at all."""
    return importlib.util.find_spec("torchvision") is None


if torch.version.cuda is None and not missing():
    LIBRARY = torch.library.Library("torchvision", "DEF")
    for _name, (_arguments, _results) in OPERATORS.items():
        LIBRARY.define(schema(_name, _arguments, _results))
