"""Flags of single tasks that one photo and many photos share. Imports nothing heavy."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class ReasonerArguments:
    """Another model to ask about contact in words, in place of `--weights`."""

    reasoner: Annotated[str | None, tyro.conf.arg(metavar="FOLDER|HUB_ID")] = None
    """Image-text model of transformers that answers in words, in place of --weights."""
    reasoner_url: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """OpenAI-compatible endpoint that answers in words; the photo is sent there."""
    reasoner_model: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Model at the endpoint. Without it: the variable INTERACTVLM_REASONER_MODEL."""
    reasoner_key_variable: Annotated[str | None, tyro.conf.arg(metavar="VARIABLE")] = None
    """Environment variable that holds the endpoint's key. Without it: INTERACTVLM_REASONER_KEY."""
    reasoner_timeout: Annotated[float | None, tyro.conf.arg(metavar="SECONDS")] = None
    """Longest wait for one answer of the endpoint. Without it: 120."""
    samples: Annotated[int | None, tyro.conf.arg(metavar="COUNT")] = None
    """Answers in words per label; several become probabilities. Without it: 1."""

    def reasoner_options(self, weights: Path | None, *, offline: bool, seed: int) -> Any:
        """The `ReasonerOptions` the flags ask for, or None; checked before a model is loaded.

        Raises InputError for flags that contradict each other or `weights`.
        """
        from interactvlm.errors import InputError
        from interactvlm.reasoners.options import ReasonerFlags, checked_options

        flags = ReasonerFlags(
            reasoner=self.reasoner,
            url=self.reasoner_url,
            model=self.reasoner_model,
            key_variable=self.reasoner_key_variable,
            samples=self.samples,
            timeout_s=self.reasoner_timeout,
            offline=offline,
        )
        if weights is not None and flags.any_given():
            raise InputError(
                "--weights and a reasoner in words exclude each other; give only one of the two"
            )
        return checked_options(flags, os.environ, seed=seed)


@dataclass(frozen=True, kw_only=True)
class ObjectArguments:
    """What is asked about an object."""

    affordance: Annotated[str, tyro.conf.arg(metavar="WORD")] = ""
    """The use to mark, such as sit. Without it the model names one."""
    ask: Literal["affordance", "contact"] | None = None
    """Where the object is used, or where the person touches it. Without it: what the weights were
    trained for, use before touch."""
    up: Literal["y", "z"] = "y"
    """Axis of the object's file that points up; its front is then +z or -y."""

    def object_fields(self) -> dict[str, Any]:
        """The fields of an `AffordanceRequest` that these flags set."""
        ask = "object" if self.ask == "contact" else self.ask
        return {"affordance": self.affordance, "ask": ask, "up": self.up}
