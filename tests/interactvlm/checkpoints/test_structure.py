"""The released models at full size, without their values: every key and every shape.

The tables of `published.py` against the modules built here, through the rename rules.
"""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from interactvlm.checkpoints.files import Stored
from interactvlm.checkpoints.inspection import model_shapes, require_fit
from interactvlm.checkpoints.released import CLIP_RULES, RELEASED_RULES
from interactvlm.checkpoints.released_config import clip_config, released_config, structure_of
from interactvlm.checkpoints.renaming import published_name, rename_keys
from interactvlm.checkpoints.segment_anything import sam_rules
from interactvlm.checkpoints.settings import Settings
from interactvlm.checkpoints.shapes import localizer_sizes
from interactvlm.config import LocalizerConfig
from interactvlm.errors import AssetError
from interactvlm.presets import preset
from interactvlm.weights import TensorSpec
from tests.interactvlm.checkpoints.published import (
    LISA_7B,
    SAM_SIZES,
    Sizes,
    clip_shapes,
    released_shapes,
    sam_shapes,
    settings,
)

SEG = {"[SEG]": 32000, "<im_start>": 32001, "<im_end>": 32002}
SEG_7B = {"<im_patch>": 32000, "<im_start>": 32001, "<im_end>": 32002, "[SEG]": 32003}
JOINT = {**SEG, "[HSEG]": 32003, "[OSEG]": 32004}
VARIANTS = {
    "Gen": (Sizes(), SEG, 1015, 13_689_916_336),
    "Gen-Hu-Obj": (Sizes(vocab=32005, splitter=True), JOINT, 1027, 13_690_068_784),
    "Gen-Hu-Obj-DifDe": (
        Sizes(vocab=32005, splitter=True, separate=True), JOINT, 1267, 13_698_185_464,
    ),
    "LISA-7B": (LISA_7B, SEG_7B, 32 * 10 + 9 + 594, None),
}  # fmt: skip


def told(sizes, added, **changes):
    return Settings(settings(sizes, added, **changes), Path("config.json"))


def as_stored(shapes):
    return {
        key: Stored(Path("weights.bin"), key, TensorSpec(shape, torch.bfloat16))
        for key, shape in shapes.items()
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_published_tables_have_the_published_size(variant):
    sizes, _, keys, values = VARIANTS[variant]
    shapes = released_shapes(sizes)
    assert len(shapes) == keys
    if values is not None:
        assert sum(math.prod(shape) for shape in shapes.values()) == values


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_key_and_shape_of_a_release_is_one_of_the_model(variant):
    sizes, added, _, _ = VARIANTS[variant]
    published = released_shapes(sizes)
    config = released_config(published, told(sizes, added), added)
    renamed = rename_keys(published, RELEASED_RULES, family=variant)
    renamed |= rename_keys(clip_shapes(), CLIP_RULES, family="CLIP")
    wanted = model_shapes(config)
    assert sorted(wanted.keys() - renamed.keys()) == []
    assert sorted(renamed.keys() - wanted.keys()) == []
    assert {name: shape for name, shape in renamed.items() if wanted[name] != shape} == {}


def test_the_presets_are_what_the_weights_say():
    published = released_shapes(Sizes())
    config = released_config(published, told(Sizes(), SEG), SEG)
    base = preset("lisa-13b")
    told_by_releases = ("contact_question", "trained_for", "affordances", "affordance_question",
                        "affordance_answer")  # fmt: skip
    silent = {name: getattr(base, name) for name in told_by_releases}
    assert dataclasses.replace(config, **silent) == base
    values = told(LISA_7B, SEG_7B, rms_norm_eps=1e-6, max_position_embeddings=2048)
    lisa = released_config(released_shapes(LISA_7B), values, SEG_7B)
    small = preset("lisa-7b")
    assert (lisa.language, lisa.tokens) == (small.language, small.tokens)
    assert lisa.localizer == dataclasses.replace(small.localizer, feat_lift="none")


def test_the_joint_release_has_two_tokens_and_the_splitter():
    sizes, added, _, _ = VARIANTS["Gen-Hu-Obj-DifDe"]
    config = released_config(released_shapes(sizes), told(sizes, added), added)
    assert (config.tokens.human, config.tokens.object) == ("[HSEG]", "[OSEG]")
    assert config.tokens.more == ("[SEG]",)
    assert config.localizer.splitter_width == 128
    assert config.localizer.decoders == "separate"


def test_structures_have_names():
    def title(sizes, **changes):
        values = told(sizes, JOINT, **changes)
        return structure_of(released_shapes(sizes), values).title

    assert "hcontact-damon" in title(Sizes())
    assert "hcontact-ocontact" in title(Sizes(splitter=True))
    assert "separate" in title(Sizes(splitter=True, separate=True))
    assert "2d-hcontact" in title(Sizes(camera="none"))
    assert title(LISA_7B, token_type=None, architectures=["LISAForCausalLM"]) == "LISA"


@pytest.mark.parametrize(("camera", "ours"), [("simple", "simple"), ("view_index", "view_index")])
def test_other_camera_encoders_fit_too(camera, ours):
    sizes = Sizes(camera=camera)
    published = released_shapes(sizes)
    config = released_config(published, told(sizes, SEG), SEG)
    assert config.localizer.feat_lift == ours
    wanted = model_shapes(config)
    for name, shape in rename_keys(published, RELEASED_RULES, family="InteractVLM").items():
        assert wanted[name] == shape


@pytest.mark.parametrize("name", SAM_SIZES)
def test_segment_anything_sizes_are_read_off_the_shapes(name):
    sizes = SAM_SIZES[name]
    config = localizer_sizes(sam_shapes(sizes))
    assert config == LocalizerConfig(
        width=sizes.sam_width, depth=sizes.sam_depth, heads=sizes.sam_heads,
        global_blocks=sizes.global_blocks, feat_lift="none",
    )  # fmt: skip


def test_clip_sizes_are_read_off_the_shapes():
    values = Settings({"vision_config": {"num_attention_heads": 16}}, Path("config.json"))
    assert clip_config(clip_shapes(), values) == preset("lisa-13b").vision


def test_every_rule_can_be_read_backwards():
    sizes, _, _, _ = VARIANTS["Gen-Hu-Obj-DifDe"]
    for table, rules in (
        (released_shapes(sizes), RELEASED_RULES),
        (released_shapes(Sizes(camera="simple")), RELEASED_RULES),
        (sam_shapes(Sizes()), sam_rules()),
        (clip_shapes(), CLIP_RULES),
    ):
        for name, key in rename_keys({k: k for k in table}, rules, family="any").items():
            assert published_name(name, rules) == key
    assert published_name("nothing.like.it", RELEASED_RULES) == "nothing.like.it"


def test_every_ignored_key_has_its_reason():
    for rule in (*RELEASED_RULES, *CLIP_RULES):
        assert rule.target is not None or rule.reason


SMALL = {"a.weight": (2, 3), "a.bias": (2,)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("a.bias"), r"'a.bias' is missing in the X checkpoint \(1 of 2"),
        (lambda t: t.update(as_stored({"b": (1,)})), "'b' is one too many"),
        (lambda t: t.update(as_stored({"a.bias": (9,)})), r"'a.bias' has shape \(9,\).*\(2,\)"),
    ],
)
def test_a_table_that_does_not_fit_is_named(change, message):
    table = as_stored(SMALL)
    require_fit(SMALL, table, (), "X")
    change(table)
    with pytest.raises(AssetError, match=message):
        require_fit(SMALL, table, (), "X")


@pytest.mark.parametrize(
    ("sizes", "changes", "message"),
    [
        (Sizes(), {"token_type": "Gen-Hu-Obj"}, "token_type 'Gen-Hu-Obj'.*built as 'Gen'"),
        (Sizes(splitter=True), {"token_type": "Gen-Int"}, "'Gen-Int'"),
        (Sizes(), {"cam_encoder_type": "simple"}, "cam_encoder_type 'simple'.*'vi_v1'"),
        (Sizes(), {"multiview_cam_cond": False}, "multiview_cam_cond false.*hold"),
        (Sizes(camera="none"), {"multiview_cam_cond": True}, "multiview_cam_cond true.*lack"),
        (Sizes(), {"seg_token_idx": 31999}, r"seg_token_idx 31999.*'\[SEG\]' the id 32000"),
        (Sizes(), {"seg_token_idx": "x"}, "'seg_token_idx' must be a whole number, found 'x'"),
        (Sizes(), {"num_attention_heads": None}, "'num_attention_heads' is missing"),
        (Sizes(), {"rms_norm_eps": True}, "'rms_norm_eps' must be a number"),
        (Sizes(), {"rope_scaling": {"type": "linear"}}, "'rope_scaling'"),
        (Sizes(), {"mm_vision_select_layer": -1}, "'mm_vision_select_layer' is -1; only -2"),
    ],
)
def test_settings_that_contradict_the_weights_are_named(sizes, changes, message):
    with pytest.raises(AssetError, match=message):
        released_config(released_shapes(sizes), told(sizes, JOINT, **changes), JOINT)


def test_a_contact_token_without_id_is_named():
    sizes = Sizes(splitter=True)
    with pytest.raises(AssetError, match=r"token '\[HSEG\]'"):
        released_config(released_shapes(sizes), told(sizes, SEG), SEG)
