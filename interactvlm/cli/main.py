"""Entry of the command line: finds the verb, turns every error into one sentence and an exit code.

Exit codes: 0 all well, 1 a job that partly failed, 2 the caller can fix it (input, assets, disk,
memory), 130 interrupted. Knows no verb's options and imports nothing heavy.
"""

import contextlib
import difflib
import importlib
import io
import json
import os
import re
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from interactvlm.cli.output import to_stdout

VERBS = {
    "contact": "where the person in a photo touches what: report, mesh and numbers",
    "batch": "the same question about many photos; goes on where it was stopped",
    "affordance": "where an object is used or touched, on its mesh or points, as a photo shows",
    "reconstruct": "person and object of a photo in one metric frame: GLB, poses, report",
    "fit": "place the object of a folder of files, as reconstruct writes it",
    "retrieve": "shapes of a library for an object, by its label, picture or mesh",
    "demo": "contact on an example photo and on a generated scene with known truth",
    "evaluate": "measure the model on a benchmark",
    "synth": "generate people with objects, exact contacts and pictures",
    "masks": "draw the training masks of a published data set",
    "train": "train a model: on generated scenes, or a full-size one by a published recipe",
    "convert": "turn released weights into a model folder of this package",
    "transfer": "carry contact or a posed body over to another body's vertices",
    "doctor": "what is installed and found, and how to get the rest",
    "library": "object shapes: list, show or export them, or make your own meshes a library",
    "models": "the open models for real photos: list or fetch them",
    "perceive": "boxes, masks, keypoints and depth of a photo by open models",
}
"""Every verb with its line in the help; the module of the same name beside this one runs it."""

_PRINTS_JSON = (
    *("contact", "batch", "affordance", "reconstruct", "fit"),
    *("doctor", "library", "retrieve"),
)
"""Verbs whose `--json` is a flag."""
FAILED, INTERRUPTED = 2, 130
_FAMILY = ("InputError", "AssetError", "ResourceError", "InteractVLMError")
_HELP = """\
usage: interactvlm VERB [OPTIONS]

From one photo: where a person's body touches which object, in 3D.

verbs:
{verbs}

examples:
  interactvlm contact photo.jpg --label chair --label cup --out result
  interactvlm contact photo.jpg --json
  interactvlm affordance photo.jpg --object chair.obj --label chair --weights DIR
  interactvlm retrieve --label "office chair"
  interactvlm demo

  interactvlm VERB --help    options of one verb
  interactvlm --version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; nothing is left to say to it.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        message = _sentence(error)
        if message is None:
            raise
        return _fail(_kind(error), message, arguments)


def help_text() -> str:
    """What `interactvlm --help` prints."""
    width = max(map(len, VERBS)) + 2
    return _HELP.format(verbs="\n".join(f"  {v.ljust(width)}{VERBS[v]}" for v in VERBS))


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        print(help_text(), file=sys.stderr)
        return FAILED
    verb, rest = arguments[0], arguments[1:]
    if verb in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if verb == "--version":
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"interactvlm {version('interactvlm')}")
        except PackageNotFoundError:
            print("interactvlm (not installed)")
        return 0
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"verbs are {', '.join(VERBS)}"
        return _fail("InputError", f"unknown verb {verb!r}; {hint}", arguments)
    module = importlib.import_module(f"interactvlm.cli.{verb}")
    config = _parse(module, verb, rest)
    if isinstance(config, int):
        return config
    return int(module.run(config))


def _parse(module: ModuleType, verb: str, rest: list[str]) -> Any:
    """The verb's config, or an exit code when the arguments asked for help or made no sense."""
    import tyro

    prepare = getattr(module, "prepare", None)
    if prepare is not None:
        rest = prepare(rest)
    wants_json = _wants_json([verb, *rest])
    complaint = io.StringIO()
    silence = contextlib.redirect_stderr(complaint) if wants_json else contextlib.nullcontext()
    try:
        with silence:
            return tyro.cli(
                module.config_class(),
                prog=f"interactvlm {verb}",
                description=VERBS[verb][0].upper() + VERBS[verb][1:] + ".\n\n" + module.EXAMPLES,
                args=rest,
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
            )
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else FAILED
        if code and wants_json:
            return _fail("InputError", _plain(complaint.getvalue()), [verb, *rest])
        return code


def _plain(text: str) -> str:
    """A boxed message of the argument parser as one line."""
    text = re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]+|-{3,}", " ", text)
    return f"the arguments were not understood: {' '.join(text.split())}"


def _sentence(error: Exception) -> str | None:
    """One sentence for the person; None when the fault is ours and the traceback is wanted."""
    from renders.errors import InteractVLMError

    if isinstance(error, InteractVLMError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"memory ran out in {_last_place(error)}; close other programs or use smaller input"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.strerror or type(error).__name__}: {str(error.filename or '')!r}"
    return None


def _kind(error: Exception) -> str:
    """Which of the error family it is; what the system raises counts as a lack of resources."""
    names = [kind.__name__ for kind in type(error).__mro__]
    return next((name for name in names if name in _FAMILY), "ResourceError")


def _last_place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].name if frames else "an unknown place"


def _fail(kind: str, message: str, arguments: list[str]) -> int:
    """Tells it on standard error and, where JSON was asked for on standard output, there too."""
    print(f"interactvlm: {' '.join(message.split())}", file=sys.stderr)
    if _wants_json(arguments):
        to_stdout(json.dumps({"error": {"type": kind, "message": message}}, indent=2))
    return FAILED


def _wants_json(arguments: Sequence[str]) -> bool:
    """`--json` as a flag; `evaluate --json FILE` names a file instead."""
    return bool(arguments) and arguments[0] in _PRINTS_JSON and "--json" in arguments
