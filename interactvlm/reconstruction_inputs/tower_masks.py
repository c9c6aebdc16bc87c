"""Masks, boxes, keypoints and body points that the shipped model's photo tower sees by itself.

The tower was trained to see them (`interactvlm.perception`) before the model learnt to speak, so a
photo needs no other model. Models of the released size have no such tower. Its maps are coarse: 32
cells across the square it looks at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from scipy.spatial import KDTree
from torch import Tensor
from torch.nn import functional

from human_recovery.output import KEYPOINT_NAMES
from human_recovery.parts import PART_NAMES
from interactvlm.config import InteractVLMConfig
from interactvlm.errors import InputError
from interactvlm.language import frame_photo
from interactvlm.perception import FINE_STRIDE, NUM_PARTS, Perception, PerceptionTower
from interactvlm.photo import Box, Photo, checked_box
from interactvlm.preprocessing import window_of_box, window_of_photo
from interactvlm.questions import known_label
from interactvlm.reconstruction_inputs.mask_pieces import without_specks
from interactvlm.reconstruction_inputs.tower_view import TowerView

PERSON = "person"
"""Name of the person among the boxes."""
LEAST_PIXELS = 16
"""A class seen in fewer pixels of the tower's picture, one cell of its maps, is not there."""
_PEAK_CELLS = 2
"""A keypoint is the mean of its heat map this far around the peak, and as sure as that is heavy."""


@runtime_checkable
class SeesPhotos(Protocol):
    """What of a model is used here: the photo tower at `language.vision`."""

    config: InteractVLMConfig
    language: Any
    device: torch.device


@dataclass(frozen=True, eq=False)
class TowerMasks:
    """What a photo tower sees of one person and the things around, and where."""

    person: Bool[np.ndarray, "height width"] | None
    """At the size of `Photo.image`; None where no person is seen."""
    object: Bool[np.ndarray, "height width"] | None
    """Of the asked label; None where the tower does not know it or sees none."""
    boxes_px: dict[str, Box]
    """Per class that is seen: `person`, body parts, object labels. In the original photo."""
    keypoints_px: Float32[np.ndarray, "23 3"]
    """x, y in the original photo and confidence, 0 to 1, in the order of `KEYPOINT_NAMES`; hidden
    points are guessed too. Off the photo the confidence is 0."""
    hand_centres_px: Float32[np.ndarray, "2 3"]
    """The same of the middles of the left and the right hand."""
    dense_px: Float32[np.ndarray, "pairs 2"]
    """Places on the person, x, y in the original photo."""
    dense_vertex: Int64[np.ndarray, "pairs"]
    """The body vertex seen at each."""
    dense_confidence: Float32[np.ndarray, "pairs"]
    """Probability of the vertex's body part, 0 to 1."""
    topology: str
    """Name of the body whose vertices are counted."""

    def __repr__(self) -> str:
        return (
            f"TowerMasks(person {_area(self.person)}, object {_area(self.object)}, "
            f"{len(self.boxes_px)} boxes, {len(self.dense_px)} body points)"
        )


@torch.no_grad()
def masks_by_tower(
    model: SeesPhotos, photo: Photo, label: str, *, box_xyxy_px: Sequence[int | float] | None = None
) -> TowerMasks | None:
    """What the tower sees of a person (in a box of the original photo) and of a labelled object.

    None for a model without such a tower: then masks must come from files, SAM or a box.
    Raises InputError for a box that is none.
    """
    tower = model.language.vision
    if not isinstance(tower, PerceptionTower):
        return None
    box = None
    if box_xyxy_px is not None:
        box = photo.image_box(checked_box(box_xyxy_px, photo.width, photo.height))
    window = window_of_photo(photo.image) if box is None else window_of_box(photo.image, box)
    framed = frame_photo(photo.image, model.config.vision, box)
    seen = tower.perceive(tower.preprocess([framed]).to(model.device))
    view = TowerView(photo, window, tower.config.image_size_px)

    share = _class_share(seen.class_logits[0].cpu())
    body = share[1 : 1 + NUM_PARTS].sum(0)
    others = share[[0, *range(1 + NUM_PARTS, len(share))]]
    person = body - others.amax(0)
    wanted = _class_of_label(model.config, label)
    thing = None
    if wanted is not None:
        rest = torch.cat([body[None], others[:1], share[1 + NUM_PARTS :]])
        rest[2 + wanted] = 0
        thing = view_mask(view, share[1 + NUM_PARTS + wanted] - rest.amax(0))
    points = _keypoints(view, seen.keypoint_logits[0].cpu())
    pixels, vertices, sure = _body_points(view, seen, model.config.topology)
    return TowerMasks(
        person=view_mask(view, person),
        object=thing,
        boxes_px=_boxes(view, share, person > 0, model.config.labels),
        keypoints_px=points[: len(KEYPOINT_NAMES)],
        hand_centres_px=points[len(KEYPOINT_NAMES) :],
        dense_px=pixels,
        dense_vertex=vertices,
        dense_confidence=sure,
        topology=model.config.topology,
    )


def view_mask(
    view: TowerView, margin: Float[Tensor, "size size"]
) -> Bool[np.ndarray, "height width"] | None:
    """A mask of the photo from how far a class leads at each pixel; None where hardly anywhere."""
    values = margin.numpy()
    kept = _seen_pixels(values > 0)
    if kept is None:
        return None
    mask = view.mask(np.where(kept, values, -np.abs(values)))
    return mask if mask.any() else None


def _class_share(logits: Float[Tensor, "classes rows columns"]) -> Float[Tensor, "classes s s"]:
    """Probability of every class at every pixel of the tower's picture."""
    grown = functional.interpolate(
        logits[None], scale_factor=FINE_STRIDE, mode="bilinear", align_corners=False
    )
    return grown[0].softmax(0)


def _class_of_label(config: InteractVLMConfig, label: str) -> int | None:
    """Place of a label among the tower's objects, or None."""
    try:
        spelled = known_label(config, label)
    except InputError:
        # A label the tower does not know is no fault: its mask comes from elsewhere.
        return None
    return config.labels.index(spelled) if spelled in config.labels else None


def _boxes(
    view: TowerView,
    share: Float[Tensor, "classes size size"],
    person: Bool[Tensor, "size size"],
    labels: Sequence[str],
) -> dict[str, Box]:
    best = share.argmax(0)
    cells = {PERSON: person}
    for index, name in enumerate((*PART_NAMES, *labels), start=1):
        cells[name] = best == index
    boxes = {}
    for name, where in cells.items():
        kept = _seen_pixels(where.numpy())
        box = None if kept is None else view.box(kept)
        if box is not None:
            boxes[name] = box
    return boxes


def _seen_pixels(
    cells: Bool[np.ndarray, "size size"],
) -> Bool[np.ndarray, "size size"] | None:
    """Pixels of a class without specks, which would stretch its box; None where hardly any."""
    return without_specks(cells) if int(cells.sum()) >= LEAST_PIXELS else None


def _keypoints(
    view: TowerView, logits: Float[Tensor, "keypoints rows columns"]
) -> Float32[np.ndarray, "keypoints 3"]:
    """The heat map's mean around its peak, and the share of the map that lies there.

    Not the mean of the whole map: where left and right are in doubt it lies between the two.
    """
    rows, columns = logits.shape[1:]
    share = logits.flatten(1).softmax(1)
    peak = share.argmax(1)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    place = torch.stack([x.flatten(), y.flatten()], dim=1)
    near = (place - place[peak][:, None]).abs().amax(2) <= _PEAK_CELLS
    weight = share * near
    heavy = weight.sum(1)
    at = (weight @ (place + 0.5)) / heavy[:, None]
    points = view.original_px((at * FINE_STRIDE).double().numpy())
    sure = heavy.numpy() * view.in_photo(points)
    return np.column_stack([points, sure]).astype(np.float32)


def _body_points(
    view: TowerView, seen: Perception, topology_name: str
) -> tuple[
    Float32[np.ndarray, "pairs 2"], Int64[np.ndarray, "pairs"], Float32[np.ndarray, "pairs"]
]:
    """Cells that show the body, the vertex each shows, and how sure its part is.

    A cell names a body part and a canonical place; the vertex is the one of that part nearest to
    that place, so a hand next to a thigh is not taken for it.
    """
    from human_recovery.topology import get_topology

    share, best = seen.class_logits[0].cpu().softmax(0).max(0)
    rows, columns = ((best >= 1) & (best <= NUM_PARTS)).nonzero(as_tuple=True)
    corners = torch.stack([columns, rows], dim=1).double()
    pixels = view.original_px((FINE_STRIDE * (corners + 0.5)).numpy())
    shown = torch.from_numpy(view.in_photo(pixels))
    rows, columns, pixels = rows[shown], columns[shown], pixels[shown.numpy()]
    place = seen.surface[0].cpu()[:, rows, columns].T.numpy()
    part = (best[rows, columns] - 1).numpy()
    vertices = np.zeros(len(part), dtype=np.int64)
    if len(part):
        topology = get_topology(topology_name)
        for index in np.unique(part):
            of_part = (topology.part_of_vertex == int(index)).nonzero().flatten().numpy()
            tree = KDTree(topology.canonical_vertices[of_part].numpy())
            vertices[part == index] = of_part[tree.query(place[part == index])[1]]
    return pixels.astype(np.float32), vertices, share[rows, columns].numpy()


def _area(mask: Bool[np.ndarray, "height width"] | None) -> str:
    return "none" if mask is None else f"{mask.mean():.1%}"
