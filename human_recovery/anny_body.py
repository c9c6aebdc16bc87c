"""The open Anny body behind a small, batched, float32 interface.

Frame: z up, metres; the person faces -y with their left at +x; the origin is the pelvis root.
Knows nothing of cameras, parts or contact. Anny's own SMPL-X topology, a non-commercial download,
is never asked for.
"""

import contextlib
import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import filelock
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from human_recovery.hands import Side, curl_rotations, finger_axes
from human_recovery.output import KEYPOINT_NAMES, BodyOutput
from human_recovery.transfer import closest_surface_points
from renders.cache import content_key, load_or_build
from renders.errors import AssetError, InputError

if TYPE_CHECKING:
    from human_recovery.topology import BodyTopology

_LOGGER = logging.getLogger(__name__)

Resolution = Literal["full", "fast"]

PHENOTYPE_NAMES = ("gender", "age", "muscle", "weight", "height", "proportions")
"""Each in [0, 1]; gender 0 is male, 1 is female; 0.5 everywhere is the average adult."""

_MODEL_OPTIONS: dict[str, dict[str, Any]] = {
    "full": {},
    "fast": {"rig": "anny-notoes-nohands-noeyes", "topology": "notoes_collapse10pc"},
}
__all__ = [
    "AnnyBody",
    "BodyOutput",
    "FAST_BONE_NAMES",
    "KEYPOINT_NAMES",
    "PHENOTYPE_NAMES",
]

_SLOW_BUILD_S = 3.0


class AnnyBody(nn.Module):
    """Anny as 13,718 vertices and 104 bones ("full") or 1,229 and 36 ("fast").

    The first use of a resolution on a machine builds it (15 to 100 s, told in one line on standard
    error); Anny keeps the result in its own cache folder.

    Raises:
        InputError: `resolution` is neither "full" nor "fast".
        AssetError: the package `anny` is missing or of a version with other phenotypes.
    """

    faces: Int[Tensor, "faces 3"]
    keypoint_weights: Float[Tensor, "keypoints verts"]

    def __init__(self, resolution: Resolution = "full") -> None:
        super().__init__()
        if resolution not in get_args(Resolution):
            raise InputError(
                f"body resolution {resolution!r} is unknown; allowed: 'full' and 'fast'"
            )
        self.resolution: Resolution = resolution
        self.phenotype_names = PHENOTYPE_NAMES
        self.anny: Any = _load_anny(resolution)
        self.bone_names: tuple[str, ...] = tuple(self.anny.bone_labels)
        self.register_buffer("faces", self.anny.get_triangular_faces().long(), persistent=False)
        weights = (
            _full_keypoint_weights(self.anny)
            if resolution == "full"
            else (_fast_keypoint_weights(self.anny, self.faces))
        )
        self.register_buffer("keypoint_weights", weights, persistent=False)
        self.requires_grad_(False)
        self._finger_axes: dict[str, dict[str, Tensor]] = {}

    @property
    def up_axis(self) -> Literal["z"]:
        return "z"

    @property
    def topology_name(self) -> Literal["anny", "anny-fast"]:
        return "anny" if self.resolution == "full" else "anny-fast"

    @property
    def topology(self) -> "BodyTopology":
        """Faces, canonical pose, parts and symmetric partners of this resolution."""
        from human_recovery.topology import get_topology

        return get_topology(self.topology_name)

    @property
    def shape_names(self) -> tuple[str, ...]:
        return PHENOTYPE_NAMES

    def neutral_shape(self, batch: int = 1) -> Float[Tensor, "batch 6"]:
        """Phenotypes of the average adult."""
        return torch.full((batch, len(PHENOTYPE_NAMES)), 0.5, device=self.faces.device)

    def rest_rotations(self, batch: int = 1) -> Float[Tensor, "batch bones 3 3"]:
        """No rotation anywhere: the rest pose, arms hanging 48 degrees below horizontal."""
        eye = torch.eye(3, device=self.faces.device)
        return eye.expand(batch, len(self.bone_names), 3, 3).clone()

    def forward(
        self,
        phenotypes: Float[Tensor, "batch 6"],
        bone_rotations: Float[Tensor, "batch bones 3 3"],
        translation: Float[Tensor, "batch 3"],
    ) -> BodyOutput:
        """Posed bodies.

        A bone's rotation is about the model's own axes at rest, as in SMPL: identity everywhere is
        the rest pose, and a bone carries all that hang on it. The root turns about the pelvis.
        """
        if bone_rotations.shape[1] != len(self.bone_names):
            raise InputError(
                f"the {self.resolution} body has {len(self.bone_names)} bones, got rotations for "
                f"{bone_rotations.shape[1]}; full_rotations() maps the fast rig to the full one"
            )
        if len(phenotypes) == 0:  # Anny broadcasts, and cannot tell "none" from "one for all"
            vertices = phenotypes.new_zeros(0, self.keypoint_weights.shape[1], 3)
            return BodyOutput(vertices, bone_rotations.new_zeros(0, len(self.bone_names), 3))
        pose = torch.nn.functional.pad(bone_rotations, (0, 1, 0, 1))
        corner = pose.new_zeros(4, 4)
        corner[3, 3] = 1.0
        output = self.anny(pose + corner, phenotype_kwargs=phenotypes)
        offset = translation[:, None]
        return BodyOutput(output["vertices"] + offset, output["bone_poses"][..., :3, 3] + offset)

    def keypoints(self, output: BodyOutput) -> Float[Tensor, "batch keypoints 3"]:
        """The 23 points of `KEYPOINT_NAMES`, regressed from the surface."""
        return torch.einsum("kv,bvd->bkd", self.keypoint_weights, output.vertices)

    def hand_curl(
        self, side: Side, amount: float | Float[Tensor, "batch"]
    ) -> dict[str, Float[Tensor, "batch 3 3"]]:
        """Rotation deltas of one hand's finger bones: 0 the rest pose, 1 a fist.

        Raises:
            InputError: this is the fast body, which has no fingers.
        """
        if self.resolution != "full":
            raise InputError("only the full body has finger bones; build AnnyBody('full')")
        if side not in self._finger_axes:
            with torch.no_grad():
                rest = self(
                    self.neutral_shape(),
                    self.rest_rotations(),
                    torch.zeros(1, 3, device=self.faces.device),
                )
            heads = dict(zip(self.bone_names, rest.bone_heads[0], strict=True))
            self._finger_axes[side] = finger_axes(heads, side)
        amount = torch.as_tensor(amount, dtype=torch.float32, device=self.faces.device)
        return curl_rotations(self._finger_axes[side], amount.reshape(-1))

    def full_rotations(
        self,
        fast_rotations: Float[Tensor, "batch fast_bones 3 3"],
        left_curl: float | Float[Tensor, "batch"] = 0.0,
        right_curl: float | Float[Tensor, "batch"] = 0.0,
        *,
        hand_curl: Float[Tensor, "batch 2"] | None = None,
    ) -> Float[Tensor, "batch bones 3 3"]:
        """The fast rig's rotations on the full rig, bone by bone of the same name.

        Bones that only the full rig has (fingers, toes, eyes) stay at rest, but for the fingers
        where a curl is given: one number, or one per body; `hand_curl` gives both at once, columns
        left and right.
        """
        if fast_rotations.shape[1] != len(FAST_BONE_NAMES):
            raise InputError(
                f"the fast rig has {len(FAST_BONE_NAMES)} bones, got rotations for "
                f"{fast_rotations.shape[1]}"
            )
        if self.resolution != "full":
            raise InputError("full_rotations belongs to the full body; build AnnyBody('full')")
        if hand_curl is not None:
            left_curl, right_curl = hand_curl[:, 0], hand_curl[:, 1]
        batch = len(fast_rotations)
        given = dict(zip(FAST_BONE_NAMES, fast_rotations.unbind(1), strict=True))
        given |= self.hand_curl("left", left_curl) | self.hand_curl("right", right_curl)
        rest = torch.eye(3).to(fast_rotations)[None]
        return torch.stack(
            [given.get(name, rest).expand(batch, 3, 3) for name in self.bone_names], dim=1
        )


_SIDED_FAST = ("pelvis", "upperleg01", "upperleg02", "lowerleg01", "lowerleg02", "foot")
_SIDED_FAST_ARM = (
    *("clavicle", "shoulder01", "upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist"),
)
FAST_BONE_NAMES: tuple[str, ...] = (
    "root",
    *(f"{bone}.L" for bone in _SIDED_FAST),
    *(f"{bone}.R" for bone in _SIDED_FAST),
    *("spine05", "spine04", "spine03", "spine02", "spine01"),
    *(f"{bone}.L" for bone in _SIDED_FAST_ARM),
    *(f"{bone}.R" for bone in _SIDED_FAST_ARM),
    *("neck01", "neck02", "neck03", "head"),
)
"""Bones of the fast rig in its order; spine05 is the lowest. All exist in the full rig."""


@contextlib.contextmanager
def _quiet_but_patient(resolution: str) -> Iterator[None]:
    """Keeps Anny's helpers silent and says, once, why nothing happens for a minute."""

    told_on = sys.stderr

    def tell() -> None:
        print(
            f"building the Anny body ({resolution}), once: takes up to two minutes ...",
            file=told_on,
            flush=True,
        )

    timer = threading.Timer(_SLOW_BUILD_S, tell)
    timer.daemon = True
    timer.start()
    try:
        # The builder's mesh kernels print their banner to both streams; logs are not touched.
        noise = io.StringIO()
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(noise),
            contextlib.redirect_stderr(noise),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _one_builder() -> Iterator[None]:
    """Lets one process build at a time: Anny writes its cache files in place.

    Without a writable cache folder, or after ten minutes, everyone builds for themselves.
    """
    from anny.paths import get_anny_cache_path

    folder = get_anny_cache_path()
    if len(list(folder.glob("v*/build_compact_model_data_*"))) < len(_MODEL_OPTIONS):
        _silence_warp()
    lock = filelock.FileLock(folder / "interactvlm-build.lock", timeout=600)
    held = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        held = True
    except (OSError, filelock.Timeout) as error:
        _LOGGER.warning("cannot lock the Anny build, going on without: %s", error)
    try:
        yield
    finally:
        if held:
            lock.release()


def _silence_warp() -> None:
    """Keeps the builder's mesh kernels from writing past Python's streams; slow to import."""
    with contextlib.suppress(ImportError, AttributeError):
        import warp

        warp.config.log_level = warp.LOG_ERROR


def _load_anny(resolution: Resolution) -> Any:
    try:
        import anny
    except ImportError as error:
        raise AssetError(
            f"the body model Anny needs the package anny >= 0.6 ({error}); pip install anny"
        ) from error
    from safetensors import SafetensorError

    try:
        with _quiet_but_patient(resolution), _one_builder():
            # Plain skinning: as fast as the compiled kernels on a CPU, without their start-up.
            model = anny.Anny(skinning_method="lbs", **_MODEL_OPTIONS[resolution]).float().eval()
    except SafetensorError as error:
        from anny.paths import get_anny_cache_path

        raise AssetError(
            f"Anny's cached body is damaged, perhaps by a stopped build ({error}); delete the "
            f"folder and try again: {get_anny_cache_path()}"
        ) from error
    if tuple(model.phenotype_labels) != PHENOTYPE_NAMES:
        raise AssetError(
            f"the installed anny has phenotypes {list(model.phenotype_labels)}, expected "
            f"{list(PHENOTYPE_NAMES)}; install anny >= 0.6"
        )
    if resolution == "fast" and tuple(model.bone_labels) != FAST_BONE_NAMES:
        raise AssetError("the installed anny has another fast rig; install anny 0.6")
    return model


def _full_keypoint_weights(model: Any) -> Float[Tensor, "keypoints verts"]:
    import anny

    regressor = anny.KeypointsRegressor.coco(model, labels=list(KEYPOINT_NAMES))
    return regressor.regression_weights.float()


def _fast_keypoint_weights(
    model: Any, faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "keypoints verts"]:
    """The full body's keypoint weights, moved to the nearest places of the fast surface."""
    import anny

    def build() -> Tensor:
        full = _load_anny("full")
        weights = _full_keypoint_weights(full)
        used = (weights != 0).any(dim=0)
        face_index, barycentric = closest_surface_points(
            full.template_vertices[used], model.template_vertices, faces
        )
        moved = torch.zeros(len(weights), len(model.template_vertices))
        for corner in range(3):
            moved.index_add_(
                1, faces[face_index, corner], weights[:, used] * barycentric[:, corner]
            )
        return moved

    def save(value: Tensor, path: Path) -> None:
        np.savez_compressed(path, weights=value.numpy())

    def load(path: Path) -> Tensor:
        with np.load(path) as stored:
            return torch.from_numpy(stored["weights"])

    return load_or_build(
        f"anny-fast-keypoints-{content_key(anny.__version__, 1)[:16]}", build, save, load
    )
