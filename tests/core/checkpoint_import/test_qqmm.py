"""QQMM-embed is recognised by its published settings and refused with what is missing."""

import json

import pytest

from core.checkpoint_import import qqmm
from core.checkpoint_import.layouts import recognise

CONFIG = {
    "architectures": ["QQMMForCausalLM"],
    "auto_map": {"AutoConfig": "configuration_qqmm.QQMMConfig"},
    "image_token_id": 151665,
    "language_model_config": {"model_type": "qwen2", "hidden_size": 3584},
    "model_type": "qqmm",
    "vision_abstractor_config": {"projection_type": "mlp2x_gelu"},
    "vision_model_config": {"model_type": "qwen2vl_navit", "depth": 32, "hidden_size": 1280},
    "vision_output_key": "last_hidden_state",
}


@pytest.mark.parametrize("kept", [("model_type",), ("architectures",), tuple(CONFIG)])
def test_it_is_recognised_and_told_what_is_missing(tmp_path, kept):
    (tmp_path / "config.json").write_text(json.dumps({name: CONFIG[name] for name in kept}))
    assert recognise(tmp_path).reader is qqmm
    with pytest.raises(ValueError, match="image_embedding") as caught:
        qqmm.convert(tmp_path, tmp_path / "output", None)
    for named in ("vision_abstractor", "vision_token_share_pe", "qwen2vl_navit", "core/encoder/backbones"):
        assert named in str(caught.value)
    assert not (tmp_path / "output").exists()
