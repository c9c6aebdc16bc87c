"""Any image-text model of transformers as a reasoner: a folder or a hub id.

Loads the model's own processor with its image half alone, on Pillow and numpy: videos, and the
packages they need, are not asked for. Runs no code from a model's folder. Knows no contact.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError

from interactvlm.assets_dir import file_sha256
from interactvlm.errors import AssetError, InputError
from interactvlm.open_models.loading import named_source, resolved_revision
from interactvlm.reasoners.interface import ReasonerAnswer

LONGEST_ANSWER_TOKENS = 256
"""Room for a list of all parts with a sentence around it."""
SAMPLING_TEMPERATURE = 0.7
"""When several answers are asked for; a single one takes the most probable token each time."""

_LOADING_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError)
"""What transformers raises for missing, damaged and unknown files; they share no base class."""
_VIDEO_HALF_NEEDS = {"SmolVLMProcessor": "Idefics3Processor"}
"""Processors that refuse to exist without video packages, and the one with the same image half."""


class LocalReasoner:
    """A model, its processor and where they came from."""

    def __init__(self, model: Any, processor: Any, *, name: str, weights_sha256: str = "") -> None:
        self.name = name
        self.weights_sha256 = weights_sha256
        self._model = model
        self._processor = processor
        self._template = _chat_template(processor, name)

    @staticmethod
    def load(source: str, *, offline: bool = False, device: str = "cpu") -> "LocalReasoner":
        """A model from a folder or the hub, in the precision it was saved in.

        `offline` reads a hub id from the local cache alone; a folder never needs the network. A hub
        model is taken at the revision after its `@`, else at its pinned commit, else at `main`.

        Raises:
            InputError: an `@` without a usable revision.
            AssetError: files are missing or damaged, or no image-text model that can be asked.
        """
        place = named_source(source, offline=offline, device=device)
        reach = {**place.arguments, "trust_remote_code": False}
        with _told(source, offline):
            config = _config(place.location, reach)
            processor = load_processor(place.location, config, reach)
            model = _model(place.location, config, reach).to(device).eval()
        commit = resolved_revision(place)
        digest = folder_sha256(Path(place.location)) if place.is_folder else ""
        name = f"{place.name}@{commit}" if commit and not place.is_folder else source
        return LocalReasoner(model, processor, name=name, weights_sha256=digest)

    def __repr__(self) -> str:
        return f"LocalReasoner({type(self._model).__name__}, {self.name!r})"

    @torch.no_grad()
    def ask(self, image: Image.Image, question: str, samples: int) -> list[ReasonerAnswer]:
        """`samples` answers; several are drawn, from torch's own random numbers.

        Raises InputError when the model's processor refuses the photo.
        """
        inputs = self._inputs(image, question)
        return [self._answer(inputs, drawn=samples > 1) for _ in range(samples)]

    def _inputs(self, image: Image.Image, question: str) -> Any:
        content = [{"type": "image"}, {"type": "text", "text": question}]
        tokenizer = self._processor.tokenizer
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=self._template,
            add_generation_prompt=True,
            tokenize=False,
        )
        # A template that writes the first token itself must not get a second one.
        starts = bool(tokenizer.bos_token) and prompt.startswith(tokenizer.bos_token)
        try:
            inputs = self._processor(
                images=[image],
                text=[prompt],
                return_tensors="pt",
                add_special_tokens=not starts,
            )
        except ValueError as error:
            raise InputError(
                f"the model's processor refuses the photo of {image.width}x{image.height} px "
                f"({_first_line(error)}): {self.name!r}"
            ) from None
        return inputs.to(self._model.device, self._model.dtype)

    def _answer(self, inputs: Any, *, drawn: bool) -> ReasonerAnswer:
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None}
        if drawn:
            sampling = {"do_sample": True, "temperature": SAMPLING_TEMPERATURE, "top_p": 1.0}
        written = self._model.generate(
            **inputs, max_new_tokens=LONGEST_ANSWER_TOKENS, top_k=None, **sampling
        )
        new = written[0, inputs["input_ids"].shape[1] :]
        text = self._processor.tokenizer.decode(new, skip_special_tokens=True)
        return ReasonerAnswer(text, finished=len(new) < LONGEST_ANSWER_TOKENS)


def load_processor(source: str, config: Any, reach: dict[str, Any]) -> Any:
    """A model's own processor, made of its tokenizer and its image half on Pillow and numpy.

    Raises what transformers raises, and AssetError for a model without an image processor.
    """
    from transformers import AutoImageProcessor, AutoTokenizer
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    if type(config) not in PROCESSOR_MAPPING:
        raise AssetError(
            f"a model of type {config.model_type!r} takes no images with words; choose an "
            f"image-text model such as Qwen2.5-VL, SmolVLM or LLaVA: {source!r}"
        )
    tokenizer = AutoTokenizer.from_pretrained(source, **reach)
    pictures = AutoImageProcessor.from_pretrained(source, backend="pil", **reach)
    kind = image_half(PROCESSOR_MAPPING[type(config)])
    where = {key: value for key, value in reach.items() if key != "trust_remote_code"}
    settings, _ = kind.get_processor_dict(source, **where)
    halves = {"image_processor": pictures, "tokenizer": tokenizer}
    arguments = [halves.get(name) for name in kind.get_attributes()]
    return kind.from_args_and_dict(arguments, settings)


def image_half(kind: Any) -> Any:
    """A processor class that also exists without its video half."""
    import transformers

    kind = getattr(transformers, _VIDEO_HALF_NEEDS.get(kind.__name__, ""), kind)

    class StillImages(kind):
        """The same processor, which takes no videos."""

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument is None and argument_name == "video_processor":
                return type(None)
            return super().check_argument_for_proper_class(argument_name, argument)

    return StillImages


def folder_sha256(folder: Path) -> str:
    """SHA-256 of a folder's weights: the file's own, or of the list of names and hashes of many."""
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if len(files) == 1:
        return file_sha256(files[0])
    lines = "".join(f"{path.name} {file_sha256(path)}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _config(source: str, reach: dict[str, Any]) -> Any:
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    config = AutoConfig.from_pretrained(source, **reach)
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise AssetError(
            f"a model of type {config.model_type!r} does not answer questions about images; choose "
            f"an image-text model such as Qwen2.5-VL, SmolVLM or LLaVA: {source!r}"
        )
    return config


def _model(source: str, config: Any, reach: dict[str, Any]) -> Any:
    from transformers import AutoModelForImageTextToText

    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        source, config=config, dtype="auto", output_loading_info=True, **reach
    )
    model, loading = loaded
    # transformers fills what is missing with random numbers and answers all the same.
    lacking = sorted(loading["missing_keys"])
    if lacking:
        raise AssetError(
            f"the model's weights lack {len(lacking)} tensors, for example {lacking[0]!r}; fetch "
            f"them again: {source!r}"
        )
    return model


def _chat_template(processor: Any, name: str) -> str:
    template = processor.chat_template or processor.tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not template:
        raise AssetError(
            f"the model has no chat template, so it cannot be asked; choose the variant tuned for "
            f"instructions: {name!r}"
        )
    return template


@contextmanager
def _told(source: str, offline: bool) -> Iterator[None]:
    """Turns what transformers raises inside into an AssetError that names the model and the fix."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (*_LOADING_ERRORS, ImportError, SafetensorError) as error:
        advice = "fetch it again"
        if not Path(source).is_dir():
            advice = "check its name and your connection, or give a folder"
            if offline:
                advice = "it is not in the local cache; run once without --offline"
        raise AssetError(
            f"model cannot be loaded ({_first_line(error)}); {advice}: {source!r}"
        ) from None


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return re.sub(r"\s+", " ", lines[0])[:300] if lines else type(error).__name__
