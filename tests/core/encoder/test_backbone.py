"""Our path through the backbone against transformers' own forward, features and token counts."""

import math

import pytest
import torch

from core.data.records import Image, Item, Text, Video
from core.encoder.backbone import crop_features, hidden_states
from core.encoder.tiny import IMAGE_SIDE, PATCH
from core.encoder.token_counts import image_tokens, video_tokens

SIZES = [(48, 48), (60, 40), (100, 40), (40, 100), (90, 95), (31, 170), (500, 7), (97, 193)]


@pytest.fixture
def aspect(anyres, request, monkeypatch):
    """Another limit of AnyRes tokens than the default: the model's config decides."""
    monkeypatch.setattr(anyres.backbone.config, "vision_aspect_ratio", request.param)
    return request.param


@pytest.mark.parametrize("aspect", ["anyres_max_9", "anyres_max_2", "anyres_max_1"], indirect=True)
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_hidden_states_equal_transformers_forward_of_the_pixels(anyres, photograph, size, aspect):
    prepared = anyres.prepare(Item((Image(photograph(*size)), Text("which one?"))))
    inputs = anyres.collate([prepared])
    theirs = anyres.backbone(
        input_ids=inputs.token_ids,
        attention_mask=inputs.attention_mask,
        pixel_values=prepared.images[0][None],
        image_sizes=inputs.image_sizes,
    )
    ours = hidden_states(anyres.backbone, inputs)
    torch.testing.assert_close(ours, theirs.last_hidden_state, rtol=0, atol=1e-6)


@pytest.mark.parametrize("aspect", ["anyres_max_9", "anyres_max_2"], indirect=True)
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_picture_features_and_their_number_equal_transformers(anyres, photograph, size, aspect):
    backbone = anyres.backbone
    prepared = anyres.prepare(Item((Image(photograph(*size)),)))
    crops, sizes = prepared.images[0], torch.tensor(prepared.sizes)
    assert prepared.sizes == ((size[1], size[0]),)
    (theirs,) = backbone.get_image_features(crops[None], sizes).pooler_output
    packed, _ = backbone.pack_image_features(
        [crop_features(backbone, crops)], sizes, backbone.image_newline, backbone.config.vision_aspect_ratio
    )
    torch.testing.assert_close(packed[0], theirs, rtol=0, atol=1e-6)
    count = image_tokens(backbone.config, len(crops), size[1], size[0])
    assert count == len(theirs) == (prepared.token_ids == backbone.config.image_token_id).sum()


def test_the_limit_of_anyres_makes_a_difference(anyres, monkeypatch):
    monkeypatch.setattr(anyres.backbone.config.vision_config, "patch_size", 12)
    many = image_tokens(anyres.backbone.config, 5, 96, 96)
    monkeypatch.setattr(anyres.backbone.config, "vision_aspect_ratio", "anyres_max_1")
    assert many == 16 + 8 * (8 + 1)  # the whole, then 8 rows of 8 patches and a newline
    assert image_tokens(anyres.backbone.config, 5, 96, 96) == 16 + 4 * (4 + 1)


def test_padding_of_a_wide_picture_takes_no_tokens(anyres, monkeypatch):
    """100 x 40 fills 96 x 38.4 of the 96 x 48 grid: 4.8 of 48 pixels each side are padding, less than one patch."""
    monkeypatch.setattr(anyres.backbone.config.vision_config, "patch_size", 12)
    assert image_tokens(anyres.backbone.config, 3, 40, 100) == 16 + 4 * (8 + 1)
    assert image_tokens(anyres.backbone.config, 3, 20, 100) == 16 + 2 * (8 + 1)


def test_one_crop_is_its_patches_and_a_newline(tiny):
    assert image_tokens(tiny.backbone.config, 1, 96, 96) == (IMAGE_SIDE // PATCH) ** 2 + 1


@pytest.mark.parametrize("frames", [1, 2, 6])
@torch.no_grad()
def test_clips_equal_transformers_forward_of_the_pixels(tiny, photograph, frames):
    clip = Video(tuple(photograph(40 + number, 50) for number in range(frames)))
    prepared = tiny.prepare(Item((Text("which way?"), clip)))
    inputs = tiny.collate([prepared])
    features = tiny.backbone.get_video_features(prepared.videos[0][None]).pooler_output
    assert (
        features.shape[1]
        == video_tokens(tiny.backbone.config, frames)
        == frames * math.ceil(IMAGE_SIDE / PATCH / 2) ** 2 + 1
    )
    theirs = tiny.backbone(
        input_ids=inputs.token_ids,
        attention_mask=inputs.attention_mask,
        pixel_values_videos=prepared.videos[0][None],
    )
    torch.testing.assert_close(hidden_states(tiny.backbone, inputs), theirs.last_hidden_state, rtol=0, atol=1e-6)


def test_a_frame_is_reduced_with_rounding_up(tiny, monkeypatch):
    monkeypatch.setattr(tiny.backbone.config.vision_config, "image_size", 84)
    monkeypatch.setattr(tiny.backbone.config.vision_config, "patch_size", 12)  # 7 x 7 patches
    features = torch.zeros(2, 49, 3)
    theirs = tiny.backbone.apply_pooling(features)
    assert theirs.shape[1] == math.ceil(7 / 2) ** 2
    assert video_tokens(tiny.backbone.config, 2) == 2 * 16 + 1


@torch.no_grad()
def test_several_feature_layers_and_the_class_token_as_transformers_does(tiny, photograph, monkeypatch):
    """Layers as a list are joined; the "default" strategy drops the first feature. Seen before the projector."""
    backbone = tiny.backbone
    pixels = tiny.prepare(Item((Image(photograph(50, 50)),))).images[0]
    states = backbone.vision_tower(pixels, output_hidden_states=True).hidden_states
    seen = []
    monkeypatch.setattr(backbone.multi_modal_projector, "forward", lambda x: seen.append(x) or x)
    monkeypatch.setattr(backbone.config, "vision_feature_layer", [0, -1])
    crop_features(backbone, pixels)
    monkeypatch.setattr(backbone.config, "vision_feature_layer", -1)
    monkeypatch.setattr(backbone.config, "vision_feature_select_strategy", "default")
    crop_features(backbone, pixels)
    torch.testing.assert_close(seen[0], torch.cat([states[0], states[-1]], dim=-1))
    torch.testing.assert_close(seen[1], states[-1][:, 1:])
