"""A small library of plain solids, with sizes; no generator, no files."""

from dataclasses import dataclass

import numpy as np
import torch
import trimesh


@dataclass(frozen=True)
class Item:
    name: str
    category: str
    extent_m: tuple[float, float, float]
    source: str = "test"
    licence: str = "CC0"


@dataclass(frozen=True)
class Size:
    mean_m: float
    spread_m: float
    count: int


SOLIDS = {
    "box": lambda f: trimesh.creation.box((0.4, 0.3 * f, 0.35)),
    "ball": lambda f: trimesh.creation.icosphere(3, 0.12 * f),
    "pole": lambda f: trimesh.creation.cylinder(0.03 * f, 1.5, sections=24),
    "plate": lambda f: trimesh.creation.cylinder(0.14, 0.02 * f, sections=32),
    "ring": lambda f: trimesh.creation.torus(0.3, 0.05 * f),
    "chair": lambda f: chair(f),
}


def chair(factor):
    """A seat, a back, four legs; the front at -y."""

    def block(size, at):
        return trimesh.creation.box(size, trimesh.transformations.translation_matrix(at))

    legs = [block((0.04, 0.04, 0.45), (x, y, 0.22)) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    seat = block((0.45, 0.45, 0.04), (0, 0, 0.45))
    back = block((0.45, 0.04, 0.5 * factor), (0, 0.2, 0.7))
    return trimesh.util.concatenate([*legs, seat, back])


def solid(category, factor=1.0):
    from renders.mesh import Mesh

    shape = SOLIDS[category](factor)
    colors = np.random.default_rng(len(category)).random(3)
    return Mesh(
        torch.from_numpy(np.array(shape.vertices, dtype=np.float32)),
        torch.from_numpy(np.array(shape.faces, dtype=np.int64)),
        torch.from_numpy(np.tile(colors, (len(shape.vertices), 1)).astype(np.float32)),
    )


class SolidLibrary:
    """Two shapes of each solid, three of the box."""

    def __init__(self, categories=tuple(SOLIDS)):
        self.categories = tuple(categories)
        self.key = "solids " + " ".join(categories)
        factors = dict.fromkeys(categories, (1.0, 1.2)) | {"box": (1.0, 1.1, 1.3)}
        self._factor = {
            f"{name}/{number}": factor
            for name in categories
            for number, factor in enumerate(factors[name])
        }
        self.items = tuple(self._item(name) for name in self._factor)

    def _item(self, name):
        vertices = self.mesh(name).vertices
        extent = (vertices.amax(0) - vertices.amin(0)).tolist()
        return Item(name, name.split("/")[0], tuple(extent))

    def mesh(self, name):
        return solid(name.split("/")[0], self._factor[name])

    def size_prior(self, category):
        largest = [max(i.extent_m) for i in self.items if i.category == category]
        return Size(float(np.mean(largest)), float(np.std(largest)), len(largest))
