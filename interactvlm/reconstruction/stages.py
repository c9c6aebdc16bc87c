"""The stages of a reconstruction, each from files where they are given, else by its own work.

Ties models, bodies, masks and the library together; how the object is placed is `placing`.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from human_recovery.anny_body import AnnyBody
from human_recovery.body_evidence import SurfacePairs
from human_recovery.body_files import read_body
from human_recovery.body_fit import fit_body
from human_recovery.body_state import BodyInCamera
from human_recovery.keypoint_files import Keypoints2D, read_keypoints
from human_recovery.topology import get_topology
from interactvlm.assets_dir import default_weights
from interactvlm.body_transfer import on_topology
from interactvlm.errors import InputError
from interactvlm.object_file import fine_mesh, load_object, y_up
from interactvlm.photo import Box, Photo, checked_box
from interactvlm.photo_job import checked_device, load_model
from interactvlm.reconstruction.candidate_files import heat_of
from interactvlm.reconstruction.request import ReconstructRequest
from interactvlm.reconstruction.scene import (
    CONTACT_EDGE_M,
    ShapeCandidate,
    require_usable,
    stands_upright,
)
from interactvlm.reconstruction.scene_folder import contact_of
from interactvlm.reconstruction_inputs.masks import (
    TowerMasks,
    grabcut,
    masks_by_tower,
    read_box,
    read_mask,
)
from interactvlm.reconstruction_inputs.photo_depth import align_depth, aligned_depth_m, read_depth
from interactvlm.results import ContactMap
from interactvlm.retrieval_job import embedded_pictures, open_library
from object_retrieval.labels import match_label
from object_retrieval.retrieval import Backends, Question, rank
from object_retrieval.shape_library import ShapeLibrary
from renders.camera import Camera
from renders.mesh import Mesh
from renders.rasterizer import rasterize

DEFAULT_SIZE_SPREAD = 0.15
"""Of a shape whose kind has no known sizes."""
_PLAUSIBLE = 1.8
"""A mesh so many times larger or smaller than its kind, and by more than it varies, is taken for
one that is not in metres."""
_METRIC_RESIDUAL_M = 0.3
"""A depth map in metres that is this near to the body's own depth is taken as it is."""
_LEAST_SURFACE = 0.5
"""Probability of a body part from which the tower's body points are used."""

Mask = Bool[Tensor, "height width"]


@dataclass(eq=False)
class Sight:
    """A photo, the model that looks at it, and what is asked; the model is loaded when needed."""

    request: ReconstructRequest
    photo: Photo
    camera: Camera
    """Of `photo.image`."""
    model_given: Any = None
    notes: list[str] = field(default_factory=list)

    @cached_property
    def model(self) -> Any:
        """The model of the request."""
        if self.model_given is not None:
            return self.model_given
        weights = (self.request.weights or default_weights()).expanduser()
        return load_model(weights, checked_device(self.request.device))

    @cached_property
    def object_box(self) -> Box | None:
        """In the original photo."""
        return self._box(self.request.box)

    @cached_property
    def person_box(self) -> Box | None:
        """In the original photo."""
        return self._box(self.request.person_box)

    @cached_property
    def tower(self) -> TowerMasks | None:
        """What the model's photo tower sees; None where it has none."""
        return masks_by_tower(
            self.model, self.photo, self.request.label, box_xyxy_px=self.person_box
        )

    @cached_property
    def sam_masks(self) -> dict[str, Mask]:
        """What SAM sees in the boxes of "person" and "object"; the photo is encoded once for both.

        Left out are those whose box or whose need of one is missing. Raises InputError when a box
        holds nothing.
        """
        boxes = {
            "person": None if self.request.person_mask else self.person_box,
            "object": None if self.request.object_mask else self.object_box,
        }
        return _by_sam(self, {name: box for name, box in boxes.items() if box is not None})

    @property
    def knows_label(self) -> bool:
        """Whether the model can be asked about the label."""
        try:
            self.model.known_label(self.request.label)
        except InputError:
            return False
        return True

    def _box(self, given: str | None) -> Box | None:
        if given is None:
            return None
        return checked_box(read_box(given), self.photo.width, self.photo.height)


def object_mask(sight: Sight) -> Mask:
    """From a file, SAM, the photo tower, or GrabCut in a box, in this order.

    Raises InputError when nothing says where the object is.
    """
    given = sight.request.object_mask
    if given is not None:
        return torch.from_numpy(read_mask(given, sight.photo, notes=sight.notes))
    box = sight.object_box
    if sight.request.sam is not None:
        if box is None:
            raise InputError("SAM needs to know where the object is; give --box too")
        return sight.sam_masks["object"]
    seen = None if sight.tower is None else sight.tower.object
    if box is None:
        if seen is None:
            raise InputError(
                f"the model does not see {sight.request.label!r} in the photo; give --box, or "
                "--object-mask"
            )
        sight.notes.append("the object's mask is the model's own guess; --box or a mask says it")
        return torch.from_numpy(seen)
    inside = _inside(sight.photo, box)
    if seen is not None and (seen & inside).sum() > 0.5 * seen.sum():
        return torch.from_numpy(seen & inside)
    sight.notes.append("the object's mask was cut out of its box by colour (GrabCut)")
    image_box = sight.photo.image_box(box)
    return torch.from_numpy(grabcut(sight.photo.image, image_box, notes=sight.notes))


def person_mask(sight: Sight) -> Mask | None:
    """From a file, SAM or the photo tower; None where nobody says."""
    given = sight.request.person_mask
    if given is not None:
        return torch.from_numpy(read_mask(given, sight.photo, notes=sight.notes))
    if sight.request.sam is not None and sight.person_box is not None:
        return sight.sam_masks["person"]
    if sight.tower is None or sight.tower.person is None:
        return None
    return torch.from_numpy(sight.tower.person)


def body_in_camera(sight: Sight, mask: Mask | None) -> BodyInCamera:
    """From a body file; else fitted to keypoints of a file, or to what the photo tower sees.

    Raises InputError when there is neither.
    """
    request = sight.request
    if request.body is not None:
        return read_body(request.body, sight.camera)
    surface = None
    if request.keypoints is not None:
        keypoints = read_keypoints(
            request.keypoints, None, photo=sight.photo.path, box_xyxy_px=sight.person_box
        )
        scale = sight.photo.image.width / sight.photo.width
        keypoints = replace(keypoints, points_px=keypoints.points_px * scale)
    else:
        tower = sight.tower
        if tower is None:
            raise InputError(
                "this model sees no people by itself; give --body or --keypoints of the person"
            )
        keypoints, surface = _tower_evidence(sight.photo, tower)
    # A mask that the tower drew is no evidence beside its own keypoints.
    known_mask = mask if request.person_mask is not None or request.sam is not None else None
    fit = fit_body(_anny("fast"), keypoints, sight.camera, person_mask=known_mask, surface=surface)
    if surface is not None:
        sight.notes.append(
            "the body is fitted to what the model itself sees; --keypoints or --body is more exact"
        )
    return fit.on(_anny("full"))


def body_contact(sight: Sight, topology: str) -> ContactMap | None:
    """From a file, else what the model says about the label; on the body's own topology."""
    request = sight.request
    if not request.use_contact:
        return None
    if request.contact is not None:
        found = contact_of(request.contact, request.label, topology)
    elif not sight.knows_label:
        sight.notes.append(
            f"the model was never taught {request.label!r}, so it is placed without contact; "
            "--contact and --affordance say it"
        )
        return None
    else:
        torch.manual_seed(request.seed)
        box = None if sight.person_box is None else sight.photo.image_box(sight.person_box)
        (found,) = sight.model.predict_contact(sight.photo.image, [request.label], box_xyxy_px=box)
    if not found.in_contact:
        sight.notes.append(f"no contact between body and {request.label!r} was found")
    return on_topology(found, topology)


def shape_candidates(sight: Sight, mask: Mask) -> list[ShapeCandidate]:
    """The object's own mesh, or the library's most likely shapes; metres, y up."""
    request = sight.request
    library = open_library(request.library)
    if request.object_mesh is not None:
        return [_own_shape(sight, library)]
    picture = np.asarray(sight.photo.image)
    ranking = rank(
        library,
        Question(request.label or None, picture, mask.numpy()),
        Backends(image=embedded_pictures()),
    )
    shapes = []
    for candidate in ranking.candidates(request.candidates):
        spread = DEFAULT_SIZE_SPREAD
        if candidate.size_m and candidate.size_spread_m:
            spread = max(candidate.size_spread_m / candidate.size_m, 0.05)
        mesh = library.mesh(candidate.item.name)
        upright = Mesh(y_up(mesh.vertices.float(), "z"), mesh.faces)
        shapes.append(
            ShapeCandidate(
                candidate.item.name,
                "library",
                fine_mesh(upright, longest_edge=CONTACT_EDGE_M),
                min(spread, 0.35),
                candidate.score,
                upright=stands_upright(candidate.item.category, upright),
            )
        )
    sight.notes.append("the object's shape is the library's best guess; --object-mesh gives yours")
    return shapes


def with_heat(sight: Sight, candidate: ShapeCandidate) -> ShapeCandidate:
    """The candidate with contact at its vertices, from a file or as the model says it."""
    request = sight.request
    if not request.use_contact:
        return candidate
    if request.affordance is not None:
        return replace(candidate, heat=heat_of(request.affordance, candidate.mesh.vertices))
    trained = sight.model.config.trained_for
    if not {"object", "affordance"} & set(trained) or not sight.knows_label:
        return candidate
    torch.manual_seed(request.seed)
    box = None if sight.person_box is None else sight.photo.image_box(sight.person_box)
    said = sight.model.predict_affordance(
        sight.photo.image, request.label, candidate.mesh, box_xyxy_px=box
    )
    return replace(candidate, heat=said.vertex_probability, affordance=said.affordance)


def depth_of_photo(sight: Sight, body: BodyInCamera) -> Tensor | None:
    """Metric depth from the file of the request; relative depth is aligned with the body's own."""
    if sight.request.depth is None:
        return None
    depth = read_depth(sight.request.depth, sight.photo, notes=sight.notes)
    mesh = Mesh(body.vertices_m.float(), get_topology(body.topology).faces)
    drawn = rasterize(mesh, sight.camera)
    known = torch.where(drawn.covered, drawn.depth_m, torch.nan).numpy()
    both = np.isfinite(depth) & np.isfinite(known)
    if both.any() and float(np.median(np.abs(depth - known)[both])) < _METRIC_RESIDUAL_M:
        return torch.from_numpy(depth)
    alignment = align_depth(depth, known)
    sight.notes.append(
        f"depth was scaled by {alignment.scale:.3g} and shifted by {alignment.shift:.2f} m to "
        f"agree with the body, which it then does within {100 * alignment.residual:.0f} cm"
    )
    return torch.from_numpy(aligned_depth_m(depth, alignment))


def _own_shape(sight: Sight, library: ShapeLibrary) -> ShapeCandidate:
    """The mesh of the request, in metres."""
    request = sight.request
    assert request.object_mesh is not None
    shape = load_object(request.object_mesh, request.up)
    sight.notes.extend(shape.notes)
    points = y_up(shape.points, request.up)
    extent = float((points.amax(0) - points.amin(0)).max())
    wanted, spread = extent, DEFAULT_SIZE_SPREAD
    category = match_label(request.label, library.categories).category
    if request.size_m is not None:
        wanted, spread = request.size_m, 0.03
    elif category is not None:
        prior = library.size_prior(category)
        spread = float(np.clip(prior.spread_m / prior.mean_m, 0.05, 0.35))
        allowed = max(math.log(_PLAUSIBLE), 2.5 * spread)
        if abs(math.log(extent / prior.mean_m)) > allowed:
            wanted = prior.mean_m
            sight.notes.append(
                f"the mesh is {extent:.3g} units large, which hardly any {category} is in metres; "
                f"it is taken to be {wanted:.2f} m, as the library's are; --size-m says it"
            )
    mesh = Mesh(points * (wanted / extent), shape.faces)
    require_usable(mesh, shape.path)
    mesh = fine_mesh(mesh, longest_edge=CONTACT_EDGE_M)
    return ShapeCandidate(
        Path(shape.path).name, "file", mesh, spread,
        upright=stands_upright(category or request.label, mesh),
    )  # fmt: skip


def _tower_evidence(photo: Photo, tower: TowerMasks) -> tuple[Keypoints2D, SurfacePairs | None]:
    """Keypoints and body points of the tower, in pixels of `photo.image`."""
    scale = photo.image.width / photo.width
    told = torch.from_numpy(tower.keypoints_px)
    keypoints = Keypoints2D(told[:, :2] * scale, told[:, 2].clamp(0, 1), "photo tower")
    sure = tower.dense_confidence >= _LEAST_SURFACE
    if not sure.any():
        return keypoints, None
    return keypoints, SurfacePairs(
        torch.from_numpy(tower.dense_px[sure]) * scale,
        torch.from_numpy(tower.dense_vertex[sure]).long(),
        tower.topology,
        torch.from_numpy(tower.dense_confidence[sure]),
    )


def _by_sam(sight: Sight, boxes: dict[str, Box]) -> dict[str, Mask]:
    from interactvlm.open_models.loading import Source
    from interactvlm.open_models.masks import MaskPrompt, Segmenter

    assert sight.request.sam is not None
    segmenter = Segmenter(Source(sight.request.sam, device=checked_device(sight.request.device)))
    prompts = [MaskPrompt(sight.photo.image_box(box)) for box in boxes.values()]
    masks, _ = segmenter.segment(sight.photo.image, prompts)
    for (name, box), mask in zip(boxes.items(), masks, strict=True):
        if not mask.any():
            raise InputError(
                f"SAM found no {name} in the box {box}; give a mask (--{name}-mask) or another box"
            )
    return {name: torch.from_numpy(mask) for name, mask in zip(boxes, masks, strict=True)}


def _inside(photo: Photo, box: Box) -> np.ndarray:
    """Pixels of `photo.image` in a box of the original."""
    x0, y0, x1, y1 = photo.image_box(box)
    rows, columns = np.ogrid[: photo.image.height, : photo.image.width]
    return (columns + 0.5 > x0) & (columns + 0.5 < x1) & (rows + 0.5 > y0) & (rows + 0.5 < y1)


@lru_cache(maxsize=2)
def _anny(resolution: Any) -> AnnyBody:
    return AnnyBody(resolution)
