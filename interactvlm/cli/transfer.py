"""`interactvlm transfer`: contact or a posed body, carried over to another body's vertices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

Topology = Literal["anny", "anny-fast", "smpl", "smplh", "smplx"]

EXAMPLES = """\
SMPL and SMPL+H number the same vertices. Their files and SMPL-X's are your own; the folder is named
by INTERACTVLM_BODY_MODELS or --bodies. A map between two bodies is made once, in seconds, and kept.

examples:
  interactvlm transfer result/contact.npz contact_smplx.npz --to smplx
  interactvlm transfer person.ply person_anny.ply --from smplx --to anny
  interactvlm transfer --prepare --bodies ~/body_models"""


@dataclass(frozen=True)
class TransferOptions:
    """A contact file or a body's mesh on the vertices of another topology."""

    source: tyro.conf.Positional[Path | None] = None
    """`contact.npz` of `interactvlm contact`, or a whole body as .ply or .obj."""
    target: tyro.conf.Positional[Path | None] = None
    """File to write, of the same kind."""
    to: Topology | None = None
    """Body whose vertices are wanted."""
    given: Annotated[Topology | None, tyro.conf.arg(name="from")] = None
    """Body of the mesh; a contact file says its own."""
    bodies: Path | None = None
    """Folder of your body models, in place of the one INTERACTVLM_BODY_MODELS names."""
    prepare: bool = False
    """Make every map between the bodies at hand now, and say how well they fit."""


def config_class() -> type[TransferOptions]:
    """What the command line is parsed into."""
    return TransferOptions


def run(options: TransferOptions) -> int:
    """0 when the file is written or the maps are made."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout

    if options.prepare:
        _prepare(options)
        return 0
    with chatter_to_stderr():
        said = _transfer(options)
    to_stdout(said)
    return 0


def _prepare(options: TransferOptions) -> None:
    from interactvlm.body_transfer import prepared_maps
    from interactvlm.cli.output import to_stdout
    from interactvlm.errors import InputError

    if options.source is not None or options.to is not None or options.given is not None:
        raise InputError("--prepare makes maps only; give it no files, --from or --to")
    for way in prepared_maps(options.bodies):
        to_stdout(f"{way.source} to {way.target}: {way.origin}")


def _transfer(options: TransferOptions) -> str:
    from human_recovery.topology_map import topology_map
    from interactvlm.body_transfer import transfer_body_mesh, transfer_contact_file
    from interactvlm.errors import InputError

    if options.source is None or options.target is None or options.to is None:
        raise InputError(
            "give the file, the file to write and --to, as in: interactvlm transfer contact.npz "
            "contact_smplx.npz --to smplx; or --prepare alone"
        )
    if options.source.suffix.lower() == ".npz":
        if options.given is not None:
            raise InputError("a contact file says itself which body it is on; leave out --from")
        maps, way = transfer_contact_file(
            options.source, options.target, options.to, options.bodies
        )
        lines = [repr(contact) for contact in maps]
    else:
        if options.given is None:
            raise InputError(f"say with --from which body {str(options.source)!r} is")
        way = topology_map(options.given, options.to, options.bodies)
        transfer_body_mesh(options.source, options.target, way, options.bodies)
        lines = []
    return "\n".join([*lines, f"{way.source} to {way.target}: {way.origin}", str(options.target)])
