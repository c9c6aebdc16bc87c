"""The localizer against golden numbers, and its fast path against its plain twin."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from interactvlm.checkpoints.renaming import rename_keys
from interactvlm.checkpoints.segment_anything import sam_rules
from interactvlm.config import LocalizerConfig
from interactvlm.errors import AssetError, InputError
from interactvlm.localizer import MVLocalizer, covered_patches, upscale_masks
from interactvlm.mask_decoding import BACKGROUND_LOGIT
from interactvlm.preprocessing import sam_pixels, sam_resized_hw


def golden_localizer(sizes: dict, state: dict, rules, **changes) -> MVLocalizer:
    config = LocalizerConfig(
        image_size_px=sizes["img_size"],
        patch_px=sizes["patch_size"],
        width=sizes["embed_dim"],
        depth=sizes["depth"],
        heads=sizes["num_heads"],
        window=sizes["window_size"],
        global_blocks=tuple(sizes["global_attn_indexes"]),
        **changes,
    )
    localizer = MVLocalizer(config).eval()
    localizer.load_state_dict(rename_keys(state, rules, family="golden"), strict=True)
    return localizer


@pytest.fixture(scope="module")
def sam(golden):
    keys = golden.keys("01_sam")
    state = golden.weights(keys["keys"], keys["set_seed"])
    return golden_localizer(keys["config"], state, sam_rules()), golden.arrays("01_sam")


def _close(got, wanted, atol):
    difference = np.abs(got.detach().numpy() - wanted).max()
    assert difference <= atol, f"largest difference {difference:.2e}"


def test_sam_image_preparation_equals_golden(golden):
    arrays = golden.arrays("01_sam")
    for i in (0, 1):
        pixels = sam_pixels(Image.fromarray(arrays[f"image{i}_uint8"]), 256)
        _close(pixels, arrays[f"image{i}_pixel_values"], 1e-5)
        hw = sam_resized_hw(*arrays[f"image{i}_uint8"].shape[:2], 256)
        assert hw == tuple(arrays[f"image{i}_resized_hw"])


@torch.no_grad()
def test_sam_embeddings_equal_golden(sam):
    localizer, arrays = sam
    pixels = [torch.from_numpy(arrays[f"image{i}_pixel_values"]) for i in (0, 1)]
    _close(localizer.encode(torch.stack(pixels)), arrays["image_embeddings"], 5e-5)
    _close(localizer.dense_position(), arrays["dense_pe"], 1e-5)


@torch.no_grad()
def test_sam_masks_equal_golden(sam):
    localizer, arrays = sam
    embeddings = torch.from_numpy(arrays["image_embeddings"])
    vectors = torch.from_numpy(arrays["prompt_vectors"])
    one, one_iou = localizer.decode_with_quality(vectors[None, :1], embeddings)
    four, four_iou = localizer.decode_with_quality(vectors[None], embeddings)
    three, three_iou = localizer.decode_with_quality(vectors[:3, None], embeddings)
    for i in (0, 1):
        _close(one[0, i], arrays[f"one_image{i}_low_res"][0, 0], 5e-5)
        _close(one_iou[0, i], arrays[f"one_image{i}_iou"][0, 0], 1e-5)
        _close(four[0, i], arrays[f"four_tokens_image{i}_low_res"][0, 0], 5e-5)
        _close(four_iou[0, i], arrays[f"four_tokens_image{i}_iou"][0, 0], 1e-5)
        masks = upscale_masks(
            one[:, i : i + 1],
            image_size_px=256,
            resized_hw=tuple(int(n) for n in arrays[f"image{i}_resized_hw"]),
            target_hw=arrays[f"image{i}_uint8"].shape[:2],
        )
        _close(masks[0, 0], arrays[f"one_image{i}_masks"][0, 0], 5e-5)
    _close(three[:, 0], arrays["three_prompts_image0_low_res"][:, 0], 5e-5)
    _close(three_iou[:, 0], arrays["three_prompts_image0_iou"][:, 0], 1e-5)


@pytest.fixture(scope="module")
def interact(golden):
    keys = golden.keys("02_interactvlm")
    visual = {k: v for k, v in keys["keys"].items() if k.startswith("model.visual_model.")}
    state = golden.weights(visual, keys["set_seed"])
    rules = sam_rules("model.visual_model.")
    localizer = golden_localizer(keys["sam"], state, rules, decoders="separate")
    return localizer, golden.arrays("02_interactvlm")


CASES = [
    ("single_simple_human", "simple_Gen_SEG_human", "general"),
    ("single_simple_object", "simple_Gen_SEG_object", "general"),
    ("single_view_index_human", "view_index_Gen_SEG_human", "general"),
    ("single_view_index_object", "view_index_Gen_SEG_object", "general"),
    ("single_vi_v1_human", "vi_v1_Gen_SEG_human", "general"),
    ("single_vi_v1_object", "vi_v1_Gen_SEG_object", "general"),
    ("splitter_vi_v1_human", "vi_v1_GenHuObj_HSEG_human", "general"),
    ("splitter_vi_v1_object", "vi_v1_GenHuObj_OSEG_object", "general"),
    ("separate_vi_v1_human", "vi_v1_GenHuObj_HSEG_human", "human"),
    ("separate_vi_v1_object", "vi_v1_GenHuObj_OSEG_object", "object"),
    ("separate_vi_v1_other", "vi_v1_GenHuObj_SEG_human", "general"),
]


@torch.no_grad()
@pytest.mark.parametrize(("name", "prompts", "target"), CASES)
def test_interactvlm_masks_equal_golden(interact, name, prompts, target):
    localizer, arrays = interact
    query = "object" if name.endswith("object") else "human"
    embeddings = torch.from_numpy(arrays[f"image_embeddings_{query}"])
    vectors = torch.from_numpy(arrays[f"lifted_{prompts}"])
    logits, quality = localizer.decode_with_quality(vectors, embeddings, target)
    _close(logits[0], arrays[f"low_res_{name}"][:, 0], 5e-5)
    _close(quality[0], arrays[f"iou_{name}"][:, 0], 1e-5)
    if f"masks_{name}" in arrays:
        side = arrays[f"masks_{name}"].shape[-1]
        masks = upscale_masks(
            logits, image_size_px=128, resized_hw=(128, 128), target_hw=(side, side)
        )
        _close(masks[0], arrays[f"masks_{name}"], 5e-5)


@pytest.mark.parametrize("mode", ["all_views", "own_view"])
def test_batched_decoding_equals_plain_decoding_including_gradients(tiny_config, mode):
    torch.manual_seed(0)
    config = dataclasses.replace(tiny_config.localizer, prompt_mode=mode)
    localizer = MVLocalizer(config).eval()
    views = torch.randn(4, 32, 4, 4)
    prompts = torch.randn(3, 4, 32, requires_grad=True)
    fast = localizer.decode(prompts, views)
    plain = localizer._decode_plain(prompts, views, "general")
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-4)
    upstream = torch.randn_like(fast)
    gradients = [torch.autograd.grad(x, prompts, upstream)[0] for x in (fast, plain)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-3)


@torch.no_grad()
def test_left_out_patches_are_neither_read_nor_painted(tiny_config):
    torch.manual_seed(0)
    localizer = MVLocalizer(tiny_config.localizer).eval()
    prompts, views = torch.randn(2, 4, 32), torch.randn(4, 32, 4, 4)
    patches = torch.tensor([[0, 5, 6], [1, 2, 3], [12, 13, 15], [4, 8, 9]])
    logits = localizer.decode(prompts, views, "human", patches)
    chosen = torch.zeros(4, 16, dtype=torch.bool).scatter(1, patches, True).view(4, 4, 4)
    other = torch.where(chosen[:, None], views, torch.randn_like(views))
    torch.testing.assert_close(localizer.decode(prompts, other, "human", patches), logits)
    painted = chosen.repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert (logits[:, ~painted] == BACKGROUND_LOGIT).all()
    assert (logits[:, painted] != BACKGROUND_LOGIT).all()


@torch.no_grad()
def test_all_patches_in_any_order_are_the_whole_view(tiny_config):
    torch.manual_seed(0)
    localizer = MVLocalizer(tiny_config.localizer).eval()
    prompts, views = torch.randn(2, 4, 32), torch.randn(4, 32, 4, 4)
    shuffled = torch.stack([torch.randperm(16) for _ in range(4)])
    torch.testing.assert_close(
        localizer.decode(prompts, views, "human", shuffled),
        localizer.decode(prompts, views, "human"),
    )


def test_covered_patches_hold_the_surface_and_its_rim():
    valid = torch.zeros(2, 64, 64, dtype=torch.bool)
    valid[0, 16:32, 16:32] = True  # exactly patch row 1, column 1 of 4 x 4
    valid[1, 40, 40] = True
    patches = covered_patches(valid, 4)
    assert patches.shape == (2, 9)
    assert patches[0].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert 10 in patches[1].tolist()
    assert covered_patches(torch.zeros(1, 64, 64, dtype=torch.bool), 4).shape == (1, 1)


@torch.no_grad()
def test_chunks_bound_memory_and_change_nothing(tiny_config, monkeypatch):
    torch.manual_seed(0)
    localizer = MVLocalizer(tiny_config.localizer).eval()
    prompts, views = torch.randn(5, 4, 32), torch.randn(4, 32, 4, 4)
    whole = localizer.decode(prompts, views)
    monkeypatch.setattr("interactvlm.localizer.DECODER_BYTES", 1)
    torch.testing.assert_close(localizer.decode(prompts, views), whole, atol=1e-5, rtol=1e-4)
    assert localizer.decode(prompts[:0], views).shape == (0, 4, 16, 16)


def test_view_embeddings_are_read_back_and_follow_the_encoder(tiny_config, tmp_path, monkeypatch):
    localizer = MVLocalizer(tiny_config.localizer).eval()
    images = torch.randint(0, 255, (4, 64, 64, 3), dtype=torch.uint8)
    first = localizer.encode_views_cached(images, "views", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(MVLocalizer, "encode", lambda *_: pytest.fail("encoded twice"))
        again = localizer.encode_views_cached(images, "views", tmp_path)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    with torch.no_grad():
        localizer.image_encoder.neck.conv1.weight.add_(1.0)
    localizer.forget_encoder_hash()
    changed = localizer.encode_views_cached(images, "views", tmp_path)
    assert not torch.equal(changed, first)


def test_prompts_of_another_size_are_refused(tiny_config):
    localizer = MVLocalizer(tiny_config.localizer)
    with pytest.raises(InputError, match="dim 32"):
        localizer.decode(torch.randn(1, 4, 16), torch.randn(4, 16, 4, 4))


def test_an_unknown_checkpoint_key_is_named():
    with pytest.raises(AssetError, match=r"surprise\.weight"):
        rename_keys({"surprise.weight": torch.zeros(1)}, sam_rules(), family="SAM")
