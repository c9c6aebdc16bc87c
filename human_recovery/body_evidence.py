"""What a photo says about a body: keypoints, pairs of pixel and surface, and the person's mask.

Checked once, brought to one unit (the noise expected of a keypoint) and to the model's own
vertices. Knows no poses.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from torch import Tensor
from torch.nn import functional

from human_recovery.body_model import BodyModel
from human_recovery.body_state import require_camera_at_origin
from human_recovery.keypoint_files import Keypoints2D
from human_recovery.output import KEYPOINT_NAMES
from human_recovery.topology import get_topology
from renders.camera import Camera
from renders.errors import InputError

LEAST_KEYPOINTS = 4
_FOCAL_RANGE = (0.15, 30.0)
"""Focal lengths over the image's longer side that a lens may have (147 to 2 degrees)."""
_LONG_FOCAL = 5.0
_MASK_SIDE_PX = 64
_LEAST_SIDE_PX = 8.0


@dataclass(frozen=True, eq=False)
class SurfacePairs:
    """Pixels of the photo and the vertices of the body they show."""

    points_px: Float[Tensor, "pairs 2"]
    vertex: Int[Tensor, "pairs"]
    """On the surface of `topology`."""
    topology: str
    weight: Float[Tensor, "pairs"] | None = None
    """How sure each pair is, 0 to 1; None for all 1."""

    @staticmethod
    def from_canonical(
        points_px: Float[Tensor, "pairs 2"],
        canonical_m: Float[Tensor, "pairs 3"],
        topology: str,
        weight: Float[Tensor, "pairs"] | None = None,
    ) -> "SurfacePairs":
        """Pairs of pixels with places on the canonical body, as `BodyTopology` has it."""
        vertices = get_topology(topology).canonical_vertices
        nearest = KDTree(vertices.numpy()).query(canonical_m.detach().cpu().numpy())[1]
        return SurfacePairs(points_px, torch.from_numpy(nearest).long(), topology, weight)


@dataclass(frozen=True)
class EvidenceSettings:
    """What counts and how exact it is taken to be."""

    min_confidence: float = 0.2
    """Keypoints below are left out."""
    noise: float = 0.01
    """Standard deviation of a keypoint, as a share of the person's longer side in the photo."""
    surface_noise: float = 0.025
    """The same of a surface pair."""
    surface_votes: float = 60.0
    """All surface pairs together count as so many independent points; neighbours err alike."""


@dataclass(frozen=True, eq=False)
class MaskEvidence:
    """The person's mask, cropped and coarse."""

    mask: Bool[Tensor, "height width"]
    intrinsics: Float[Tensor, "3 3"]
    """Of the crop, in its own pixels."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """All of it, on the model's device."""

    camera: Camera
    points_px: Float[Tensor, "23 2"]
    weight: Float[Tensor, "23"]
    """Confidence; 0 where a keypoint does not count."""
    side_px: float
    """Longer side of the person in the photo, as far as seen."""
    noise_px: float
    pair_px: Float[Tensor, "pairs 2"]
    pair_vertex: Int[Tensor, "pairs"]
    pair_weight: Float[Tensor, "pairs"]
    """Sums to the votes of all pairs."""
    pair_noise_px: float
    mask: MaskEvidence | None = None
    notes: list[str] = field(default_factory=list)


def gather_evidence(
    model: BodyModel,
    keypoints: Keypoints2D,
    camera: Camera,
    person_mask: Bool[Tensor, "height width"] | None,
    surface: SurfacePairs | None,
    settings: EvidenceSettings,
) -> Evidence:
    """Checked evidence.

    Raises:
        InputError: too few keypoints count, they lie in one place, the camera is none that a photo
            has, or mask or pairs do not fit.
    """
    notes: list[str] = []
    _check_camera(camera, notes)
    weight = _counting(keypoints, camera, settings, notes)
    counted = keypoints.points_px[weight > 0]
    pairs = _pairs(model, surface, settings)
    everything = torch.cat([counted, pairs[0]])
    side_px = float((everything.amax(0) - everything.amin(0)).max())
    if side_px < _LEAST_SIDE_PX:
        raise InputError(
            f"the person's keypoints lie within {side_px:.1f} px of one another; at least "
            f"{_LEAST_SIDE_PX:.0f} px are needed to tell a pose"
        )
    device = model.faces.device
    mask = None if person_mask is None else _mask(person_mask, everything, camera, device)
    pair_px, pair_vertex, pair_weight = (values.to(device) for values in pairs)
    return Evidence(
        camera=camera.to(device),
        points_px=keypoints.points_px.float().to(device),
        weight=weight.to(device),
        side_px=side_px,
        noise_px=max(1.0, settings.noise * side_px),
        pair_px=pair_px,
        pair_vertex=pair_vertex,
        pair_weight=pair_weight,
        pair_noise_px=max(1.5, settings.surface_noise * side_px),
        mask=mask,
        notes=notes,
    )


def _check_camera(camera: Camera, notes: list[str]) -> None:
    require_camera_at_origin(camera)
    longer = max(camera.height_px, camera.width_px)
    for name, focal in (("x", camera.intrinsics[0, 0]), ("y", camera.intrinsics[1, 1])):
        ratio = float(focal) / longer
        if not _FOCAL_RANGE[0] <= ratio <= _FOCAL_RANGE[1]:
            raise InputError(
                f"a focal length of {float(focal):.1f} px in {name} for an image of {longer} px is "
                f"no lens; {_FOCAL_RANGE[0] * longer:.0f} to {_FOCAL_RANGE[1] * longer:.0f} px are "
                "taken; give the photo's own"
            )
    if float(camera.intrinsics[1, 1]) > _LONG_FOCAL * longer:
        notes.append(
            f"the focal length is {float(camera.intrinsics[1, 1]) / longer:.1f} times the image's "
            "longer side, a strong tele lens; if it stands in for an unknown one, depth is wrong"
        )


def _counting(
    keypoints: Keypoints2D, camera: Camera, settings: EvidenceSettings, notes: list[str]
) -> Float[Tensor, "23"]:
    """Confidence of the keypoints that count, 0 for the others."""
    size = torch.tensor([camera.width_px, camera.height_px], dtype=torch.float32)
    margin = 0.05 * float(size.max())
    points = keypoints.points_px.cpu().float()
    inside = ((points > -margin) & (points < size + margin)).all(1)
    sure = keypoints.confident(settings.min_confidence).cpu()
    outside = int((sure & ~inside).sum())
    counts = sure & inside
    if int(counts.sum()) < LEAST_KEYPOINTS:
        names = [n for n, yes in zip(KEYPOINT_NAMES, counts.tolist(), strict=True) if yes]
        beyond = f"; {outside} more lie outside the picture, is it this photo's?" if outside else ""
        raise InputError(
            f"a body needs at least {LEAST_KEYPOINTS} keypoints with a confidence of "
            f"{settings.min_confidence} or more, found {len(names)} "
            f"({', '.join(names) or 'none'}){beyond}"
        )
    if outside:
        notes.append(f"{outside} keypoints outside the picture were left out")
    # Shoulders to ankles: a face from behind or toes that no detector gave are nothing to tell.
    missing = [KEYPOINT_NAMES[i] for i in range(5, 17) if not counts[i]]
    if missing:
        notes.append(f"not seen, so where they usually are: {', '.join(missing)}")
    return torch.where(counts, keypoints.confidence.cpu().float(), torch.zeros(()))


def _pairs(
    model: BodyModel, surface: SurfacePairs | None, settings: EvidenceSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels, vertices of the model and weights."""
    if surface is None or not len(surface.points_px):
        return torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), torch.zeros(0)
    weight = surface.weight
    weight = torch.ones(len(surface.points_px)) if weight is None else weight.cpu().float()
    points, vertex = surface.points_px.cpu().float(), surface.vertex.cpu().long()
    finite = bool(torch.isfinite(points).all() and torch.isfinite(weight).all())
    if not finite or bool((weight < 0).any()) or not float(weight.sum()) > 0:
        raise InputError(
            "surface pairs need finite pixels and weights, none negative and not all 0"
        )
    source = get_topology(surface.topology)
    if int(vertex.min()) < 0 or int(vertex.max()) >= source.num_vertices:
        raise InputError(
            f"surface pairs name vertices 0..{source.num_vertices - 1} of {surface.topology!r}, "
            f"found {int(vertex.min())}..{int(vertex.max())}"
        )
    if surface.topology != model.topology_name:
        vertex = _on_other_anny(source.canonical_vertices[vertex], surface.topology, model)
    votes = min(settings.surface_votes, float(len(points)))
    return points, vertex, weight * votes / weight.sum()


def _on_other_anny(
    canonical_m: Float[Tensor, "pairs 3"], name: str, model: BodyModel
) -> Int[Tensor, "pairs"]:
    """Nearest vertices of Anny's other resolution; both are one body in one canonical pose."""
    if not (name.startswith("anny") and model.topology_name.startswith("anny")):
        raise InputError(
            f"surface pairs are on {name!r}, the body is {model.topology_name!r}; carry them over "
            "with human_recovery.topology_map"
        )
    tree = KDTree(model.topology.canonical_vertices.cpu().numpy())
    return torch.from_numpy(tree.query(canonical_m.numpy())[1]).long()


def _mask(
    mask: Bool[Tensor, "height width"],
    points_px: Float[Tensor, "points 2"],
    camera: Camera,
    device: torch.device,
) -> MaskEvidence:
    """The part of the picture around the person."""
    mask = mask.cpu()
    size = (camera.height_px, camera.width_px)
    if tuple(mask.shape) != size:
        raise InputError(f"the person's mask is {tuple(mask.shape)}, the camera's image {size}")
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    if not len(rows):
        raise InputError("the person's mask is empty")
    low = torch.minimum(torch.stack([columns[0], rows[0]]).float(), points_px.amin(0))
    high = torch.maximum(torch.stack([columns[-1], rows[-1]]).float(), points_px.amax(0))
    margin = 0.15 * float((high - low).max())
    x0, y0 = (max(0, int(v)) for v in (low - margin).tolist())
    x1 = min(size[1], int(high[0] + margin) + 1)
    y1 = min(size[0], int(high[1] + margin) + 1)
    scale = min(1.0, _MASK_SIDE_PX / max(x1 - x0, y1 - y0))
    height, width = max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale))
    shown = functional.adaptive_avg_pool2d(mask[y0:y1, x0:x1].float()[None, None], (height, width))
    crop = torch.tensor(
        [[width / (x1 - x0), 0, -x0 * width / (x1 - x0)],
         [0, height / (y1 - y0), -y0 * height / (y1 - y0)], [0, 0, 1.0]]
    )  # fmt: skip
    intrinsics = crop @ camera.intrinsics.cpu().float()
    return MaskEvidence((shown[0, 0] > 0.5).to(device), intrinsics.to(device))
