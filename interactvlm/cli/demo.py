"""`interactvlm demo`: contact on one real photo and on one generated scene with known truth."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from interactvlm.results import ContactMap

EXAMPLES = """\
examples:
  interactvlm demo
  interactvlm demo --seed 7 --out demo_output"""


@dataclass(frozen=True)
class DemoOptions:
    """Two photos, two reports, one measured number per object of the generated scene."""

    out: Path = Path("demo_output")
    """Folder of the photos and their result folders."""
    weights: Path | None = None
    """Model folder. Without it: the shipped miniature model."""
    seed: int = 0
    """Which scene of the test split is generated; nobody chose the default by its outcome."""


def config_class() -> type[DemoOptions]:
    """What the command line is parsed into."""
    return DemoOptions


def run(options: DemoOptions) -> int:
    """0 when both parts ran, 1 when only one did."""
    from interactvlm.cli.output import chatter_to_stderr, to_stdout
    from interactvlm.errors import InteractVLMError

    began = time.perf_counter()
    failures = 0
    for title, part in (("real photo", _real_photo), ("generated scene", _generated_scene)):
        try:
            with chatter_to_stderr():
                lines = part(options)
        except InteractVLMError as error:
            failures += 1
            if failures == 2:
                raise
            lines = [f"failed: {error}"]
        to_stdout("\n".join([title, *(f"  {line}" for line in lines)]))
    to_stdout(f"{time.perf_counter() - began:.0f} seconds in all")
    return 1 if failures else 0


def _real_photo(options: DemoOptions) -> list[str]:
    """The example photo of scikit-image, asked about any object."""
    from PIL import Image

    from interactvlm.contact_job import ContactRequest, run_contact
    from interactvlm.errors import AssetError

    try:
        from skimage import data
    except ImportError:
        raise AssetError(
            "the example photo comes with scikit-image: pip install 'interactvlm[demo]'"
        ) from None
    path = _saved(Image.fromarray(data.astronaut()), options.out / "astronaut.png")
    result = run_contact(
        ContactRequest(path, options.out / "astronaut", weights=options.weights, seed=options.seed)
    )
    return [*result.summary().splitlines(), "no truth is known for this photo"]


def _generated_scene(options: DemoOptions) -> list[str]:
    """A scene no model was trained on, and how much of its true contact was found."""
    import numpy as np
    from PIL import Image

    from interactvlm.contact_job import ContactRequest, run_contact
    from interactvlm.results import ContactMap
    from interactvlm.synthetic.dataset import generate_scenes, take_picture

    scene = generate_scenes("test", options.seed, 0, 1)[0]
    picture, _ = take_picture(scene.posed, np.random.default_rng([options.seed, 1]), 384)
    path = _saved(Image.fromarray(picture["rgb"]), options.out / "scene.png")
    labels = tuple(placed.instance.category for placed in scene.state.objects)
    request = ContactRequest(
        path, options.out / "scene", labels, weights=options.weights, seed=options.seed
    )
    result = run_contact(request)
    maps = [contact for contact in result.maps if isinstance(contact, ContactMap)]
    verdicts = _verdicts(maps, labels, scene.contact)
    return [*verdicts, f"report: {result.out / 'report.html'}"]


def _verdicts(
    maps: Sequence["ContactMap"], labels: Sequence[str], truth: "np.ndarray"
) -> list[str]:
    """One line per asked label: measured F1, or whether no contact was rightly said."""
    import torch

    from interactvlm.metrics import contact_scores

    lines = []
    for contact in maps:
        rows = [row for row, label in enumerate(labels) if label == contact.label]
        target = torch.from_numpy(truth[rows].any(0))
        mask = contact.mask()
        if not target.any():
            said = "said so" if not mask.any() else f"wrongly marked {int(mask.sum()):,} points"
            lines.append(f"{contact.label}: not touched; the model {said}")
            continue
        score = contact_scores(mask[None], target[None])
        lines.append(
            f"{contact.label}: F1 {float(score.f1[0]):.2f} (precision "
            f"{float(score.precision[0]):.2f}, recall {float(score.recall[0]):.2f}) on "
            f"{int(target.sum()):,} touched points"
        )
    return [*lines, "one scene proves little: `interactvlm evaluate synthetic` measures hundreds"]


def _saved(image, path: Path) -> Path:
    from renders.cache import atomic_write

    with atomic_write(path) as temporary:
        image.save(temporary)
    return path
