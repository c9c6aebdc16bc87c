"""One interface for all body models, and the factory that makes them by name.

Importing this loads no body model. A model's own frame differs: `up_axis` says which way is up;
`human_recovery.anny_topology.y_up_from_anny` leads from Anny's to the SMPL family's.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from human_recovery.output import BodyOutput
from human_recovery.topology import TOPOLOGY_NAMES
from renders.errors import InputError

if TYPE_CHECKING:
    from human_recovery.topology import BodyTopology


@runtime_checkable
class BodyModel(Protocol):
    """A posable body: shape numbers, one rotation per bone, a translation -> vertices."""

    bone_names: tuple[str, ...]
    faces: Int[Tensor, "faces 3"]

    @property
    def topology_name(self) -> str: ...

    @property
    def up_axis(self) -> Literal["y", "z"]: ...

    @property
    def shape_names(self) -> tuple[str, ...]: ...

    @property
    def topology(self) -> "BodyTopology": ...

    def neutral_shape(self, batch: int = 1) -> Float[Tensor, "batch shape"]: ...

    def rest_rotations(self, batch: int = 1) -> Float[Tensor, "batch bones 3 3"]: ...

    def __call__(
        self,
        shape: Float[Tensor, "batch shape"],
        bone_rotations: Float[Tensor, "batch bones 3 3"],
        translation: Float[Tensor, "batch 3"],
        /,
    ) -> BodyOutput: ...

    def keypoints(self, output: BodyOutput) -> Float[Tensor, "batch keypoints 3"]: ...


def load_body_model(
    name: str, folder: str | Path | None = None, *, gender: str = "neutral"
) -> BodyModel:
    """A body model by name: "anny", "anny-fast", "smpl", "smplh" or "smplx".

    `folder` and `gender` are for the SMPL family; without a folder, the environment variable
    INTERACTVLM_BODY_MODELS names it. Anny's gender is one of its shape numbers.

    Raises:
        InputError: the name or gender is unknown.
        AssetError: a file of the SMPL family is missing or malformed.
    """
    if name not in TOPOLOGY_NAMES:
        raise InputError(f"body model {name!r} is unknown; allowed: {', '.join(TOPOLOGY_NAMES)}")
    if name.startswith("smpl"):
        from human_recovery.smpl_family import SmplBody

        return SmplBody(name, folder, gender)
    from human_recovery.anny_body import AnnyBody

    return AnnyBody("full" if name == "anny" else "fast")
