"""`affordance.npz`: heat on one object's own points.

`point_probability` float32 (points,), `points` float32 (points, 3) in the object's own frame and
unit, `faces` int64 (faces, 3), empty for a point cloud, `label` and `affordance` str. No pickles.
"""

from pathlib import Path

import numpy as np

from interactvlm.errors import InputError
from interactvlm.object_file import ObjectShape
from interactvlm.results import ContactMap
from renders.cache import atomic_write


def save_affordance_npz(path: Path, contact: ContactMap, shape: ObjectShape) -> None:
    """Writes the file, complete or not at all.

    Raises InputError when the map is not one of this object.
    """
    if len(contact.vertex_probability) != len(shape.points):
        raise InputError(
            f"the map has {len(contact.vertex_probability)} values, the object "
            f"{len(shape.points)} points; they do not belong together"
        )
    arrays = {
        "point_probability": contact.vertex_probability.float().numpy(),
        "points": shape.points.numpy(),
        "faces": shape.faces.numpy(),
        "label": np.array(contact.label),
        "affordance": np.array(contact.affordance),
    }
    with atomic_write(Path(path)) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)  # pyright: ignore[reportArgumentType]
