"""What a released InteractVLM or LISA folder is, and the config of the model that it fills.

The weights decide the structure (which modules there are, how wide they are); config.json decides
what weights cannot tell; where both speak, they must agree. Reads no tensor.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from interactvlm.checkpoints.settings import Settings
from interactvlm.checkpoints.shapes import Shapes, clip_sizes, localizer_sizes, shape_of
from interactvlm.config import (
    InteractVLMConfig,
    Job,
    LanguageConfig,
    LocalizerConfig,
    TokenConfig,
    VisionConfig,
)
from interactvlm.data.lemon import AFFORDANCES as LEMON_AFFORDANCES
from interactvlm.data.piad import AFFORDANCES as PIAD_AFFORDANCES
from interactvlm.errors import AssetError
from interactvlm.presets import preset

CameraKind = Literal["none", "simple", "view_index", "featlift"]

CONTACT_QUESTION = "Which body parts are in contact with the {label}? Segment these contact areas."
"""What the released weights are asked about a body by their own demo. They were tuned on a few
fixed wordings, so the wording belongs to their interface."""
PHOTO_QUESTION = (
    "Segment the area on the human's body that is in direct contact with the {label} in this image."
)
"""The same for the release that marks contact on the photo."""
OBJECT_QUESTION = (
    "Segment the area on the {label} where the human is making direct contact in this image."
)
"""Contact on an object. The joint release was trained on it; the demo never asks it."""
AFFORDANCE_QUESTION = (
    "What type of affordance does the human-object interaction suggest? Then, segment the area on "
    "the {label} where the human is making contact."
)
"""The demo's only question about objects, without the stray quotation marks it puts around it:
training never saw those."""
AFFORDANCE_ANSWER = "The affordance type is {affordance}, and the contact region is"
"""The first of the answers that affordances were trained with, up to the contact token."""

_SAM = "model.visual_model."
_CAMERA = "cam_pose_encoder."
_IDS = {"seg_token_idx": "[SEG]", "hseg_token_idx": "[HSEG]", "oseg_token_idx": "[OSEG]"}
"""Entries of config.json and the tokens whose ids they hold."""
_CAMERA_KINDS: dict[str, CameraKind] = {
    "simple": "simple", "view_index": "view_index", "vi_v1": "featlift",
}  # fmt: skip
"""Published names of camera encoders and ours."""
_LLAMA = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False}
_LLAVA = {"mm_vision_select_layer": -2, "mm_vision_select_feature": "patch"}
"""Values every release has; others would ask for another forward pass than ours."""

_TOWER_SIDES_PX = {"clip-vit-large-patch14": 224, "clip-vit-large-patch14-336": 336}
"""Two towers of the same shapes but for the photo's side."""


@dataclass(frozen=True)
class Structure:
    """Which modules a checkpoint holds."""

    family: Literal["InteractVLM", "LISA"]
    """LISA is the base model: words and masks, no canonical views."""
    camera: CameraKind
    """Camera conditioning."""
    splitter: bool
    """Separate attention for humans and objects, as in the joint model."""
    separate_decoders: bool
    """One mask decoder for humans and one for objects beside the general one."""

    @property
    def token_type(self) -> str:
        """The published name of the layout of contact tokens and decoders."""
        return ("Gen-Hu-Obj" if self.splitter else "Gen") + "-DifDe" * self.separate_decoders

    @property
    def title(self) -> str:
        """A name for people, with the releases that are built like this."""
        if self.family == "LISA":
            return "LISA"
        if self.separate_decoders:
            return f"InteractVLM {self.token_type} (separate mask decoders; no known release)"
        if self.splitter:
            return "InteractVLM Gen-Hu-Obj (as the joint release hcontact-ocontact)"
        if self.camera == "none":
            return "InteractVLM Gen without cameras (as 2d-hcontact: contact on the photo)"
        return (
            "InteractVLM Gen (as hcontact-damon, -damon-fix, -damon-noParts, hcontact-wScene and "
            "oafford-lemon-piad)"
        )


def structure_of(shapes: Shapes, settings: Settings) -> Structure:
    """The structure that keys and config.json agree on.

    Raises AssetError where they contradict each other or name what no release has.
    """
    camera = _camera_kind(shapes, settings)
    named = settings.has("token_type") or "InteractVLM" in str(settings.values.get("architectures"))
    structure = Structure(
        family="InteractVLM" if camera != "none" or named else "LISA",
        camera=camera,
        splitter=_any_under(shapes, "attention_splitter."),
        separate_decoders=_any_under(shapes, f"{_SAM}human_mask_decoder."),
    )
    told = settings.text("token_type", structure.token_type)
    if told != structure.token_type:
        raise AssetError(
            f"config.json says token_type {told!r}, the weights are built as "
            f"{structure.token_type!r}; read are Gen, Gen-Hu-Obj and both with -DifDe: "
            f"{str(settings.path)!r}"
        )
    return structure


def released_config(
    shapes: Shapes,
    settings: Settings,
    added: Mapping[str, int],
    vision: VisionConfig | None = None,
) -> InteractVLMConfig:
    """The config of a model with these weights; `shapes` by published keys, adapters left out.

    Without `vision` the photo tower is the published CLIP ViT-L/14, as wide as its projector.
    Raises AssetError naming the key, setting or token that is missing or does not fit.
    """
    structure = structure_of(shapes, settings)
    for expected in (_LLAMA, _LLAVA):
        _require_values(settings, expected)
    base = preset("lisa-13b")
    width = shape_of(shapes, "model.mm_projector.weight", 2)[1]
    if vision is None:
        heads = base.vision.heads if width == base.vision.width else 1
        vision = dataclasses.replace(base.vision, width=width, heads=heads)
    else:
        _require_tower(vision, width, settings)
    return dataclasses.replace(
        base,
        vision=vision,
        language=_language_config(shapes, settings),
        localizer=_localizer_config(shapes, structure, settings),
        tokens=_token_config(structure, settings, added),
        contact_question=_contact_question(structure),
        # Without cameras there are no canonical views: SAM was shown the photo.
        answers_on="photo" if structure.camera == "none" else "body",
        **_object_answers(structure, settings),
    )


def _trained_for(structure: Structure, settings: Settings) -> tuple[Job, ...]:
    """What the weights were trained to mark, as far as the release tells.

    The 3D losses double as the publisher's own switches: a task without its loss was never
    trained. Single-task releases are built alike, so where config.json is silent both may be meant.
    """
    if structure.camera == "none":
        return ("body",)
    on_object: tuple[Job, ...] = ("object", "affordance") if structure.splitter else ("affordance",)
    body = settings.number("hC_loss_weight", 0.0) > 0
    object_ = settings.number("oC_loss_weight", 0.0) > 0
    if not body and not object_:
        return ("body", *on_object)
    return (*(("body",) if body else ()), *(on_object if object_ else ()))


def _object_answers(structure: Structure, settings: Settings) -> dict[str, Any]:
    """The config's fields about objects: what was trained, and in which words."""
    jobs = _trained_for(structure, settings)
    fields: dict[str, Any] = {"trained_for": jobs}
    if "object" in jobs:
        fields["object_question"] = OBJECT_QUESTION
    if "affordance" in jobs:
        fields["affordance_question"] = AFFORDANCE_QUESTION
        fields["affordance_answer"] = AFFORDANCE_ANSWER
        fields["affordances"] = tuple(dict.fromkeys(PIAD_AFFORDANCES + LEMON_AFFORDANCES))
    return fields


def _contact_question(structure: Structure) -> str:
    if structure.family == "LISA":
        return ""
    return PHOTO_QUESTION if structure.camera == "none" else CONTACT_QUESTION


def clip_config(shapes: Shapes, settings: Settings) -> VisionConfig:
    """The photo tower of a published CLIP folder, framed as the released weights expect.

    Raises AssetError when it is no CLIP whose features LLaVA reads.
    """
    vision = settings.part("vision_config")
    _require_values(vision, {"hidden_act": "quick_gelu"})
    base = VisionConfig(framing="centre_crop")
    heads = vision.integer("num_attention_heads")
    return dataclasses.replace(base, heads=heads, **clip_sizes(shapes))


def _require_tower(vision: VisionConfig, width: int, settings: Settings) -> None:
    """Raises AssetError when the photo tower is not the one the weights were trained on."""
    name = settings.text("mm_vision_tower", "").rstrip("/").rsplit("/", 1)[-1]
    side = _TOWER_SIDES_PX.get(name, vision.image_size_px)
    if vision.width != width or vision.image_size_px != side:
        raise AssetError(
            f"the CLIP that was given sees {vision.image_size_px} px and is {vision.width} wide, "
            f"the weights were trained on one of {side} px, {width} wide ({name or 'unnamed'})"
        )
    added = (side // vision.patch_px) ** 2 - 1
    if settings.integer("img_emb_len", added) != added:
        raise AssetError(
            f"the CLIP that was given lengthens a text by {added} tokens, config.json says "
            f"img_emb_len {settings.integer('img_emb_len')}: {str(settings.path)!r}"
        )


def _language_config(shapes: Shapes, settings: Settings) -> LanguageConfig:
    if settings.has("rope_scaling"):
        raise AssetError(f"'rope_scaling' is not supported: {str(settings.path)!r}")
    vocabulary, hidden = shape_of(shapes, "model.embed_tokens.weight", 2)
    heads = settings.integer("num_attention_heads")
    return dataclasses.replace(
        preset("lisa-13b").language,
        vocab_size=vocabulary,
        hidden=hidden,
        layers=settings.integer("num_hidden_layers"),
        heads=heads,
        key_value_heads=settings.integer("num_key_value_heads", heads),
        mlp_width=shape_of(shapes, "model.layers.0.mlp.gate_proj.weight", 2)[0],
        rms_eps=settings.number("rms_norm_eps"),
        rope_theta=settings.number("rope_theta", 10000.0),
        max_positions=settings.integer("max_position_embeddings"),
    )


def _localizer_config(shapes: Shapes, structure: Structure, settings: Settings) -> LocalizerConfig:
    camera_width, splitter_width = LocalizerConfig.camera_width, 0
    if structure.camera == "featlift":
        camera_width = shape_of(shapes, f"{_CAMERA}spatial_encoder.0.weight", 2)[0]
    if structure.splitter:
        splitter_width = shape_of(shapes, "attention_splitter.input_proj.weight", 2)[0]
    return dataclasses.replace(
        localizer_sizes(shapes, _SAM),
        decoders="separate" if structure.separate_decoders else "shared",
        feat_lift=structure.camera,
        camera_width=camera_width,
        splitter_width=splitter_width,
        num_views=4 if structure.camera != "none" else settings.integer("multiview_channels", 1),
    )


def _camera_kind(shapes: Shapes, settings: Settings) -> CameraKind:
    """Told by the keys; config.json must not contradict them."""
    held = _any_under(shapes, _CAMERA)
    if settings.flag("multiview_cam_cond", held) != held:
        raise AssetError(
            f"config.json says multiview_cam_cond {str(not held).lower()}, the weights "
            f"{'hold' if held else 'lack'} {_CAMERA!r} keys: {str(settings.path)!r}"
        )
    if not held:
        return "none"
    found = _camera_name(shapes)
    if settings.text("cam_encoder_type", found) != found:
        raise AssetError(
            f"config.json says cam_encoder_type {settings.text('cam_encoder_type')!r}, the weights "
            f"are those of {found!r}: {str(settings.path)!r}"
        )
    return _CAMERA_KINDS[found]


def _camera_name(shapes: Shapes) -> str:
    """Published name; two encoders have the same keys and differ in their inner width."""
    if f"{_CAMERA}linear1.weight" in shapes:
        return "simple"
    width = shape_of(shapes, f"{_CAMERA}spatial_encoder.0.weight", 2)[0]
    dim = shape_of(shapes, f"{_CAMERA}view_transforms.0.weight", 2)[0]
    return "view_index" if width == dim else "vi_v1"


def _token_config(
    structure: Structure, settings: Settings, added: Mapping[str, int]
) -> TokenConfig:
    human, target = ("[HSEG]", "[OSEG]") if structure.splitter else ("[SEG]", "[SEG]")
    framed = settings.flag("mm_use_im_start_end", True)
    start, end = ("<im_start>", "<im_end>") if framed else ("", "")
    for text in (human, target, start, end):
        if text and text not in added:
            raise AssetError(
                f"token {text!r} of a {structure.title} has no id; added tokens are "
                f"{sorted(added)}: {str(settings.path.parent)!r}"
            )
    for name, text in _IDS.items():
        if text in added and settings.has(name) and settings.integer(name) != added[text]:
            raise AssetError(
                f"config.json says {name} {settings.integer(name)}, added_tokens.json gives "
                f"{text!r} the id {added[text]}: {str(settings.path.parent)!r}"
            )
    base = preset("lisa-13b").tokens
    named = {human, target, start, end, base.bos, base.eos, base.pad}
    return dataclasses.replace(
        base,
        human=human,
        object=target,
        image_start=start,
        image_end=end,
        more=tuple(sorted(added.keys() - named, key=added.__getitem__)),
    )


def _require_values(settings: Settings, expected: Mapping[str, object]) -> None:
    for name, value in expected.items():
        if settings.has(name) and settings.values[name] != value:
            raise AssetError(
                f"{name!r} is {settings.values[name]!r}; only {value!r} is supported: "
                f"{str(settings.path)!r}"
            )


def _any_under(keys: Iterable[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in keys)
