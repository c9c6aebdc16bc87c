"""Points and triangles of an object's file, as they lie in the file.

Order and number of points are the file's own, because contact is counted in them: Wavefront files
are read here (mesh libraries split and reorder their points), other meshes by trimesh, lists of
points as text or NumPy arrays. Knows formats; judges no shape.
"""

import itertools
import zipfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import trimesh
from jaxtyping import Float, Int
from trimesh.exchange.load import mesh_formats
from trimesh.resolvers import FilePathResolver

from renders.errors import InputError

LARGEST_BYTES = 2**31
"""Larger files, or arrays that unpack to more, are refused; 2 million triangles take a tenth."""
_SOUPS = (".stl", ".stl_ascii")
"""Formats that know no shared corners."""


@dataclass(frozen=True, eq=False)
class RawShape:
    """What a file holds; nothing is checked yet."""

    points: Float[np.ndarray, "points 3"]
    """In the file's own frame and unit; several parts of a scene in the scene's frame."""
    faces: Int[np.ndarray, "faces 3"]
    """Triangles; none for a point cloud."""
    notes: tuple[str, ...] = ()
    """What was changed on the way."""


def read_shape(path: Path) -> RawShape:
    """Reads a mesh or point cloud by its suffix.

    Raises InputError for a missing, too large or unknown file, or one that is not what its suffix
    says.
    """
    readers = _readers()
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InputError(
            f"object files may be {', '.join(sorted(readers))}, got {path.name!r}; export it as one"
        )
    try:
        size = path.stat().st_size if path.is_file() else None
    except OSError as error:
        raise InputError(f"object file cannot be read ({error.strerror}): {str(path)!r}") from None
    if size is None:
        raise InputError(f"object file not found; expected a file at {str(path)!r}")
    if not 0 < size <= LARGEST_BYTES:
        raise InputError(
            f"object file has {size:,} bytes, allowed are 1 to {LARGEST_BYTES:,}: {str(path)!r}"
        )
    try:
        return readers[suffix](path)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file fails in as many ways as there are readers
        raise InputError(
            f"object file is no readable {suffix} file ({error}); export it again: {str(path)!r}"
        ) from None


def _readers() -> dict[str, Callable[[Path], RawShape]]:
    """A reader for each suffix."""
    meshes = {f".{name}": _read_trimesh for name in mesh_formats()}
    return meshes | {
        ".npy": _read_arrays,
        ".npz": _read_arrays,
        ".obj": _read_wavefront,
        ".txt": _read_points_text,
        ".xyz": _read_points_text,
    }


def _read_wavefront(path: Path) -> RawShape:
    """Lines `v` in their order and lines `f`, polygons as fans; all else is for the looks only."""
    numbers, corners = array("d"), array("l")
    too_few = 0
    for line, words in word_lines(path):
        if words[0] == "v":
            if len(words) < 4:
                raise InputError(f"point in line {line} has no three numbers: {str(path)!r}")
            numbers.extend(map(float, words[1:4]))
        elif words[0] == "f":
            polygon = _polygon(words[1:], len(numbers) // 3)
            if polygon is None:
                raise InputError(
                    f"face in line {line} names a point before the first: {str(path)!r}"
                )
            too_few += len(polygon) < 3
            for second, third in itertools.pairwise(polygon[1:]):
                corners.extend((polygon[0], second, third))
    notes = (f"{too_few} faces with fewer than three corners were left out",) if too_few else ()
    return RawShape(_positions(numbers), _triangles(corners), notes)


def _polygon(words: Sequence[str], points_so_far: int) -> list[int] | None:
    """Points of a face, from 0; None when it names one before the first."""
    named = [int(word.split("/", 1)[0]) for word in words]
    # Negative numbers count back from the last point so far; 0 names none.
    polygon = [at - 1 if at > 0 else points_so_far + at for at in named]
    return None if 0 in named or any(at < 0 for at in polygon) else polygon


def _read_points_text(path: Path) -> RawShape:
    """One point a line: x y z, then anything; PIAD puts an id and a category in front."""
    numbers = array("d")
    for line, words in word_lines(path):
        words = " ".join(words).replace(",", " ").replace(";", " ").split()
        if words[:1] == ["//"] or (not numbers and len(words) == 1):
            continue  # a comment, or a count or title in front
        if len(words) > 1 and not _is_number(words[1]):
            words = words[2:]
        if len(words) < 3 or not all(map(_is_number, words[:3])):
            raise InputError(
                f"line {line} must begin with three numbers x y z, found "
                f"{' '.join(words)[:40]!r}: {str(path)!r}"
            )
        numbers.extend(map(float, words[:3]))
    return RawShape(_positions(numbers), _triangles([]))


def _read_arrays(path: Path) -> RawShape:
    """`points` (or `vertices`) and perhaps `faces`; the only array where there is just one."""
    if path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > LARGEST_BYTES:
            raise InputError(
                f"object file unpacks to {unpacked:,} bytes, allowed are {LARGEST_BYTES:,}: "
                f"{str(path)!r}"
            )
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    else:
        arrays = {"points": np.load(path, allow_pickle=False)}
    name = next((name for name in ("points", "vertices") if name in arrays), None)
    if name is None and len(arrays) != 1:
        raise InputError(
            f"object file must hold 'points' or 'vertices', found {sorted(arrays)}: {str(path)!r}"
        )
    points = arrays[name or next(iter(arrays))]
    faces = arrays.get("faces", np.zeros((0, 3), np.int64))
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise InputError(
            f"points must be numbers of shape (points, 3), found {points.shape} of {points.dtype}: "
            f"{str(path)!r}"
        )
    if faces.size and (faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu"):
        raise InputError(
            f"faces must be whole numbers of shape (faces, 3), found {faces.shape} of "
            f"{faces.dtype}: {str(path)!r}"
        )
    return RawShape(points[:, :3].astype(np.float64), faces.reshape(-1, 3).astype(np.int64))


def _read_trimesh(path: Path) -> RawShape:
    """Any mesh or scene, without its looks."""
    parts = []
    for _, part, scene_from_part in placed_parts(load_with_trimesh(path, looks=False)):
        points, faces = _arrays_of(part)
        if scene_from_part is not None:
            points = points @ scene_from_part[:3, :3].T + scene_from_part[:3, 3]
        parts.append((points, faces))
    starts = np.cumsum([0, *(len(points) for points, _ in parts)])
    points = np.concatenate([_positions([]), *(points for points, _ in parts)])
    shifted = [faces + start for (_, faces), start in zip(parts, starts[:-1], strict=True)]
    shape = RawShape(points, np.concatenate([_triangles([]), *shifted]))
    return _with_shared_corners(shape) if path.suffix.lower() in _SOUPS else shape


def load_with_trimesh(path: Path, *, looks: bool) -> Any:
    """A mesh or scene as trimesh gives it, points in the file's order; reads no file beyond the
    folder of `path`, and pictures only for `looks`."""
    with open(path, "rb") as stream:
        return trimesh.load(
            stream,
            file_type=path.suffix[1:].lower(),
            resolver=FilesOfFolder(path),
            process=False,
            skip_materials=not looks,
        )


def placed_parts(loaded: Any) -> Iterator[tuple[str, Any, np.ndarray | None]]:
    """Name, geometry and scene_from_part of every part of a scene, each time it is placed."""
    if not isinstance(loaded, trimesh.Scene):
        yield "", loaded, None
        return
    for node in loaded.graph.nodes_geometry:
        scene_from_part, name = loaded.graph[node]
        yield str(name), loaded.geometry[name], scene_from_part


def _arrays_of(part: Any) -> tuple[np.ndarray, np.ndarray]:
    faces = getattr(part, "faces", None)
    return _positions(part.vertices), _triangles([] if faces is None else faces)


def _with_shared_corners(shape: RawShape) -> RawShape:
    """Corners at the same place become one point: only so triangles are neighbours."""
    bits = np.ascontiguousarray(shape.points + 0.0)  # -0.0 and 0.0 are the same place
    rows = bits.view(np.dtype((np.void, bits.dtype.itemsize * 3))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)  # points in the order in which the file names them
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    faces = place[inverse.ravel()][shape.faces]
    note = f"{len(shape.points):,} corners at {len(order):,} places became one point each"
    return RawShape(shape.points[first[order]], _triangles(faces), (*shape.notes, note))


class FilesOfFolder(FilePathResolver):
    """Files that a mesh names, as long as they lie in its own folder or below."""

    def __init__(self, mesh: Path) -> None:
        super().__init__(str(mesh))
        self.mesh = mesh

    def get(self, name: str) -> bytes:
        """Content of a file beside the mesh. Raises InputError for one that lies elsewhere."""
        folder, where = self.mesh.parent.resolve(), f": {str(self.mesh)!r}"
        path = (folder / unquote(name.strip())).resolve()
        if not path.is_relative_to(folder):
            raise InputError(f"object file names {name!r}, which lies outside its folder{where}")
        if not path.is_file():
            raise InputError(f"object file names {name!r}, which is not beside it{where}")
        return path.read_bytes()


def word_lines(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Words of every line that has some, with its number; what follows a # is left out."""
    # Names of materials may be in any encoding; numbers never are.
    with open(path, encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            words = line.partition("#")[0].split()
            if words:
                yield number, words


def _positions(rows: Any) -> Float[np.ndarray, "points 3"]:
    return np.asarray(rows, dtype=np.float64).reshape(-1, 3)


def _triangles(rows: Any) -> Int[np.ndarray, "faces 3"]:
    return np.asarray(rows, dtype=np.int64).reshape(-1, 3)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
