"""A model folder becomes a model: whole, with the decoder in 4 bits, or with it spread.

What is placed weight by weight is built on the meta device, so no more than one weight is in
memory beside what is kept. Knows placements and files; what a model computes is another module's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interactvlm.config import CONFIG_FILE, InteractVLMConfig
from interactvlm.errors import InputError
from interactvlm.int8 import ANY_VALUES, MATRIX, use_int8
from interactvlm.model import InteractVLM
from interactvlm.placement import WHOLE, Placement
from interactvlm.tokens import Tokenizer
from interactvlm.weights import fitting_files, load_weights, stored_dtype, stored_tensors

_VOCABULARY = "language.llama.lm_head.weight"
"""The weight whose number type a model is loaded in; releases mix types."""
_DECODER = "language.llama."
"""What may be spread. Everything else is used outside of `forward` and must be in place."""
_BLOCK = "LlamaDecoderLayer"


def load_model(
    folder: Path, device: str, dtype: torch.dtype | None, placement: Placement
) -> InteractVLM:
    """The model of a folder in evaluation mode; see `InteractVLM.from_pretrained`."""
    config = InteractVLMConfig.load(folder / CONFIG_FILE)
    tokenizer = Tokenizer.load(folder, config.tokens)
    dtype = stored_dtype(folder, _VOCABULARY) if dtype is None else dtype
    narrow = stored_dtype(folder, ANY_VALUES) == torch.int8
    if placement == WHOLE:
        # Full-size matrices that 8-bit ones replace are never touched: on the CPU that is free.
        with _numbers(dtype), torch.device("cpu" if narrow else device):
            model = _built(config, tokenizer)
        if narrow:
            use_int8(model)
        load_weights(model, folder)
        return model.to(device).eval()
    if narrow:
        raise InputError(
            "this folder holds 8-bit weights, which are loaded whole; convert the release to bf16 "
            f"to use 4 bits or a device map: {str(folder)!r}"
        )
    if placement.four_bit:
        from interactvlm.four_bit import require_four_bit

        require_four_bit(device)
    from accelerate import init_empty_weights

    with _numbers(dtype), init_empty_weights(include_buffers=False):
        model = _built(config, tokenizer)
    model.placement = placement
    if placement.four_bit:
        return _in_four_bits(model, folder, device, dtype)
    return _spread(model, folder, device)


@contextmanager
def _numbers(dtype: torch.dtype) -> Iterator[None]:
    """New parameters get this number type and no initial values."""
    from transformers.initialization import no_init_weights

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with no_init_weights():
            yield
    finally:
        torch.set_default_dtype(before)


def _built(config: InteractVLMConfig, tokenizer: Tokenizer) -> InteractVLM:
    model = InteractVLM(config, tokenizer)
    if config.vision.kind == "perception":
        model.language.vision.float()  # its heat maps need single precision; it is small
    return model


def _in_four_bits(model: InteractVLM, folder: Path, device: str, dtype: torch.dtype) -> InteractVLM:
    from interactvlm.four_bit import put_four_bit, use_four_bit

    state = model.state_dict()
    files = fitting_files(state, folder)
    use_four_bit(model, dtype)
    for key, value in stored_tensors(files):
        if MATRIX.fullmatch(key):
            put_four_bit(model, key, value.to(dtype), device)
        else:
            _put(model, key, value.to(state[key].dtype), device)
    return model.to(device).eval()


def _spread(model: InteractVLM, folder: Path, device: str) -> InteractVLM:
    """The decoder by accelerate over device, main memory and the folder; the rest on the device."""
    from accelerate import dispatch_model

    state = model.state_dict()
    files = fitting_files(state, folder)
    rest = {key: path for key, path in files.items() if not key.startswith(_DECODER)}
    for key, value in stored_tensors(rest):
        _put(model, key, value.to(state[key].dtype), device)
    for part in (*model.children(), *model.language.children()):
        if part is not model.language and part is not model.language.llama:
            part.to(device)
    # After the rest has taken its room on the device.
    decoder: Any = model.language.llama
    places = _device_map(decoder, device, model.placement)
    place = {key: _place(key.removeprefix(_DECODER), places) for key in files.keys() - rest.keys()}
    here = {key: files[key] for key in place if place[key] != "disk"}
    for key, value in stored_tensors(here):
        _put(model, key, value.to(state[key].dtype), place[key])
    on_disk = {
        key.removeprefix(_DECODER): {
            "safetensors_file": str(files[key]),
            "weight_name": key,
            "dtype": str(state[key].dtype).removeprefix("torch."),
        }
        for key in place.keys() - here.keys()
    }
    # The device by its name: the reader of safetensors knows no other.
    dispatch_model(
        decoder,
        places,  # pyright: ignore[reportArgumentType]
        main_device=device,  # pyright: ignore[reportArgumentType]
        offload_index=on_disk or None,  # pyright: ignore[reportArgumentType]
    )
    return model.eval()


def _device_map(decoder: Any, device: str, placement: Placement) -> dict[str, str]:
    """`device`, "cpu" or "disk" by module of the decoder."""
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_max_memory

    free: dict[Any, Any] = get_max_memory()
    cpu_bytes = free["cpu"] if placement.cpu_bytes is None else placement.cpu_bytes
    limits: dict[Any, Any] = {"cpu": cpu_bytes}
    main = torch.device(device)
    index = 0 if main.index is None else main.index
    if main.type == "cuda":
        device_bytes = free[index] if placement.device_bytes is None else placement.device_bytes
        limits = {index: device_bytes, **limits}
    elif placement.device_bytes is not None:
        limits["cpu"] = min(cpu_bytes, placement.device_bytes)
    places = infer_auto_device_map(decoder, limits, no_split_module_classes=[_BLOCK])
    return {name: device if place == index else str(place) for name, place in places.items()}


def _place(name: str, places: dict[str, str]) -> str:
    """Where the module that holds a weight goes: its longest prefix in the map decides."""
    fitting = [p for p in places if not p or name == p or name.startswith(f"{p}.")]
    return places[max(fitting, key=len)]


def _put(model: InteractVLM, key: str, value: Tensor, device: str) -> None:
    from accelerate.utils import set_module_tensor_to_device

    set_module_tensor_to_device(model, key, device, value=value, dtype=value.dtype)
