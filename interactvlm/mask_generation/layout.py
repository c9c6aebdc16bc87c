"""Names of the published mask files, relative to the output folder.

Body masks are `{object}/{photo}_{view}.png` under a folder that tells the rule; renders, masks and
maps of objects lie beside each other. Valid regions have no published file, there they are told
from the renders' white: `valid_...` is our own name. Source: InteractVLM, data loaders.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from interactvlm.data.damon import SCENE
from interactvlm.data.sample import Entry, ObjectHeat

BODY_FOLDER = PurePosixPath("body")
"""Renders, valid regions and lifting maps of the canonical body: the same for all samples."""
_POINT_FOLDERS = {
    "piad": "rendered_points_heatmap_1025_color",
    "3dir": "lemon_ocontact/rendered_points_heatmap_1025_color",
}
"""The date in the name is that of the released data. For 3DIR its own part is not known; we take
the same."""
_MESH_FOLDER = "lowpoly_mesh_0507"
_GROUND = "foot_ground"


def body_mask(
    dataset: str, split: str, min_vertices: int, entry: Entry, view: str
) -> PurePosixPath:
    """Mask of one sample's body in one view."""
    assert entry.image is not None
    folder = PurePosixPath("hcontact_vitruvian" + ("_mv2" if min_vertices == 2 else ""))
    if dataset == "damon":
        # The label is called "scene" only once it is read.
        ground = split.endswith("-scene") and entry.label == SCENE
        folder /= plain_name(_GROUND if ground else entry.label)
    elif dataset == "3dir":
        folder = folder / plain_name(entry.label) / plain_name(entry.affordance)
    return folder / f"{entry.image.stem}_{view}.png"


@dataclass(frozen=True)
class ObjectFiles:
    """Where the files of one object lie."""

    folder: PurePosixPath
    """Relative to the output folder."""
    name: str
    """Between the kind and the view in every file name."""
    map_kind: str
    """`p2vmap` of meshes, `p2pmap` of points."""

    def path(self, kind: str, view: str = "") -> PurePosixPath:
        """`sam` render, `mask`, `valid` region, the map of pixels, `contact_vertices`."""
        suffix = {self.map_kind: "npz", "contact_vertices": "pkl"}.get(kind, "png")
        parts = [kind, self.name, *([view] if view else [])]
        return self.folder / f"{'_'.join(parts)}.{suffix}"


def object_files(dataset: str, split: str, entry: Entry, found: ObjectHeat) -> ObjectFiles:
    """Names of an object's files."""
    label = plain_name(entry.label)
    if dataset == "pico":
        stem = entry.key if entry.image is None else entry.image.stem
        return ObjectFiles(PurePosixPath(_MESH_FOLDER, label), plain_name(stem), "p2vmap")
    folder, affordance = PurePosixPath(_POINT_FOLDERS[dataset]), plain_name(entry.affordance)
    if dataset == "piad":
        folder /= split.partition("-")[2].capitalize()
    number = found.name.rpartition("_")[2]
    return ObjectFiles(folder / label / affordance, f"{label}_{number}_{affordance}", "p2pmap")


def plain_name(text: str) -> str:
    """A label as one folder's name: separators and a leading dot would leave the folder."""
    return text.replace("/", "_").replace("\\", "_").lstrip(".") or "_"
