"""How a user's mesh files are to be understood; light enough for the command line's help."""

from dataclasses import dataclass
from typing import Literal

Axis = Literal["x", "-x", "y", "-y", "z", "-z"]
Unit = Literal["unknown", "m", "cm", "mm", "in", "ft"]

METRES_PER_UNIT: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}


@dataclass(frozen=True)
class ImportSettings:
    """Frame, unit and licence of mesh files."""

    up: Axis = "y"
    """Axis of the files that points up; y in glTF and in most published sets, z in CAD."""
    front: Axis | Literal["auto"] = "auto"
    """Axis that the front looks along. auto: z where y is up (glTF), -y where z is up; ShapeNet
    has -z (write --front=-z)."""
    unit: Unit = "unknown"
    """Unit of the files. Shapes of unknown unit, such as ShapeNet's normalised ones, are kept with
    their largest extent at 1 and tell no size."""
    scale: float | None = None
    """Metres per unit of the files, in place of --unit."""
    licence: str = "unknown"
    """Licence of the shapes, kept with each."""

    def __post_init__(self) -> None:
        if self.front != "auto" and self.front[-1] == self.up[-1]:
            raise _refused(f"up and front must be different axes, got {self.up!r}, {self.front!r}")
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise _refused(f"scale must be metres per unit, above 0, got {self.scale!r}")
        if self.scale is not None and self.unit != "unknown":
            raise _refused(f"give --scale or --unit, not both: {self.scale!r} and {self.unit!r}")

    @property
    def front_axis(self) -> str:
        """`front` with "auto" resolved."""
        if self.front != "auto":
            return self.front
        return {"y": "z", "z": "-y"}.get(self.up, "z")

    @property
    def metres_per_unit(self) -> float | None:
        """None where the unit is unknown."""
        return self.scale if self.scale is not None else METRES_PER_UNIT.get(self.unit)


def _refused(message: str) -> Exception:
    """An InputError; its module loads torch, which help must not wait for."""
    from renders.errors import InputError

    return InputError(message)
