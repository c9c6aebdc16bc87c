"""The synthetic data set on disk: folders of plain arrays, memory-mapped when read.

`SPLIT/shard-00000/`: `rgb.npy` uint8 (pictures, size, size, 3); `instance.npy` uint8 (0 background,
1 person, 2.. objects); `part.npy` uint8 (0 none, 1..15 body parts); `vertex.npy` uint16 (nearest
body vertex, 65535 none); `depth.npy` float16 metres (0 background); `keypoints.npy` float32
(pictures, 25, 3) x, y in pixels and visibility. A row per (scene, object): `contact.npy` uint8, one
bit per body vertex; `object_points.npy` float16 (points, 3) metres on the object's surface, in its
own frame; `object_heat.npy` uint8 (points), 255 in contact. `manifest.json` has everything else.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from interactvlm.errors import AssetError
from interactvlm.synthetic.config import DATA_VERSION
from interactvlm.synthetic.scene import AFFORDANCE_OF

ARRAYS = (
    "rgb", "instance", "part", "vertex", "depth", "keypoints", "contact", "object_points",
    "object_heat",
)  # fmt: skip
NO_VERTEX = 65535
"""Where a picture does not show the person."""


@dataclass(frozen=True)
class ObjectRecord:
    """One object of a stored scene."""

    label: str
    instance: str
    """Name of the shape, as `object_from_name` takes it."""
    interaction: str
    side: str
    """Side of the person's body: left, right, both or none."""
    touched: bool
    """Whether any body vertex is in contact (by distance, not by intent)."""
    contact_row: int

    @property
    def affordance(self) -> str:
        """What the object is used for, as one verb; "" where it is not touched."""
        return AFFORDANCE_OF[self.interaction] if self.touched else ""


@dataclass(frozen=True)
class SceneRecord:
    """A stored scene: its objects and the indices of its pictures."""

    shard: int
    seed: int
    objects: tuple[ObjectRecord, ...]
    pictures: tuple[int, ...]


@dataclass(frozen=True)
class Picture:
    """One picture with its exact annotations, which may be on a coarser grid than its pixels."""

    rgb: UInt8[np.ndarray, "size size 3"]
    instance: UInt8[np.ndarray, "rows columns"]
    part: UInt8[np.ndarray, "rows columns"]
    vertex: UInt16[np.ndarray, "rows columns"]
    keypoints_px: Float[np.ndarray, "keypoints 3"]

    def object_mask(self, number: int) -> Bool[np.ndarray, "size size"]:
        """Visible pixels of one object of the scene, at the size of the picture."""
        mask = self.instance == 2 + number
        factor = len(self.rgb) // len(mask)
        return mask.repeat(factor, axis=0).repeat(factor, axis=1)


class _Shard:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
            self.arrays = {n: np.load(folder / f"{n}.npy", mmap_mode="r") for n in ARRAYS}
        except (OSError, ValueError) as error:
            raise AssetError(f"synthetic shard cannot be read ({error}): {str(folder)!r}") from None
        if self.manifest.get("version") != DATA_VERSION:
            raise AssetError(
                f"synthetic shard is of version {self.manifest.get('version')!r}, this package "
                f"makes {DATA_VERSION!r}; generate it again with `interactvlm synth`: "
                f"{str(folder)!r}"
            )


class SceneShards:
    """All finished shards of one split."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = sorted(p for p in folder.glob("shard-*") if p.is_dir() and "." not in p.name)
        if not names:
            raise AssetError(
                f"no synthetic scenes at {str(folder)!r}; generate them with "
                f"`interactvlm synth --split {folder.name} --out {folder.parent}`"
            )
        self._shards = [_Shard(path) for path in names]

    def __repr__(self) -> str:
        return f"SceneShards({str(self.folder)!r}, {len(self.scenes)} scenes)"

    @property
    def num_vertices(self) -> int:
        """Vertices of the body topology the contact is stored on."""
        return int(self._shards[0].manifest["vertices"])

    @property
    def size_px(self) -> int:
        """Side of a picture."""
        return int(self._shards[0].arrays["rgb"].shape[1])

    @property
    def seed(self) -> int:
        """Seed the split was generated with."""
        return int(self._shards[0].manifest["seed"])

    @cached_property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """Every scene, in generation order."""
        return tuple(self._read())

    def _read(self) -> Iterator[SceneRecord]:
        for index, shard in enumerate(self._shards):
            for scene in shard.manifest["scenes"]:
                objects = tuple(
                    ObjectRecord(
                        o["label"],
                        o["instance"],
                        o["interaction"],
                        o["side"],
                        o["touched"],
                        o["contact_row"],
                    )
                    for o in scene["objects"]
                )
                yield SceneRecord(index, scene["seed"], objects, tuple(scene["pictures"]))

    def picture(self, scene: SceneRecord, view: int = 0) -> Picture:
        """One picture of a scene, copied out of the map."""
        arrays, at = self._shards[scene.shard].arrays, scene.pictures[view]
        return Picture(
            np.array(arrays["rgb"][at]),
            np.array(arrays["instance"][at]),
            np.array(arrays["part"][at]),
            np.array(arrays["vertex"][at]),
            np.array(arrays["keypoints"][at]),
        )

    def contact(self, scene: SceneRecord) -> Bool[np.ndarray, "objects verts"]:
        """Exact contact of every object of a scene."""
        rows = self._shards[scene.shard].arrays["contact"][[o.contact_row for o in scene.objects]]
        return np.unpackbits(rows, axis=1, count=self.num_vertices).astype(bool)

    def object_points(self, scene: SceneRecord) -> Float[np.ndarray, "objects points 3"]:
        """Points on every object's surface, metres, in the object's own frame (z up)."""
        rows = [o.contact_row for o in scene.objects]
        return self._shards[scene.shard].arrays["object_points"][rows].astype(np.float32)

    def object_heat(self, scene: SceneRecord) -> Float[np.ndarray, "objects points"]:
        """1 where a point is in contact with the body, less around it, 0 if nothing touches."""
        rows = [o.contact_row for o in scene.objects]
        return self._shards[scene.shard].arrays["object_heat"][rows].astype(np.float32) / 255

    def details(self, scene: SceneRecord) -> dict[str, Any]:
        """The scene's whole manifest entry: poses, cameras, body parameters."""
        scenes = self._shards[scene.shard].manifest["scenes"]
        return next(s for s in scenes if s["seed"] == scene.seed)
