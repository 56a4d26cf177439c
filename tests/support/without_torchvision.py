"""Composite processors where torchvision cannot be imported: the video processor, which exists only there, is left out.

transformers 5.23 makes no composite processor without its video processor, even for text and pictures alone. Text and
pictures then go through transformers' Pillow implementation; clips cannot be tested.
"""

import importlib
from typing import Any

import pytest
from transformers import ProcessorMixin


class NoVideoProcessor:
    @staticmethod
    def from_pretrained(*_: object, **__: object) -> None:
        return None


def leave_out_video_processors(patch: pytest.MonkeyPatch) -> None:
    check = ProcessorMixin.check_argument_for_proper_class

    def lenient(self: ProcessorMixin, name: str, argument: object) -> Any:
        return None if name == "video_processor" else check(self, name, argument)

    patch.setattr(ProcessorMixin, "check_argument_for_proper_class", lenient)
    # By its full name: `from transformers.models.auto import` may give a stand-in that only raises.
    module = importlib.import_module("transformers.models.auto.video_processing_auto")
    patch.setattr(module, "AutoVideoProcessor", NoVideoProcessor)
