"""`interactvlm.reconstruct`: the whole way from a picture to a scene, for programs."""

import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from interactvlm.reconstruction.job import run_reconstruct
from interactvlm.reconstruction.placing import Reconstruction
from interactvlm.reconstruction.request import ReconstructRequest


def reconstruct(
    image: Path | str | Image.Image,
    label: str,
    *,
    out: Path | str | None = None,
    model: Any = None,
    **options: Any,
) -> Reconstruction:
    """Person and object of one picture in the camera's frame, metres.

    `options` are the fields of `ReconstructRequest`: files and flags that replace a stage's own
    work (`object_mesh`, `body`, `fov_deg`, ...). `model` is an `InteractVLM` that is loaded
    already. With `out` the result folder is kept.

    Raises InputError, AssetError or ResourceError as `run_reconstruct` does.
    """
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(image) if not isinstance(image, Image.Image) else Path(folder) / "image.png"
        if isinstance(image, Image.Image):
            image.save(photo)
        kept = Path(folder) / "result" if out is None else Path(out)
        request = ReconstructRequest(photo=photo, out=kept, label=label, **options)
        return run_reconstruct(request, model).reconstruction
