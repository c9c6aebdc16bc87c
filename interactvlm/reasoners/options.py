"""Which reasoner to ask, from flags and environment variables, checked before anything is loaded.

A flag always decides that a reasoner is asked: no variable alone ever sends a photo anywhere.
Knows names and addresses; imports no model library.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from interactvlm.errors import AssetError, InputError
from interactvlm.open_models.pins import HubName

URL_VARIABLE = "INTERACTVLM_REASONER_URL"
MODEL_VARIABLE = "INTERACTVLM_REASONER_MODEL"
KEY_VARIABLE = "INTERACTVLM_REASONER_KEY"
MOST_SAMPLES = 50


@dataclass(frozen=True)
class ReasonerFlags:
    """What the command line says about reasoners, unchecked."""

    reasoner: str | None = None
    """Model folder or hub id."""
    url: str | None = None
    """Base URL of an endpoint."""
    model: str | None = None
    """Model name at the endpoint."""
    key_variable: str | None = None
    """Environment variable that holds the endpoint's key."""
    samples: int | None = None
    """Answers per question."""
    timeout_s: float | None = None
    """Longest wait for one answer of an endpoint."""
    offline: bool = False
    """Never touch the network."""

    def any_given(self) -> bool:
        """Whether a reasoner is asked for at all."""
        return bool(self.reasoner or self.url or self.model)


@dataclass(frozen=True)
class ReasonerOptions:
    """A checked choice of reasoner: either `source` or `url` with `model`."""

    source: str = ""
    """Model folder, or hub id with perhaps `@revision`, of a local model."""
    url: str = ""
    """Address of the endpoint's chat completions."""
    model: str = ""
    """Model name at the endpoint."""
    key: str = field(default="", repr=False)
    """Secret of the endpoint; empty sends none. Never shown, logged or stored."""
    samples: int = 1
    """Answers per question; more than one turn into probabilities."""
    offline: bool = False
    """A local model comes from its folder or the hub's cache alone."""
    timeout_s: float = 120.0
    """Longest wait for one answer of an endpoint."""
    seed: int = 0
    """Seed of sampled answers, where an endpoint knows seeds."""


def checked_options(
    flags: ReasonerFlags, environment: Mapping[str, str], *, seed: int = 0
) -> ReasonerOptions | None:
    """The reasoner to ask; None when no flag asks for one.

    Raises:
        InputError: flags that exclude each other, an address or number that cannot be used.
        AssetError: the model folder does not exist.
    """
    if not flags.any_given():
        _refuse_idle_flags(flags)
        return None
    samples = 1 if flags.samples is None else flags.samples
    if not 1 <= samples <= MOST_SAMPLES:
        raise InputError(f"--samples must lie between 1 and {MOST_SAMPLES}, got {samples}")
    if flags.reasoner:
        _refuse_endpoint_flags(flags)
        source = checked_source(flags.reasoner)
        return ReasonerOptions(source=source, samples=samples, offline=flags.offline, seed=seed)
    timeout_s = 120.0 if flags.timeout_s is None else flags.timeout_s
    if not 0 < timeout_s <= 3600:
        raise InputError(
            f"--reasoner-timeout must lie between 0 and 3600 seconds, got {timeout_s!r}"
        )
    return ReasonerOptions(
        url=_endpoint_url(flags, environment),
        model=_endpoint_model(flags, environment),
        key=_endpoint_key(flags, environment),
        samples=samples,
        offline=flags.offline,
        timeout_s=timeout_s,
        seed=seed,
    )


def checked_source(source: str) -> str:
    """A folder that exists, or something that reads like a hub id, perhaps with `@revision`.

    Raises:
        InputError: neither a path nor a hub id.
        AssetError: a path to no folder, or to one without a model's config.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise AssetError(
                f"model folder lacks config.json; give the folder a transformers image-text model "
                f"was saved to: {source!r}"
            )
        return str(folder)
    if folder.exists():
        raise InputError(f"--reasoner needs a folder or a hub id, found a file: {source!r}")
    if source.startswith((".", "/", "~")) or not HubName.parse(source).plausible:
        raise AssetError(
            f"model folder not found; give an existing folder or a hub id such as "
            f"'Qwen/Qwen2.5-VL-3B-Instruct': {source!r}"
        )
    return source


def completions_url(base: str) -> str:
    """The address of chat completions below a base URL; "/v1" is added to a bare host.

    Raises:
        InputError: not an http(s) address, or one with a user, a query or a fragment.
    """
    try:
        parts = urlsplit(base.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"the endpoint's URL cannot be read ({error})") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        # Not quoted: what stands there may be a secret.
        raise InputError(
            "the endpoint's URL must hold no user, query or fragment; put the key into the "
            f"environment variable {KEY_VARIABLE}"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(
            f"the endpoint's URL must begin with http:// or https:// and name a host, got {base!r}"
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}/chat/completions"


def is_this_machine(url: str) -> bool:
    """Whether an address is on the loopback interface."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_idle_flags(flags: ReasonerFlags) -> None:
    named = {
        "--samples": flags.samples,
        "--reasoner-timeout": flags.timeout_s,
        "--reasoner-key-variable": flags.key_variable,
    }
    if idle := _given(named):
        raise InputError(
            f"{idle[0]} belongs to a reasoner in words; give --reasoner FOLDER_OR_HUB_ID or "
            "--reasoner-url URL with it"
        )


def _refuse_endpoint_flags(flags: ReasonerFlags) -> None:
    named = {
        "--reasoner-url": flags.url,
        "--reasoner-model": flags.model,
        "--reasoner-key-variable": flags.key_variable,
        "--reasoner-timeout": flags.timeout_s,
    }
    if given := _given(named):
        raise InputError(
            f"--reasoner names a model that runs here and {given[0]} an endpoint; give only one "
            "of the two"
        )


def _given(flags: Mapping[str, object]) -> list[str]:
    """Names of the flags that hold a value."""
    return [name for name, value in flags.items() if value is not None]


def _endpoint_url(flags: ReasonerFlags, environment: Mapping[str, str]) -> str:
    base = flags.url or environment.get(URL_VARIABLE, "").strip()
    if not base:
        raise InputError(
            f"--reasoner-model needs an endpoint; give --reasoner-url or set {URL_VARIABLE}"
        )
    url = completions_url(base)
    if flags.offline and not is_this_machine(url):
        raise InputError(
            f"--offline allows only an endpoint on this machine (localhost), got "
            f"{urlsplit(url).hostname!r}"
        )
    return url


def _endpoint_model(flags: ReasonerFlags, environment: Mapping[str, str]) -> str:
    model = flags.model or environment.get(MODEL_VARIABLE, "").strip()
    if not model:
        raise InputError(
            f"an endpoint needs the name of its model; give --reasoner-model or set "
            f"{MODEL_VARIABLE}"
        )
    return model


def _endpoint_key(flags: ReasonerFlags, environment: Mapping[str, str]) -> str:
    variable = flags.key_variable or KEY_VARIABLE
    key = environment.get(variable, "").strip()
    if flags.key_variable and not key:
        raise InputError(
            f"--reasoner-key-variable names the environment variable {variable!r}, which is not "
            "set; export the endpoint's key in it"
        )
    if not key.isascii() or not key.isprintable():
        raise InputError(
            f"the key in the environment variable {variable!r} holds characters no HTTP header "
            "may hold; copy it again"
        )
    return key
