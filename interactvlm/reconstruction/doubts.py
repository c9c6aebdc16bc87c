"""What is odd about a scene and where its object was placed, one sentence each.

Nothing here is refused: a fit takes what it is given and comes to an end, but whoever reads the
result must know when it had little to go by. Knows scenes and poses; knows no files.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hoi_fit.report import FitReport
from interactvlm.reconstruction.scene import HEAT_THRESHOLD, Scene, ShapeCandidate

_FEW_PIXELS = 50
"""A smaller mask shows no outline."""
_NEARLY_ALL = 0.9
"""Contact on this share of a surface does not say where it is touched."""
_HARDLY = 0.1
"""Below this overlap with its mask an object stands elsewhere than the photo shows it."""
_FARTHEST = 3.0
"""Times the body's distance, or a fraction of it: two that touch are not so far apart."""


def doubts_about(
    scene: Scene,
    candidate: ShapeCandidate,
    fit: FitReport,
    placed_m: Float[Tensor, "verts 3"],
) -> list[str]:
    """Of masks, depth, contact and the place that was found; `placed_m` in the camera's frame."""
    return [
        *_of_masks(scene),
        *_of_depth(scene),
        *_of_contact(scene, candidate),
        *_of_distance(scene, placed_m),
        *_behind_camera("body", scene.body.vertices_m),
        *_behind_camera("object", placed_m),
        *_of_ground(scene, candidate),
        *_of_overlap(fit),
    ]


def _of_masks(scene: Scene) -> list[str]:
    mask, notes = scene.object_mask, []
    count = int(mask.sum())
    if count < _FEW_PIXELS:
        pixels = "1 pixel" if count == 1 else f"{count} pixels"
        notes.append(f"the object's mask has only {pixels}: its turn and size are a guess")
    if bool(torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any()):
        notes.append(
            "the object's mask reaches the edge of the photo; what lies beyond is not seen, so its "
            "place and size are less sure"
        )
    if scene.person_mask is not None:
        shared = float((scene.person_mask & mask).sum()) / count
        if shared > 0.5:
            notes.append(
                f"the person's mask covers {100 * shared:.0f} % of the object's; pixels of both "
                "are taken for the object's"
            )
    return notes


def _of_depth(scene: Scene) -> list[str]:
    if scene.depth_m is None:
        return []
    seen = scene.depth_m[scene.object_mask]
    seen = seen[torch.isfinite(seen) & (seen > 0)]
    if not len(seen):
        return ["the depth map knows nothing where the object is, so it was not used"]
    seen_m, body_m = float(seen.median()), _away_m(scene.body.vertices_m)
    if not _far_apart(seen_m, body_m):
        return []
    return [
        f"the depth map says {seen_m:.3g} m where the object is, and the body stands "
        f"{body_m:.3g} m away; depth must be in metres"
    ]


def _of_distance(scene: Scene, placed_m: Float[Tensor, "verts 3"]) -> list[str]:
    object_m, body_m = _away_m(placed_m), _away_m(scene.body.vertices_m)
    if not _far_apart(object_m, body_m):
        return []
    return [
        f"the object was placed {object_m:.3g} m away and the body stands {body_m:.3g} m away; the "
        "object's mesh must be in metres"
    ]


def _away_m(vertices_m: Float[Tensor, "verts 3"]) -> float:
    """How far away a thing stands along the camera's axis."""
    return float(vertices_m[:, 2].median())


def _far_apart(first_m: float, second_m: float) -> bool:
    """Whether two distances contradict each other; those behind the camera are told elsewhere."""
    near, far = sorted((first_m, second_m))
    return near > 0 and far > near * _FARTHEST


def _of_contact(scene: Scene, candidate: ShapeCandidate) -> list[str]:
    if scene.contact is None or candidate.heat is None:
        return []
    sides = (("object", candidate.heat >= HEAT_THRESHOLD), ("body", scene.contact.mask()))
    return [
        f"contact is said nearly everywhere on the {name}, so it does not tell where it is touched"
        for name, touched in sides
        if float(touched.float().mean()) >= _NEARLY_ALL
    ]


def _behind_camera(name: str, vertices_m: Float[Tensor, "verts 3"]) -> list[str]:
    share = float((vertices_m[:, 2] < 0).float().mean())
    return [f"{100 * share:.0f} % of the {name} lies behind the camera"] if share else []


def _of_ground(scene: Scene, candidate: ShapeCandidate) -> list[str]:
    if scene.ground is None or candidate.upright:
        return []
    return ["the floor was not used: an object that is held, or small, may lie any way"]


def _of_overlap(fit: FitReport) -> list[str]:
    if fit.mask_iou >= _HARDLY:
        return []
    return [
        f"the placed object hardly overlaps its mask ({fit.mask_iou:.2f}): mask, size, camera and "
        "contact do not fit each other"
    ]
