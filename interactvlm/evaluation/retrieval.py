"""How often the right category is found: by crops of generated scenes, bad scans, and labels.

Shapes that are asked about are of the generator's `test` pool, which neither the library nor any
training has seen. Categories are ranked by the probability that retrieval gives them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from interactvlm.errors import InputError
from interactvlm.evaluation.config import EvaluateConfig, RetrievalEvaluateConfig
from interactvlm.evaluation.retrieval_phrases import PHRASES
from interactvlm.evaluation.synthetic import load_split
from interactvlm.retrieval_job import embedded_pictures, open_library
from object_retrieval.labels import match_label
from object_retrieval.retrieval import Backends, Question, rank
from object_retrieval.shape_library import ShapeLibrary
from object_retrieval.surface import disturbed, sample_surface
from renders.cache import atomic_write
from renders.mesh import PointCloud

SCAN_SHARE, SCAN_NOISE = 0.5, 0.01
"""Share of a surface that a scan keeps, and its noise as a share of the largest extent."""
_SCAN_POINTS = 2048


@dataclass(frozen=True)
class Hits:
    """Places of the true category in the rankings, from 0."""

    places: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Shares among the first and the first five."""
        places = np.array(self.places)
        return {
            "top1": float((places < 1).mean()),
            "top5": float((places < 5).mean()),
            "count": len(places),
        }


def evaluate_retrieval(config: RetrievalEvaluateConfig) -> dict[str, Any]:
    """All numbers; written to `config.json` where that is named."""
    library = open_library(config.library)
    backends = Backends(image=embedded_pictures(config.weights))
    parts = {
        "image": by_picture(library, backends, config),
        "shape": by_scan(library, backends, config),
        "label": by_label(library),
    }
    for name, hits in parts.items():
        if not hits.places:
            raise InputError(
                f"no question by {name} has its category in the library, which has "
                f"{', '.join(library.categories)}"
            )
    numbers: dict[str, Any] = {name: hits.to_dict() for name, hits in parts.items()}
    numbers["library"] = {"categories": len(library.categories), "items": len(library.items)}
    if config.json is not None:
        with atomic_write(config.json) as temporary:
            temporary.write_text(json.dumps(numbers, indent=2) + "\n")
    return numbers


def by_picture(library: ShapeLibrary, backends: Backends, config: RetrievalEvaluateConfig) -> Hits:
    """Every visible object of the first picture of every scene, with its true mask."""
    split = EvaluateConfig(
        split=config.split, data=config.data, count=max(2, config.count), seed=config.seed
    )
    shards = load_split(split)
    places = []
    for scene in tqdm(shards.scenes[: config.count], desc="pictures", unit="scene"):
        picture = shards.picture(scene)
        for number, thing in enumerate(scene.objects):
            mask = picture.object_mask(number)
            if thing.label not in library.categories or mask.sum() < config.least_px:
                continue
            found = rank(library, Question(image=picture.rgb, mask=mask), backends)
            places.append(found.categories().index(thing.label))
    return Hits(tuple(places))


def by_scan(library: ShapeLibrary, backends: Backends, config: RetrievalEvaluateConfig) -> Hits:
    """Unseen shapes: half of each cut away by a plane, turned about up, with noise."""
    places = []
    scans = list(scanned_shapes(library.categories, config.scans, config.seed))
    for category, scan in tqdm(scans, desc="scans", unit="scan"):
        found = rank(library, Question(surface=scan), backends)
        places.append(found.categories().index(category))
    return Hits(tuple(places))


def scanned_shapes(
    categories: Sequence[str], count: int, seed: int
) -> Iterator[tuple[str, PointCloud]]:
    """Scans of shapes that no library holds, of those categories that can be generated."""
    from object_retrieval.procedural.objects import LIBRARY_CATEGORIES, object_from_name

    for category in categories:
        if category not in LIBRARY_CATEGORIES:
            continue
        for number in range(count):
            mesh = object_from_name(f"{category}/test/{number:04d}").mesh().mesh
            own = 1000 * seed + number
            points = sample_surface(mesh, _SCAN_POINTS, seed=own).points
            scan = disturbed(points, seed=own, share=SCAN_SHARE, noise=SCAN_NOISE)
            yield category, PointCloud(scan)


def by_label(library: ShapeLibrary) -> Hits:
    """Phrases that people use, for the library's categories."""
    places = []
    for phrase, names in PHRASES:
        truth = [c for c in library.categories if c.replace("_", " ") in names]
        if not truth:
            continue
        match = match_label(phrase, library.categories)
        said = [match.category] if match.category is not None else list(match.near)
        # Not among the guesses: as far back as can be.
        places.append(next((i for i, c in enumerate(said) if c in truth), len(library.categories)))
    return Hits(tuple(places))


def format_numbers(numbers: dict[str, Any]) -> str:
    """A plain table for the terminal."""
    library = numbers["library"]
    lines = [f"library: {library['items']} shapes of {library['categories']} categories"]
    for name, part in numbers.items():
        if name != "library":
            lines.append(
                f"{name.ljust(6)} top-1 {part['top1']:.3f}  top-5 {part['top5']:.3f}  "
                f"({part['count']} questions)"
            )
    return "\n".join(lines)
