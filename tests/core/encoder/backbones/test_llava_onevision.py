"""Our path through the backbone against transformers' own forward, features and token counts."""

import math

import pytest
import torch
from last_states import last_states
from transformers import LlavaOnevisionConfig

from core.data.records import Image, Item, Text, Video
from core.encoder.backbones.llava_onevision import image_tokens, video_tokens
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import IMAGE_SIDE, PATCH

SIZES = [(48, 48), (60, 40), (100, 40), (40, 100), (90, 95), (31, 170), (500, 7), (97, 193)]


def floats(embedder: Embedder, source, side: str = "image") -> torch.Tensor:
    """A picture's pixels by the processor's own hand."""
    pixels = embedder.image_processor([source.open()], return_tensors="pt")["pixel_values"]
    crops = pixels[0] if pixels.dim() == 5 else pixels
    return crops if side == "image" else crops[:1]


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
    pixels = floats(anyres, photograph(*size))
    theirs = anyres.backbone(
        input_ids=inputs.token_ids,
        attention_mask=inputs.attention_mask,
        pixel_values=pixels[None],
        image_sizes=torch.tensor(inputs.images.sizes),
    )
    ours = last_states(anyres, inputs)
    torch.testing.assert_close(ours, theirs.last_hidden_state, rtol=0, atol=2e-5)


@pytest.mark.parametrize("aspect", ["anyres_max_9", "anyres_max_2"], indirect=True)
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_picture_features_and_their_number_equal_transformers(anyres, photograph, size, aspect):
    backbone, adapter = anyres.backbone, anyres.backbone_adapter
    prepared = anyres.prepare(Item((Image(photograph(*size)),)))
    crops = floats(anyres, photograph(*size))
    (still,) = prepared.images
    assert still.size == (size[1], size[0])
    (theirs,) = backbone.get_image_features(crops[None], torch.tensor([still.size])).pooler_output
    features = adapter.vision(backbone, adapter.scaled(still.pixels), [still.size])
    packed = adapter.project_images(backbone, [features], [still.size])
    torch.testing.assert_close(packed, theirs, rtol=0, atol=2e-5)
    count = image_tokens(backbone.config, len(crops), size[1], size[0])
    assert count == len(theirs) == (prepared.token_ids == backbone.config.image_token_id).sum()


def test_the_limit_of_anyres_makes_a_difference(anyres, monkeypatch):
    monkeypatch.setattr(anyres.backbone.config.vision_config, "patch_size", 12)
    many = image_tokens(anyres.backbone.config, 5, 96, 96)
    monkeypatch.setattr(anyres.backbone.config, "vision_aspect_ratio", "anyres_max_1")
    assert many == 16 + 8 * (8 + 1)  # the whole, then 8 rows of 8 patches and a newline
    assert image_tokens(anyres.backbone.config, 5, 96, 96) == 16 + 4 * (4 + 1)


def published(pinpoints: int) -> LlavaOnevisionConfig:
    """The geometry of LLaVA-OneVision: 27 x 27 patches a crop; grids up to 6 x 6 crops, in LLaVE up to 2 x 2."""
    sides = [384 * count for count in range(1, pinpoints + 1)]
    return LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", "image_size": 384, "patch_size": 14},
        image_grid_pinpoints=[[height, width] for height in sides for width in sides],
    )


def test_published_numbers_of_tokens():
    """The whole, then lines of patches with a newline each, reduced if there are more than 9 crops' worth."""
    llave, onevision = published(2), published(6)
    assert llave.vision_aspect_ratio == "anyres_max_9"
    assert image_tokens(llave, 1, 300, 300) == 729 + 1
    assert image_tokens(llave, 5, 672, 672) == 729 + 54 * (54 + 1)
    assert image_tokens(llave, 3, 336, 672) == 729 + 27 * (54 + 1)
    assert image_tokens(onevision, 37, 2304, 2304) == 729 + 81 * (81 + 1)  # 162 x 162, halved: 9 crops are 81 x 81
    assert image_tokens(onevision, 10, 1152, 1152) == 729 + 81 * (81 + 1)  # not more than 9
    assert video_tokens(llave, 32) == 32 * 14 * 14 + 1 < 8192  # as in LLaVE's text-to-video retrieval


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
    pixels = torch.cat([floats(tiny, frame, "video") for frame in clip.frames])
    prepared = tiny.prepare(Item((Text("which way?"), clip)))
    inputs = tiny.collate([prepared])
    features = tiny.backbone.get_video_features(pixels[None]).pooler_output
    assert (
        features.shape[1]
        == video_tokens(tiny.backbone.config, frames)
        == frames * math.ceil(IMAGE_SIDE / PATCH / 2) ** 2 + 1
    )
    theirs = tiny.backbone(
        input_ids=inputs.token_ids,
        attention_mask=inputs.attention_mask,
        pixel_values_videos=pixels[None],
    )
    torch.testing.assert_close(last_states(tiny, inputs), theirs.last_hidden_state, rtol=0, atol=2e-5)


def test_a_frame_is_reduced_with_rounding_up(tiny, monkeypatch):
    monkeypatch.setattr(tiny.backbone.config.vision_config, "image_size", 84)
    monkeypatch.setattr(tiny.backbone.config.vision_config, "patch_size", 12)  # 7 x 7 patches
    features = torch.zeros(2, 49, 3)
    theirs = tiny.backbone.apply_pooling(features)
    assert theirs.shape[1] == math.ceil(7 / 2) ** 2
    assert video_tokens(tiny.backbone.config, 2) == 2 * 16 + 1


@torch.no_grad()
def test_several_feature_layers_and_the_class_token_as_transformers_does(tiny, photograph, monkeypatch):
    """Layers as a list are joined; the "default" strategy drops the first feature."""
    backbone, adapter = tiny.backbone, tiny.backbone_adapter
    (still,) = tiny.prepare(Item((Image(photograph(50, 50)),))).images
    pixels = adapter.scaled(still.pixels)
    states = backbone.vision_tower(pixels, output_hidden_states=True).hidden_states
    monkeypatch.setattr(backbone.config, "vision_feature_layer", [0, -1])
    joined = adapter.vision(backbone, pixels, [still.size])
    monkeypatch.setattr(backbone.config, "vision_feature_layer", -1)
    monkeypatch.setattr(backbone.config, "vision_feature_select_strategy", "default")
    torch.testing.assert_close(joined, torch.cat([states[0], states[-1]], dim=-1))
    torch.testing.assert_close(adapter.vision(backbone, pixels, [still.size]), states[-1][:, 1:])


@pytest.mark.parametrize("size", SIZES)
def test_scaled_pixels_are_the_processors_own_padding_included(anyres, photograph, size):
    """The processor pads before it scales, so a padded pixel is black, not grey, either way."""
    (still,) = anyres.prepare(Item((Image(photograph(*size)),))).images
    assert still.pixels.dtype == torch.uint8
    expected = floats(anyres, photograph(*size))
    torch.testing.assert_close(anyres.backbone_adapter.scaled(still.pixels), expected, rtol=0, atol=1e-6)


def test_a_processor_that_does_not_scale_or_normalise_is_followed(tiny, monkeypatch):
    pixels = torch.arange(12, dtype=torch.uint8).view(1, 3, 2, 2)
    monkeypatch.setattr(tiny.image_processor, "do_normalize", False)
    torch.testing.assert_close(tiny.backbone_adapter.scaled(pixels), pixels / 255)
    monkeypatch.setattr(tiny.image_processor, "do_rescale", False)
    assert torch.equal(tiny.backbone_adapter.scaled(pixels), pixels.float())


def test_a_crop_of_a_picture_and_a_frame_are_one_to_the_tower_and_all_crops_another(anyres, photograph):
    picture = photograph(90, 90)
    alone = anyres.prepare(Item((Image(picture),))).images[0]
    among = anyres.prepare(Item((Image(picture), Image(photograph(50, 50))))).images[0]
    frame = anyres.prepare(Item((Video((picture,)),))).videos[0][0]
    assert among.id == frame.id != alone.id
    assert torch.equal(among.pixels, frame.pixels)
    assert torch.equal(among.pixels, alone.pixels[:1])


def test_one_of_several_pictures_is_padded_and_a_frame_is_not(anyres, photograph):
    picture = photograph(100, 40)
    among = anyres.prepare(Item((Image(picture), Image(photograph(50, 50))))).images[0]
    frame = anyres.prepare(Item((Video((picture,)),))).videos[0][0]
    assert among.id != frame.id
    zero = torch.tensor([int(255 * each) for each in anyres.image_processor.image_mean], dtype=torch.uint8)
    assert (among.pixels[0, :, 0] == zero[:, None]).all()  # the colour that normalises to 0
    assert not torch.equal(among.pixels, frame.pixels)
