"""`interactvlm library ACTION`: object shapes to look at, to export, or made of one's own files."""

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Union

import tyro

from object_retrieval.import_settings import ImportSettings

EXAMPLES = """\
Without --library: the embedded one, made from seeds, CC0. All shapes are in metres, z up, front -y;
files are GLB. See docs/library.md.

examples:
  interactvlm library list
  interactvlm library list --category chair --picture chairs.png
  interactvlm library show chair/0003 --out chair.png
  interactvlm library export --out shapes --category chair --category "wine glass"
  interactvlm library build my_meshes --out my_library --unit cm
  interactvlm library build ShapeNetCore.v2 --out shapenet --front=-z --categories taxonomy.json
  interactvlm library add stool.stl --library my_library --category stool --up z --unit mm"""

DEFAULT_OUT = Path("interactvlm_output")


@dataclass(frozen=True)
class _Source:
    """Which library."""

    library: Path | None = None
    """Folder of a library. Without it: the embedded one."""
    variants: int = 8
    """Shapes per category of the embedded library."""


@dataclass(frozen=True)
class List:
    """Categories with their sizes and parts, or the shapes of one category."""

    source: _Source = field(default_factory=_Source)
    category: str = ""
    """Only this one, shape by shape."""
    picture: Path | None = None
    """Also draw one shape of each category, or all of --category, into this PNG file."""
    json: bool = False
    """Every item as JSON on standard output."""


@dataclass(frozen=True)
class Show:
    """Facts and a picture of one shape."""

    name: tyro.conf.Positional[str]
    """Such as chair/0003."""
    source: _Source = field(default_factory=_Source)
    out: Path | None = None
    """PNG file. Without it: interactvlm_output/NAME.png."""
    json: bool = False
    """The facts as JSON on standard output."""


@dataclass(frozen=True)
class Export:
    """Write shapes as GLB files with a list; a stopped run goes on where it was."""

    out: Path
    """Folder to write."""
    source: _Source = field(default_factory=_Source)
    category: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Only these; may be given several times."""


@dataclass(frozen=True)
class Build:
    """Make a library of every mesh below a folder; a stopped run goes on where it was.

    Unusable files are skipped and listed in skipped.csv; the exit code is then 1.

    examples:
      interactvlm library build my_meshes --out my_library --unit cm
      interactvlm library build ShapeNetCore.v2 --front=-z --categories taxonomy.json
    """

    folder: tyro.conf.Positional[Path]
    """Tree of meshes: CATEGORY/any/name.glb, or any tree with --categories."""
    out: Path | None = None
    """Folder of the library. Without it: interactvlm_output/library-FOLDER."""
    categories: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """CSV (name,category), JSON or ShapeNet's taxonomy.json; files it does not name are left out.
    Without it the first folder below FOLDER is the category."""
    limit: int | None = None
    """Only the first so many files."""
    files: ImportSettings = field(default_factory=ImportSettings)

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise _input_error(f"limit must be at least 1, got {self.limit}")


@dataclass(frozen=True)
class Add:
    """Add one mesh file to a library, or begin one with it."""

    file: tyro.conf.Positional[Path]
    """Any mesh."""
    library: Path
    """Folder of the library."""
    category: str
    """In words that people ask with."""
    name: str = ""
    """Without it: CATEGORY/FILE."""
    files: ImportSettings = field(default_factory=ImportSettings)


ACTIONS = {"list": List, "show": Show, "export": Export, "build": Build, "add": Add}


def prepare(arguments: list[str]) -> list[str]:
    """Tells an unknown action in our own words; the parser would list every option."""
    if arguments and (arguments[0] in ACTIONS or arguments[0] in ("-h", "--help")):
        return arguments
    known = f"actions are {', '.join(ACTIONS)}"
    if not arguments:
        raise _input_error(f"library needs an action; {known}")
    near = difflib.get_close_matches(arguments[0], ACTIONS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else known
    raise _input_error(f"unknown action {arguments[0]!r} of library; {hint}")


def config_class() -> Any:
    """What the command line is parsed into: one kind of options per action."""
    members = [Annotated[kind, tyro.conf.subcommand(name)] for name, kind in ACTIONS.items()]
    return Union[tuple(members)]  # noqa: UP007 - made of a list


def run(options: Any) -> int:
    """0 when all is well, 1 when a build skipped files."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    with chatter_to_stderr():
        from interactvlm import library_job

        if isinstance(options, Build):
            out = options.out or DEFAULT_OUT / f"library-{options.folder.resolve().name}"
            report = library_job.build(
                options.folder, out, options.files, options.categories, options.limit
            )
            lines, code = report.lines(), 1 if report.skipped else 0
        elif isinstance(options, Add):
            entry = library_job.add(
                options.library, options.file, options.category, options.files, options.name
            )
            lines, code = library_job.added_lines(entry, options.library), 0
        else:
            library = library_job.opened(options.source.library, options.source.variants)
            if isinstance(options, Export):
                lines = library_job.export(library, options.out, options.category).lines()
            elif isinstance(options, Show):
                out = options.out or DEFAULT_OUT / f"{options.name.replace('/', '-')}.png"
                lines = library_job.shown(library, options.name, out, as_json=options.json)
            else:
                lines = library_job.listed(
                    library, options.category, options.picture, as_json=options.json
                )
            code = 0
    to_stdout("\n".join(lines))
    return code


def _input_error(message: str) -> Exception:
    """Its module loads torch, which help must not wait for."""
    from interactvlm.errors import InputError

    return InputError(message)
