"""Batches from stored scenes: pictures with perception targets, and questions with answers.

Mirroring is exact: pictures, keypoints, parts, contacts and the words all swap sides.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8, UInt16
from PIL import Image
from torch import Tensor, nn

from human_recovery.parts import PART_NAMES, mirror_part, part_shares, parts_in_contact
from human_recovery.topology import BodyTopology
from interactvlm.config import TokenConfig
from interactvlm.object_file import y_up
from interactvlm.perception import FINE_STRIDE, NUM_KEYPOINTS, NUM_PARTS
from interactvlm.synthetic.shards import NO_VERTEX, Picture, SceneRecord, SceneShards
from interactvlm.templates import Target
from interactvlm.training.object_grid import HeatGrid, heat_grid

KEYPOINT_MIRROR: tuple[int, ...] = (0, *(i + 1 if i % 2 else i - 1 for i in range(1, 23)), 24, 23)
"""Partner of each keypoint: after the nose they come in left/right pairs."""
PART_MIRROR: tuple[int, ...] = tuple(PART_NAMES.index(mirror_part(name)) for name in PART_NAMES)
"""Partner of each body part; unsided parts are their own."""
GRID_CELLS = 6
"""Cells along each axis of the grid that teaches the object's contact token."""
TOUCHING_SHARE = 0.03
"""Share of a part's vertices in contact from which the part touches an object."""


@dataclass(frozen=True)
class Query:
    """One question about one picture of a batch."""

    picture: int
    label: str
    contact: Bool[Tensor, "verts"]
    """Of the body, whatever the question is about."""
    parts: tuple[str, ...]
    target: Target = "human"
    """Whether contact on the body or on the object is asked for."""
    affordance: str = ""
    grid: HeatGrid | None = None
    """Heat of the object, in questions about it."""
    surface: tuple[SceneRecord, int] | None = None
    """Scene and place in it of the object, in questions about it."""

    @property
    def touched(self) -> bool:
        """Whether the truth holds any contact."""
        return bool(self.contact.any())


@dataclass(frozen=True)
class PictureBatch:
    """Pictures with the targets of the photo tower, and the questions drawn for them."""

    rgb: UInt8[Tensor, "batch size size 3"]
    classes: Int[Tensor, "batch rows columns"]
    keypoints: Float[Tensor, "batch keypoints 3"]
    """x, y in cells of the heat map, visibility."""
    surface: Float[Tensor, "batch 3 rows columns"]
    """Canonical place of the body point seen, metres."""
    on_body: Bool[Tensor, "batch rows columns"]
    """Where a body point is seen."""
    object_at: Int[Tensor, "batch rows columns"]
    """0 no object, else 1 + its place in the scene."""
    touched_by: Float[Tensor, "batch objects parts"]
    """1 where a body part touches the object; padded with zeros to the most objects."""
    queries: tuple[Query, ...]


class SceneSampler:
    """Draws random training batches; the state is the step number, so a run resumes exactly."""

    def __init__(
        self,
        shards: SceneShards,
        topology: BodyTopology,
        labels: tuple[str, ...],
        seed: int,
        scenes: Sequence[SceneRecord] | None = None,
        about_objects: float = 0.0,
    ) -> None:
        """`scenes`: those of the shards that may be drawn; None means all. `about_objects`: how
        often a question about the body has a sister about the object."""
        self.shards, self.topology, self.labels, self.seed = shards, topology, labels, seed
        self.scenes = shards.scenes if scenes is None else tuple(scenes)
        self.about_objects = about_objects
        self.partner = topology.symmetric_partner
        self.part_mirror = part_mirror_table()
        self._touched: dict[int, Float[Tensor, "objects parts"]] = {}
        self._grids: dict[int, list[HeatGrid]] = {}
        place = topology.canonical_vertices.float()
        self.place = torch.cat([place, torch.zeros(1, 3)])  # the last row: no body point

    def batches(
        self, count: int, start_step: int, *, with_queries: bool, absent: float = 0.0, rank: int = 0
    ) -> Iterator[PictureBatch]:
        """Endless batches from `start_step` on; a step depends on seed, rank and step only."""
        step = start_step
        while True:
            rng = np.random.default_rng([self.seed, rank, step])
            yield self.draw(rng, count, with_queries=with_queries, absent=absent)
            step += 1

    def draw(
        self,
        rng: np.random.Generator,
        count: int,
        *,
        with_queries: bool,
        absent: float = 0.0,
        mirroring: bool = True,
    ) -> PictureBatch:
        """One random batch with mirroring, small turns and shifts, and colour jitter."""
        rgb, classes, keypoints, vertices, queries = [], [], [], [], []
        objects, touched = [], []
        for position in range(count):
            scene = self.scenes[int(rng.integers(len(self.scenes)))]
            picture = self.shards.picture(scene, int(rng.integers(len(scene.pictures))))
            mirrored = bool(rng.random() < 0.5) and mirroring
            names = [o.label for o in scene.objects]
            picture = warp(picture, rng)
            target = class_map(picture.instance, picture.part, names, self.labels)
            vertex, object_at = picture.vertex, object_map(picture.instance)
            touching = self._touching(scene)
            points = picture.keypoints_px.copy()
            points[:, :2] /= FINE_STRIDE
            image = jitter(picture.rgb, rng)
            if mirrored:
                image, target = image[:, ::-1], self.part_mirror[target[:, ::-1]]
                vertex, object_at = self._mirror_vertices(vertex[:, ::-1]), object_at[:, ::-1]
                touching = touching[:, list(PART_MIRROR)]
                points = points[list(KEYPOINT_MIRROR)]
                points[:, 0] = target.shape[1] - points[:, 0]
            rgb.append(np.ascontiguousarray(image))
            classes.append(np.ascontiguousarray(target))
            vertices.append(np.ascontiguousarray(vertex))
            objects.append(np.ascontiguousarray(object_at))
            touched.append(touching)
            keypoints.append(points)
            if with_queries:
                contact = torch.from_numpy(self.shards.contact(scene))
                if mirrored:
                    contact = contact[:, self.partner]
                queries += self._queries(position, names, contact, rng, absent)
                queries += self._object_queries(position, scene, contact, mirrored, rng)
        vertex = torch.from_numpy(np.stack(vertices).astype(np.int64))
        on_body = vertex != NO_VERTEX
        return PictureBatch(
            torch.from_numpy(np.stack(rgb)),
            torch.from_numpy(np.stack(classes)).long(),
            torch.from_numpy(np.stack(keypoints)).float(),
            self.place[torch.where(on_body, vertex, -1)].permute(0, 3, 1, 2),
            on_body,
            torch.from_numpy(np.stack(objects)).long(),
            nn.utils.rnn.pad_sequence(touched, batch_first=True),
            tuple(queries),
        )

    def _touching(self, scene: SceneRecord) -> Float[Tensor, "objects parts"]:
        """Which parts touch each object; a part counts with a few of its vertices."""
        if scene.seed not in self._touched:
            contact = torch.from_numpy(self.shards.contact(scene))
            shares = [part_shares(c, self.topology) for c in contact]
            self._touched[scene.seed] = (torch.stack(shares) >= TOUCHING_SHARE).float()
        return self._touched[scene.seed]

    def _mirror_vertices(
        self, vertex: UInt16[np.ndarray, "rows columns"]
    ) -> UInt16[np.ndarray, "rows columns"]:
        seen = vertex != NO_VERTEX
        mirrored = self.partner.numpy()[np.where(seen, vertex, 0)].astype(np.uint16)
        return np.where(seen, mirrored, np.uint16(NO_VERTEX))

    def _queries(
        self,
        position: int,
        names: list[str],
        contact: Tensor,
        rng: np.random.Generator,
        absent: float,
    ) -> list[Query]:
        queries = [self._query(position, n, c) for n, c in zip(names, contact, strict=True)]
        if rng.random() < 0.35:
            queries.append(self._query(position, "", contact.any(0)))
        if rng.random() < absent:
            others = [label for label in self.labels if label not in names]
            nothing = torch.zeros(self.shards.num_vertices, dtype=torch.bool)
            queries.append(self._query(position, str(rng.choice(others)), nothing))
        return queries

    def _object_queries(
        self,
        position: int,
        scene: SceneRecord,
        contact: Bool[Tensor, "objects verts"],
        mirrored: bool,
        rng: np.random.Generator,
    ) -> list[Query]:
        """Questions about some of the objects themselves."""
        if not self.about_objects:
            return []
        asked = rng.random(len(scene.objects)) < self.about_objects
        return [
            Query(
                position,
                record.label,
                contact[place],
                (),
                "object",
                record.affordance,
                grid.mirrored() if mirrored else grid,
                (scene, place),
            )
            for place, (record, grid) in enumerate(
                zip(scene.objects, self._heat_grids(scene), strict=True)
            )
            if asked[place]
        ]

    def _heat_grids(self, scene: SceneRecord) -> list[HeatGrid]:
        if scene.seed not in self._grids:
            points = torch.from_numpy(self.shards.object_points(scene))
            heat = torch.from_numpy(self.shards.object_heat(scene))
            self._grids[scene.seed] = [
                heat_grid(y_up(p, "z"), h, GRID_CELLS) for p, h in zip(points, heat, strict=True)
            ]
        return self._grids[scene.seed]

    def _query(self, position: int, label: str, contact: Bool[Tensor, "verts"]) -> Query:
        parts = tuple(parts_in_contact(contact, self.topology)) if contact.any() else ()
        return Query(position, label, contact, parts)


def part_mirror_table() -> UInt8[np.ndarray, "256"]:
    """Class index -> class index after mirroring; only left/right parts move."""
    table = np.arange(256, dtype=np.uint8)
    table[1 : 1 + NUM_PARTS] = 1 + np.array(PART_MIRROR)
    return table


def object_map(
    instance: UInt8[np.ndarray, "rows columns"],
) -> UInt8[np.ndarray, "rows columns"]:
    """0 no object, else 1 + its place in the scene."""
    return np.where(instance >= 2, instance - 1, 0).astype(np.uint8)


def class_map(
    instance: UInt8[np.ndarray, "rows columns"], part: UInt8[np.ndarray, "rows columns"],
    names: list[str], labels: tuple[str, ...],
) -> UInt8[np.ndarray, "rows columns"]:  # fmt: skip
    """Background, parts and known objects.

    Objects whose label the model does not know count as background.
    """
    table = np.zeros(256, dtype=np.uint8)
    for index, name in enumerate(names):
        if name in labels:
            table[2 + index] = 1 + NUM_PARTS + labels.index(name)
    return np.where(instance == 1, part, table[instance]).astype(np.uint8)


def warp(picture: Picture, rng: np.random.Generator) -> Picture:
    """The picture turned by up to 12 degrees, zoomed and shifted a little, with its annotations.

    The annotations are read at the middle of the cells of the tower's fine maps. What comes in from
    outside the picture is one random colour.
    """
    size = picture.rgb.shape[0]
    cells = size // FINE_STRIDE
    angle, zoom = np.radians(rng.uniform(-12, 12)), rng.uniform(0.85, 1.2)
    shift = rng.uniform(-0.06, 0.06, size=2) * size
    colour = tuple(int(value) for value in rng.integers(0, 256, size=3))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    middle = size / 2
    offset = middle - turn @ (middle + shift)  # source = turn @ target + offset
    matrix = (*turn[0], offset[0], *turn[1], offset[1])
    coarse = turn * FINE_STRIDE
    cell_matrix = (*coarse[0], offset[0], *coarse[1], offset[1])
    affine = Image.Transform.AFFINE

    def moved(values: np.ndarray, outside: int) -> np.ndarray:
        image = Image.fromarray(values if values.dtype == np.uint8 else values.astype(np.int32))
        nearest = image.transform((cells, cells), affine, cell_matrix, fillcolor=outside)
        return np.asarray(nearest).astype(values.dtype)

    rgb = Image.fromarray(picture.rgb)
    rgb = rgb.transform((size, size), affine, matrix, Image.Resampling.BILINEAR, fillcolor=colour)
    keypoints = picture.keypoints_px.copy()
    keypoints[:, :2] = (keypoints[:, :2] - offset) @ np.linalg.inv(turn).T
    return Picture(
        np.asarray(rgb), moved(picture.instance, 0), moved(picture.part, 0),
        moved(picture.vertex, NO_VERTEX), keypoints,
    )  # fmt: skip


def jitter(
    rgb: UInt8[np.ndarray, "size size 3"], rng: np.random.Generator
) -> UInt8[np.ndarray, "size size 3"]:
    """Random gain per channel, contrast and brightness, sometimes grey."""
    values = rgb.astype(np.float32)
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, size=3).astype(np.float32)
    values = (values - 118) * np.float32(rng.uniform(0.75, 1.25)) + 118
    values = values * gain.astype(np.float32) + np.float32(rng.uniform(-20, 20))
    if rng.random() < 0.1:
        values = np.repeat(values.mean(2, keepdims=True), 3, axis=2)
    return values.clip(0, 255).astype(np.uint8)


def text_pairs(
    queries: tuple[Query, ...], tokens: TokenConfig, rng: random.Random, drop_parts: float
) -> list[tuple[str, str]]:
    """A question and its true answer for every query."""
    from interactvlm.templates import sample

    return [
        sample(
            q.label,
            tokens.human if q.target == "human" else tokens.object,
            touched=q.touched,
            parts=q.parts,
            affordance=q.affordance,
            target=q.target,
            rng=rng,
            drop_parts=drop_parts,
        )
        for q in queries
    ]


assert len(KEYPOINT_MIRROR) == NUM_KEYPOINTS
