"""All that a fit of one object needs: photo, camera, body, masks and the shapes it may have.

Frame: the camera's, x right, y down, z forward, metres; objects have y up in their own. Knows no
files; the folder a scene is kept in is `scene_folder`.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from hoi_fit.ground import Ground
from human_recovery.body_state import BodyInCamera
from human_recovery.topology import get_topology
from interactvlm.errors import InputError
from interactvlm.results import ContactMap
from object_retrieval.procedural.objects import GRIP_FRAME
from renders.camera import Camera
from renders.mesh import Mesh, mesh_hash

HEAT_THRESHOLD = 0.5
"""Heat from which a vertex of the object counts as touched."""
CONTACT_EDGE_M = 0.04
"""Longest edge of a shape that is fitted, so that its vertices can carry contact."""
STANDS_FROM_M = 0.7
"""Smaller things are carried about and may lie any way."""
_SIZES_M = (1e-3, 100.0)
"""Extents of things that a person touches; beyond them a file is not in metres."""


@dataclass(frozen=True, eq=False)
class ShapeCandidate:
    """One shape that the object may have."""

    name: str
    """Of the library's shape, or of the file."""
    source: str
    """"file" or "library"."""
    mesh: Mesh
    """Own frame, y up, front towards +z, metres; edges short enough to carry contact."""
    size_spread: float
    """Standard deviation of the logarithm of its scale."""
    score: float = 1.0
    """Probability among the candidates, before any fit."""
    heat: Float[Tensor, "verts"] | None = None
    """Contact or affordance at its vertices; None where nothing was said."""
    affordance: str = ""
    """The use that the heat is of, where one was named."""
    upright: bool = False
    """Whether it stands as it is drawn; things in hands lie any way."""

    @property
    def sha256(self) -> str:
        """Of the shape itself."""
        return mesh_hash(Mesh(self.mesh.vertices, self.mesh.faces))


@dataclass(frozen=True, eq=False)
class Scene:
    """One photo, one person and one object, before the fit."""

    photo: Image.Image
    camera: Camera
    """At the photo's size; its pose is the identity."""
    body: BodyInCamera
    label: str
    object_mask: Bool[Tensor, "height width"]
    candidates: tuple[ShapeCandidate, ...]
    person_mask: Bool[Tensor, "height width"] | None = None
    contact: ContactMap | None = None
    """On the body's topology; None where nothing was said."""
    depth_m: Float[Tensor, "height width"] | None = None
    ground: Ground | None = None
    """The floor that upright things stand on; None where nothing is taken for granted."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""

    @property
    def body_mesh(self) -> Mesh:
        """The body in the camera's frame."""
        return Mesh(self.body.vertices_m.float(), get_topology(self.body.topology).faces)


def stands_upright(label: str, mesh: Mesh) -> bool:
    """Whether a thing can be taken to stand: a large one that is not held by a grip."""
    extent = float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())
    return label not in GRIP_FRAME and extent >= STANDS_FROM_M


def require_usable(mesh: Mesh, path: str) -> None:
    """Raises InputError for an object without triangles, or of no size in metres."""
    if not mesh.num_faces:
        raise InputError(f"the fit needs an object with triangles, found points only: {path!r}")
    extent = float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())
    if not _SIZES_M[0] <= extent <= _SIZES_M[1]:
        raise InputError(
            f"the object is {extent:.3g} m large, allowed are {_SIZES_M[0]:g} to {_SIZES_M[1]:g} "
            f"m; give its mesh in metres: {path!r}"
        )
