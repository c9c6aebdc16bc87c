"""Everything that fixes the architecture of a model, as frozen dataclasses stored in JSON.

Knows sizes and names only: no tensors, no training schedule, no file of a dataset. The same
classes describe the shipped miniature model and the released 7B and 13B weights.
"""

import dataclasses
import json
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from interactvlm.errors import AssetError, InputError

CONFIG_FILE = "config.json"
Job = Literal["body", "object", "affordance"]
"""What a model can be asked to mark: contact on the body (or, for a model of the photo, of the body
on the photo), contact on an object, or where an object affords its use."""
ADDED_LATER = {"added_later": True}
"""Marks a field that older model folders do not have: there its default holds."""
_JOB_WORDS: dict[Job, str] = {
    "body": "contact of the body",
    "object": "contact on objects",
    "affordance": "affordance on objects",
}
_RELEASES_FOR: dict[Job, str] = {
    "body": "hcontact-damon-fix or hcontact-ocontact",
    "object": "hcontact-ocontact",
    "affordance": "oafford-lemon-piad or hcontact-ocontact",
}
"""Releases by what they were trained for. Source: InteractVLM, table of models."""


@dataclass(frozen=True)
class VisionConfig:
    """The tower that turns a photo into vectors for the language model."""

    kind: Literal["clip", "perception"] = "clip"
    """`clip`: a CLIP ViT. `perception`: the miniature model's own tower."""
    image_size_px: int = 224
    """Side of the square photo the tower sees."""
    patch_px: int = 14
    """Side of one patch."""
    width: int = 1024
    """Length of one token vector."""
    depth: int = 24
    """Transformer blocks."""
    heads: int = 16
    """Attention heads."""
    mlp_width: int = 4096
    """Hidden width of the MLP of one block."""
    feature_layer: int = -2
    """CLIP only: which hidden state is read; -2 is the last but one."""
    framing: Literal["pad_square", "centre_crop"] = "pad_square"
    """How a whole photo becomes square. The released weights saw centre crops."""
    options: dict[str, int | float | str | bool] = field(default_factory=dict)
    """Settings that only one kind of tower knows."""

    def __post_init__(self) -> None:
        _require_positive(self, "image_size_px", "patch_px", "width", "depth", "heads", "mlp_width")


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters of the language model while it trains; saved weights are always merged."""

    rank: int = 0
    """0 switches adapters off."""
    alpha: float = 16.0
    """The adapter's output is scaled by alpha / rank."""
    dropout: float = 0.05
    """Dropout in front of the adapter."""
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Names of the linear layers that get an adapter."""


@dataclass(frozen=True)
class LanguageConfig:
    """A Llama decoder and the projector that feeds it image tokens."""

    vocab_size: int = 32003
    """Rows of the embedding, special tokens included."""
    hidden: int = 5120
    """Length of a hidden state."""
    layers: int = 40
    """Decoder blocks."""
    heads: int = 40
    """Query heads."""
    key_value_heads: int = 40
    """Key and value heads; fewer than `heads` means grouped queries."""
    mlp_width: int = 13824
    """Hidden width of the gated MLP."""
    rms_eps: float = 1e-5
    """Epsilon of every RMS norm."""
    rope_theta: float = 10000.0
    """Base of the rotary position encoding."""
    max_positions: int = 4096
    """Longest sequence in tokens, image tokens included."""
    projector: Literal["linear", "mlp"] = "linear"
    """`linear`: LLaVA-v1 and every released checkpoint. `mlp`: two layers with GELU (LLaVA-1.5)."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Adapters used in training."""

    def __post_init__(self) -> None:
        _require_positive(self, "vocab_size", "hidden", "layers", "heads", "mlp_width")
        if self.hidden % self.heads or self.heads % self.key_value_heads:
            raise InputError(
                f"hidden must divide by heads and heads by key_value_heads, got "
                f"{self.hidden}, {self.heads}, {self.key_value_heads}"
            )


@dataclass(frozen=True)
class LocalizerConfig:
    """SAM parts and the camera-conditioned lift of one token to one prompt vector per view."""

    image_size_px: int = 1024
    """Side of the square image the encoder sees."""
    patch_px: int = 16
    """Side of one patch; the embedding grid is image_size_px / patch_px."""
    width: int = 1280
    """Encoder width."""
    depth: int = 32
    """Encoder blocks."""
    heads: int = 16
    """Encoder heads."""
    mlp_ratio: float = 4.0
    """Encoder MLP width over encoder width."""
    window: int = 14
    """Side of the attention window in patches; 0 means every block attends globally."""
    global_blocks: tuple[int, ...] = (7, 15, 23, 31)
    """Blocks that attend globally."""
    dim: int = 256
    """Channels of the image embedding, of a prompt vector and of the mask decoder."""
    decoder_depth: int = 2
    """Two-way blocks."""
    decoder_heads: int = 8
    """Heads of the mask decoder."""
    decoder_mlp_width: int = 2048
    """MLP width of the mask decoder."""
    attention_downsample: int = 2
    """Cross attention works at dim / attention_downsample."""
    decoders: Literal["shared", "separate"] = "shared"
    """`separate`: beside the general decoder one for humans and one for objects."""
    prompt_mode: Literal["all_views", "own_view"] = "all_views"
    """`all_views`: every view is decoded with all lifted vectors together, as in all released
    weights. `own_view`: each view with its own vector only."""
    patches: Literal["all", "covered"] = "all"
    """Patches of a view the decoder attends to: `all`, as in all released weights, or only those
    that see the surface, about a sixth of them on a body."""
    feat_lift: Literal["none", "simple", "view_index", "featlift"] = "featlift"
    """`none`: the vector repeated. `simple`: camera code added (the paper's ablation calls it
    concatenation). `view_index`: gate without final sigmoid. `featlift`: sigmoid gate."""
    num_views: int = 4
    """Views per query."""
    camera_width: int = 128
    """Hidden width of the `featlift` camera encoder."""
    splitter_width: int = 0
    """Width of the human/object attention over view vectors; 0 switches it off (released: 128)."""

    def __post_init__(self) -> None:
        _require_positive(self, "image_size_px", "patch_px", "width", "depth", "heads", "dim")
        if self.image_size_px % self.patch_px:
            raise InputError(
                f"image_size_px must be a multiple of patch_px, got "
                f"{self.image_size_px} and {self.patch_px}"
            )
        if self.dim % (8 * self.attention_downsample):
            raise InputError(f"dim must divide by 8 * attention_downsample, got {self.dim}")

    @property
    def grid(self) -> int:
        """Side of the embedding grid in patches."""
        return self.image_size_px // self.patch_px

    @property
    def low_res_px(self) -> int:
        """Side of the logits the mask decoder gives: four times the grid."""
        return 4 * self.grid


@dataclass(frozen=True)
class TokenConfig:
    """Texts of the special tokens. `<image>` is a place in the text, never a vocabulary row."""

    human: str = "<HCON>"
    """Emitted where the body is touched."""
    object: str = "<OCON>"
    """Emitted where the object is touched; may equal `human` in single-task checkpoints."""
    bos: str = "<s>"
    """Starts every sequence."""
    eos: str = "</s>"
    """Ends every answer."""
    pad: str = "<pad>"
    """Fills batches; never read."""
    image_start: str = ""
    """Token before the image, empty when the model has none."""
    image_end: str = ""
    """Token after the image, empty when the model has none."""
    strip_around: tuple[str, ...] = ()
    """Tokens that swallow neighbouring white space, as the published tokenizer does."""
    more: tuple[str, ...] = ()
    """Further special tokens of the vocabulary that this model does not use itself."""

    def specials(self) -> tuple[str, ...]:
        """Every special token once, in vocabulary order."""
        names = (self.pad, self.bos, self.eos, self.human, self.object)
        optional = (self.image_start, self.image_end, *self.more)
        return tuple(dict.fromkeys(n for n in (*names, *optional) if n))


@dataclass(frozen=True)
class InteractVLMConfig:
    """A whole model."""

    vision: VisionConfig = field(default_factory=VisionConfig)
    """Photo tower."""
    language: LanguageConfig = field(default_factory=LanguageConfig)
    """Decoder."""
    localizer: LocalizerConfig = field(default_factory=LocalizerConfig)
    """Masks on the canonical views."""
    tokens: TokenConfig = field(default_factory=TokenConfig)
    """Special tokens."""
    topology: str = "anny"
    """Body surface the contact lives on."""
    view_resolution_px: int = 1024
    """Side of the canonical renders."""
    lift_resolution_px: int = 1024
    """Side to which mask logits are brought (bilinear) before lifting to vertices."""
    threshold: float = 0.5
    """A vertex is in contact at or above this probability."""
    no_contact_bias: float = 0.0
    """Added to the logits with which an answer "no contact" begins; fixed on validation data."""
    labels: tuple[str, ...] = ()
    """Object labels the model knows; empty means open vocabulary."""
    template_style: Literal["short", "llava_v1"] = "llava_v1"
    """Layout of a conversation."""
    contact_question: str = ""
    """Fixed inference question with `{label}`; empty means the first paraphrase."""
    max_new_tokens: int = 64
    """Longest answer."""
    answers_on: Literal["body", "photo"] = field(default="body", metadata=ADDED_LATER)
    """`body`: contact on the canonical body. `photo`: a mask over the photo itself, as the
    published 2D release; such a model never saw canonical views."""
    trained_for: tuple[Job, ...] = field(default=("body",), metadata=ADDED_LATER)
    """What the weights were trained to mark; asked for anything else, a model refuses."""
    heat_gain: float = field(default=1.0, metadata=ADDED_LATER)
    """Logits of heat on objects times this plus `heat_shift`; fixed on validation data."""
    heat_shift: float = field(default=0.0, metadata=ADDED_LATER)
    """See `heat_gain`."""
    object_question: str = field(default="", metadata=ADDED_LATER)
    """`contact_question` for contact on an object."""
    affordance_question: str = field(default="", metadata=ADDED_LATER)
    """`contact_question` for where an object affords its use; empty asks for contact on it."""
    affordance_answer: str = field(default="", metadata=ADDED_LATER)
    """How an answer begins that names the `{affordance}`; the model goes on from there when the
    asker names it. Empty: the model cannot be told an affordance."""
    affordances: tuple[str, ...] = field(default=(), metadata=ADDED_LATER)
    """Affordances the model knows; empty means open vocabulary."""

    def __post_init__(self) -> None:
        _require_positive(self, "view_resolution_px", "lift_resolution_px", "max_new_tokens")
        if not 0.0 < self.threshold < 1.0:
            raise InputError(f"threshold must lie between 0 and 1, got {self.threshold!r}")

    @property
    def object_job(self) -> Literal["object", "affordance"]:
        """What is asked about an object unless the asker says otherwise."""
        touch_only = "object" in self.trained_for and "affordance" not in self.trained_for
        return "object" if touch_only else "affordance"

    @property
    def marks(self) -> str:
        """What the weights were trained to mark, in words."""
        return " and ".join(_JOB_WORDS[job] for job in self.trained_for) or "nothing"

    def require_trained_for(self, job: Job) -> None:
        """Raises InputError when the weights would answer with untrained numbers."""
        if job not in self.trained_for:
            raise InputError(
                f"these weights mark {self.marks} and were never trained to mark "
                f"{_JOB_WORDS[job]}; use weights that were, such as the released "
                f"{_RELEASES_FOR[job]} after `interactvlm convert`"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "InteractVLMConfig":
        """Inverse of `to_dict`. Raises AssetError naming an unknown, missing or mistyped key."""
        return _build(InteractVLMConfig, values, "")

    def save(self, path: Path) -> None:
        """Writes JSON; the caller makes the write atomic."""
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "InteractVLMConfig":
        """Reads JSON. Raises AssetError when the file is missing or is not a config."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise AssetError(f"model config not found; expected a file at {str(path)!r}") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise AssetError(f"model config is not valid JSON ({error}): {str(path)!r}") from None
        if isinstance(values, dict) and "model_type" in values:
            raise AssetError(
                f"this is the config of a {values['model_type']!r} checkpoint as it was published; "
                f"convert it first with `interactvlm convert`: {str(path)!r}"
            )
        try:
            return InteractVLMConfig.from_dict(values)
        except (AssetError, InputError) as error:
            raise AssetError(f"{error}; in {str(path)!r}") from None


def _require_positive(config: Any, *names: str) -> None:
    for name in names:
        if getattr(config, name) <= 0:
            raise InputError(
                f"{type(config).__name__}.{name} must be positive, got {getattr(config, name)!r}"
            )


def _build(kind: Any, values: Any, where: str) -> Any:
    """A dataclass from plain JSON values; `where` is the dotted path for messages."""
    if not isinstance(values, dict):
        raise AssetError(f"config key {where or '(top)'!r} must be an object, found {values!r}")
    known = {f.name: f.type for f in dataclasses.fields(kind)}
    optional = {f.name for f in dataclasses.fields(kind) if f.metadata.get("added_later")}
    for name in sorted(values.keys() - known.keys()):
        raise AssetError(f"unknown config key {where + name!r}; allowed are {sorted(known)}")
    for name in sorted(known.keys() - values.keys() - optional):
        raise AssetError(f"missing config key {where + name!r}")
    built = {name: _convert(known[name], values[name], where + name) for name in values}
    return kind(**built)


def _convert(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, where + ".")
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {k: _convert(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if _matches(kind, origin, arguments, value):
        return float(value) if kind is float else value
    expected = list(arguments) if origin is Literal else getattr(kind, "__name__", str(kind))
    raise AssetError(f"config key {where!r} must be {expected!r}, found {value!r}")


def _matches(kind: Any, origin: Any, arguments: tuple[Any, ...], value: Any) -> bool:
    if origin is Literal:
        return value in arguments
    if origin in (types.UnionType, typing.Union):
        return any(_matches(a, typing.get_origin(a), typing.get_args(a), value) for a in arguments)
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float))
    return origin is None and isinstance(value, kind)
