"""Looks of a synthetic person: skin, hair, face and clothes as colours on the body's surface.

Garments are cut in a chart of the body (rest position plus a coordinate along every limb), so the
same cut works on every pose and body shape and its hems stay sharp at any distance. Knows nothing
of cameras and light. Every random choice comes from the numpy Generator that is passed in.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology

Rgb = tuple[float, float, float]
"""Display colour, each channel in [0, 1]."""

SKIN_TONES: tuple[Rgb, ...] = (
    (0.98, 0.85, 0.77), (0.95, 0.79, 0.69), (0.91, 0.73, 0.60), (0.86, 0.66, 0.52),
    (0.78, 0.57, 0.43), (0.68, 0.48, 0.35), (0.57, 0.39, 0.28), (0.45, 0.30, 0.22),
    (0.39, 0.26, 0.20), (0.33, 0.23, 0.18),
)  # fmt: skip
HAIR_COLOURS: tuple[Rgb, ...] = (
    (0.07, 0.06, 0.06), (0.16, 0.11, 0.08), (0.30, 0.19, 0.12), (0.45, 0.29, 0.16),
    (0.72, 0.55, 0.31), (0.86, 0.73, 0.48), (0.52, 0.22, 0.10), (0.62, 0.61, 0.60),
)  # fmt: skip
NEUTRALS: tuple[Rgb, ...] = (
    (0.10, 0.10, 0.11), (0.25, 0.25, 0.27), (0.52, 0.52, 0.53), (0.93, 0.93, 0.91),
    (0.15, 0.20, 0.35), (0.25, 0.36, 0.55), (0.72, 0.64, 0.50), (0.36, 0.28, 0.22),
)  # fmt: skip


def random_colour(rng: np.random.Generator, *, neutral_share: float = 0.4) -> Rgb:
    """A colour people paint and wear: a neutral, or any hue of medium to strong saturation."""
    if rng.random() < neutral_share:
        base = NEUTRALS[int(rng.integers(len(NEUTRALS)))]
        value = np.clip(np.array(base) * rng.uniform(0.85, 1.15), 0.03, 0.97)
    else:
        value = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.35, 0.9), rng.uniform(0.35, 0.95))
    red, green, blue = (float(channel) for channel in value)
    return red, green, blue


def vector(values: Sequence[float] | np.ndarray) -> Float32[np.ndarray, " values"]:
    """A colour or direction as single-precision numbers (a bare tuple would compute in double)."""
    return np.asarray(values, dtype=np.float32)


@dataclass(frozen=True)
class Pattern:
    """A two-colour pattern over a plane of metres."""

    kind: str = "plain"
    """One of `plain`, `bands`, `columns`, `checks`, `dots`, `blotches`."""
    first: Rgb = (0.5, 0.5, 0.5)
    second: Rgb = (0.5, 0.5, 0.5)
    period_m: float = 0.1
    """Length of one repeat, metres."""

    @staticmethod
    def random(rng: np.random.Generator, *, plain_share: float = 0.55) -> "Pattern":
        """A cloth: mostly plain, else a pattern with a repeat of 4 to 16 cm."""
        kinds = ("bands", "columns", "checks", "dots", "blotches")
        plain = rng.random() < plain_share
        kind = "plain" if plain else kinds[int(rng.integers(len(kinds)))]
        first, second = random_colour(rng), random_colour(rng)
        return Pattern(kind, first, second, float(rng.uniform(0.04, 0.16)))

    def colour(
        self, u_m: Float[np.ndarray, " points"], v_m: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, "points 3"]:
        """Colour at plane coordinates (u across, v along the bands' normal), metres."""
        u, v = u_m / self.period_m, v_m / self.period_m
        if self.kind == "bands":
            chosen = v % 1.0 < 0.5
        elif self.kind == "columns":
            chosen = u % 1.0 < 0.5
        elif self.kind == "checks":
            chosen = (u % 1.0 < 0.5) ^ (v % 1.0 < 0.5)
        elif self.kind == "dots":
            chosen = (u % 1.0 - 0.5) ** 2 + (v % 1.0 - 0.5) ** 2 > 0.09
        elif self.kind == "blotches":
            wave = np.sin(5.1 * u + 2.3 * np.sin(3.7 * v))
            chosen = wave + np.sin(4.3 * v + 1.9 * np.sin(2.9 * u)) < 0.1
        else:
            chosen = np.ones(len(u), dtype=bool)
        colours = np.asarray([self.second, self.first], dtype=np.float32)
        return colours[chosen.astype(np.intp)]


@dataclass(frozen=True)
class BodyChart:
    """Coordinates of the body surface in which clothes are cut (one row per vertex).

    `coordinates` columns: x to the person's left, y up, z forward (metres, rest pose); `arm` from
    0 at the shoulder over 0.5 at the elbow to 1 at the wrist and beyond on the hand; `leg` likewise
    from hip to ankle; `head` 1 on the head. Rows may be interpolated inside triangles.
    """

    coordinates: Float[np.ndarray, "verts 6"]
    eyes: Float[np.ndarray, "3"]
    """Midpoint between the eyeballs, in the chart's x, y, z."""
    eye_m: float
    """Distance between the eyes: the unit of facial measures, about 0.06."""
    waist_m: float
    """Height y of the seam between torso and hips."""


@lru_cache(maxsize=4)
def body_chart(name: str) -> BodyChart:
    """The chart of the topology called `name`, built once per process."""
    topology = get_topology(name)
    position = topology.canonical_vertices.numpy().astype(np.float32)
    part_of_vertex = topology.part_of_vertex.numpy()
    faces = topology.faces.numpy()
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    columns = np.zeros((len(position), 3), dtype=np.float32)
    for side in ("left", "right"):
        for column, names in enumerate((("arm", "forearm", "hand"), ("thigh", "leg", "foot"))):
            parts = [PART_NAMES.index(f"{side} {name}") for name in names]
            columns[:, column] += _limb_coordinate(position, part_of_vertex, edges, parts)
    head = part_of_vertex == PART_NAMES.index("head")
    columns[:, 2] = head
    eyes, eye_m = _find_eyes(position, edges, head)
    leg_top_m = float(position[(columns[:, 1] > 0) & (columns[:, 1] < 0.5), 1].max())
    return BodyChart(np.column_stack([position, columns]), eyes, eye_m, leg_top_m)


def _limb_coordinate(
    position: Float[np.ndarray, "verts 3"],
    part_of_vertex: Int[np.ndarray, " verts"],
    edges: Int[np.ndarray, "edges 2"],
    parts: list[int],
) -> Float[np.ndarray, " verts"]:
    """0 off the limb; 0..0.5 on its upper segment, 0.5..1 on its lower one, above 1 at its end."""
    upper, lower, end = (part_of_vertex == part for part in parts)
    joints = []
    for inside, outside in ((upper, ~(upper | lower)), (upper, lower), (lower, end)):
        first, second = edges[:, 0], edges[:, 1]
        crossing = (inside[first] & outside[second]) | (outside[first] & inside[second])
        joints.append(position[edges[crossing].ravel()].mean(axis=0))
    along = np.zeros(len(position), dtype=np.float32)
    for segment, mask in enumerate((upper, lower)):
        start, bone = joints[segment], joints[segment + 1] - joints[segment]
        share = (position[mask] - start) @ bone / (bone @ bone)
        along[mask] = 0.5 * (segment + np.clip(share, 0.02, 0.999))
    reach = np.linalg.norm(position[end] - joints[2], axis=1)
    along[end] = 1.0 + 2.0 * reach
    return along


def _find_eyes(
    position: Float[np.ndarray, "verts 3"],
    edges: Int[np.ndarray, "edges 2"],
    head: Bool[np.ndarray, " verts"],
) -> tuple[Float[np.ndarray, "3"], float]:
    """Midpoint and distance of the eyeballs (small separate pieces of the head's surface).

    Bodies without eyeballs get the place eyes have in a head of that size.
    """
    size = len(position)
    links = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(size, size))
    count, piece = connected_components(links, directed=False)
    centres = np.array([position[piece == index].mean(axis=0) for index in range(count)])
    off_centre = np.flatnonzero(np.abs(centres[:, 0]) > 0.01) if count > 1 else np.array([], int)
    if len(off_centre) == 2:
        left, right = centres[off_centre]
        middle = (left + right) / 2
        middle[2] = position[np.isin(piece, off_centre), 2].max()
        return middle.astype(np.float32), float(abs(left[0] - right[0]))
    low, high = position[head].min(axis=0), position[head].max(axis=0)
    height = high[1] - low[1]
    place = [0.0, high[1] - 0.5 * height, high[2] - 0.02]
    return np.array(place, dtype=np.float32), float(0.3 * height)


@dataclass(frozen=True)
class Appearance:
    """Colours and cuts of one person."""

    skin: Rgb = SKIN_TONES[3]
    hair: Rgb = HAIR_COLOURS[1]
    hair_length: float = 1.0
    """0 bald, 1 short, 2 to the neck, 3 onto the shoulders."""
    beard: bool = False
    iris: Rgb = (0.25, 0.17, 0.10)
    top: Pattern = Pattern(first=(0.25, 0.36, 0.55))
    sleeve: float = 0.35
    """End of the sleeve on the limb coordinate: 0 tank top, 0.35 T-shirt, 0.97 long."""
    neckline: float = 1.2
    """Radius of the neck opening in eye distances."""
    trousers: Pattern = Pattern(first=(0.15, 0.20, 0.35))
    leg_end: float = 0.97
    """End of the trousers on the limb coordinate: 0.3 shorts, 0.97 long."""
    waist_shift_m: float = 0.0
    """Height of the garments' seam above the top of the thighs."""
    shoes: Rgb = (0.12, 0.12, 0.13)
    sole: Rgb = (0.92, 0.92, 0.90)
    barefoot: bool = False
    logo: Rgb | None = None
    """Colour of the patch on the chest; None for no patch."""
    logo_round: bool = True

    @staticmethod
    def random(rng: np.random.Generator) -> "Appearance":
        """Skin tone, hair, clothes and shoes of one person, drawn independently."""
        tone = int(rng.integers(len(SKIN_TONES)))
        hairs = len(HAIR_COLOURS) if tone < 5 else 3
        sleeves = (0.0, 0.3, 0.42, 0.75, 0.97)
        legs = (0.22, 0.33, 0.45, 0.7, 0.97, 0.97, 0.97)
        return Appearance(
            skin=SKIN_TONES[tone],
            hair=HAIR_COLOURS[int(rng.integers(hairs))],
            hair_length=float(rng.choice([0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0])),
            beard=bool(rng.random() < 0.15),
            iris=((0.25, 0.17, 0.10), (0.25, 0.40, 0.55))[int(rng.random() < 0.3)],
            top=Pattern.random(rng),
            sleeve=float(rng.choice(sleeves)) * float(rng.uniform(0.9, 1.0)),
            neckline=float(rng.uniform(0.9, 1.7)),
            trousers=Pattern.random(rng, plain_share=0.85),
            leg_end=float(rng.choice(legs)) * float(rng.uniform(0.95, 1.0)),
            waist_shift_m=float(rng.uniform(0.0, 0.16)),
            shoes=random_colour(rng, neutral_share=0.7),
            sole=random_colour(rng, neutral_share=0.9),
            barefoot=bool(rng.random() < 0.2),
            logo=random_colour(rng) if rng.random() < 0.35 else None,
            logo_round=bool(rng.random() < 0.5),
        )

    def colour(
        self, chart: BodyChart, at: Float[np.ndarray, "points 6"]
    ) -> Float[np.ndarray, "points 3"]:
        """Surface colour at chart coordinates."""
        x, y, z, arm, leg, head = at.T
        colours = np.empty((len(at), 3), dtype=np.float32)
        colours[:] = self.skin
        on_head = head > 0.5
        on_arm, on_leg = arm > 0.01, leg > 0.01
        foot = leg > 1.0
        seam_m = chart.waist_m + self.waist_shift_m
        body = ~on_head & ~on_arm
        bottom = body & (y < seam_m) & (leg < self.leg_end)
        neck_height_m = chart.eyes[1] - 2.35 * chart.eye_m
        opening = np.hypot(x, np.where(z > 0, 0.8, 1.0) * (y - neck_height_m))
        below_neck = opening > self.neckline * chart.eye_m
        top = (body & ~on_leg & (y >= seam_m) & below_neck) | (on_arm & (arm < self.sleeve))
        colours[bottom] = self.trousers.colour(x[bottom], y[bottom])
        colours[top] = self.top.colour(x[top], y[top])
        self._paint_logo(colours, chart, top, x, y, z)
        if not self.barefoot:
            shod = foot | (on_leg & (leg > 0.955) & (leg >= self.leg_end))
            colours[shod] = self.shoes
            colours[foot & (y < 0.02 + self._ground_m(chart))] = self.sole
        self._paint_head(colours, chart, at, on_head)
        return colours

    @staticmethod
    def _ground_m(chart: BodyChart) -> float:
        return float(chart.coordinates[:, 1].min())

    def _paint_logo(
        self,
        colours: Float[np.ndarray, "points 3"],
        chart: BodyChart,
        top: Bool[np.ndarray, " points"],
        x: Float[np.ndarray, " points"],
        y: Float[np.ndarray, " points"],
        z: Float[np.ndarray, " points"],
    ) -> None:
        if self.logo is None:
            return
        u, v = x, y - (chart.eyes[1] - 5.2 * chart.eye_m)
        size = 1.3 * chart.eye_m
        out = np.hypot(u, v) if self.logo_round else np.maximum(np.abs(u), 1.6 * np.abs(v))
        inside = out < size
        colours[top & inside & (z > chart.eyes[2] - 2.2 * chart.eye_m)] = self.logo

    def _paint_head(
        self,
        colours: Float[np.ndarray, "points 3"],
        chart: BodyChart,
        at: Float[np.ndarray, "points 6"],
        on_head: Bool[np.ndarray, " points"],
    ) -> None:
        """Hair, brows, eyes, lips; all lengths in eye distances from the eyes' midpoint.

        Features are drawn a little larger than life: a head spans some twenty pixels.
        """
        x, y, z = ((at[:, :3] - chart.eyes) / chart.eye_m).T
        skin, hair = np.array(self.skin), np.array(self.hair)
        side = np.abs(np.abs(x) - 0.5)
        face = on_head & (z > -0.85)
        lips = face & (np.hypot(x / 0.42, (y + 1.12) / 0.13) < 1)
        colours[lips] = skin * (0.82, 0.55, 0.55)
        if self.beard and self.hair_length > 0:
            chin = on_head & (z > -1.3) & (y < -0.85) & (y > -2.1) & ~lips
            colours[chin] = 0.6 * hair + 0.4 * skin
        socket = face & (np.hypot(side / 0.27, y / 0.16) < 1)
        colours[socket] = (0.93, 0.92, 0.90)
        colours[socket & (np.hypot(side, y) < 0.14)] = self.iris
        colours[face & (np.hypot(side / 0.33, (y - 0.36) / 0.09) < 1)] = 0.8 * hair
        if self.hair_length <= 0:
            return
        hairline = 1.0 - 0.25 * np.clip(np.abs(x) - 0.7, 0, 1)
        behind = (z < -1.45) & (y > -0.2)
        if self.hair_length >= 2:
            behind |= (z < -1.25 - 0.15 * np.clip(y, -3, 0)) & (y > -2.6)
        scalp = on_head & ((y > hairline) | behind)
        if self.hair_length >= 3:
            scalp |= (z < -1.7) & (y > -4.2) & (at[:, 3] < 0.01) & (np.abs(x) < 1.6)
        shade = 0.92 + 0.14 * np.sin(23 * x + 3 * np.sin(5 * y)) ** 2
        colours[scalp] = hair * shade[scalp, None]
