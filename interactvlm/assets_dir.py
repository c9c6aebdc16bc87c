"""Where the shipped files are, in a checkout and when installed, and whether they are whole.

Knows folders, sizes and hashes; nothing of what the files mean. `assets/manifest.json` lists every
file that must not change silently: `{"mini/model.safetensors": {"bytes": 1, "sha256": "..."}}`.
"""

import json
from pathlib import Path

from interactvlm.errors import AssetError
from renders.cache import file_sha256

MANIFEST_FILE = "manifest.json"
MINI = "mini"
"""Folder of the shipped miniature model."""
MODEL_FILES = ("config.json", "tokenizer.json", "model.safetensors")
"""What a model folder holds."""


def assets_dir() -> Path:
    """The folder of shipped files.

    Raises:
        AssetError: neither a checkout's `assets/` nor the package's own copy is there.
    """
    package = Path(__file__).resolve().parent
    # A wheel carries the folder inside the package, a checkout beside it.
    candidates = (package / "assets", package.parent / "assets")
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise AssetError(
        f"shipped files not found; expected a folder at {str(candidates[0])!r} or "
        f"{str(candidates[1])!r}; install the package again"
    )


def default_weights() -> Path:
    """Folder of the shipped miniature model.

    Raises:
        AssetError: a file of it is missing or has another size than the manifest says.
    """
    folder = assets_dir() / MINI
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:
        raise AssetError(
            f"the shipped model lacks {missing}; install the package again or name a model folder "
            f"with --weights: {str(folder)!r}"
        )
    for name, entry in manifest().items():
        path = assets_dir() / name
        if not name.startswith(f"{MINI}/"):
            continue
        found = path.stat().st_size if path.is_file() else 0
        if found != entry["bytes"]:
            raise AssetError(
                f"shipped file {name!r} has {found:,} bytes, expected {entry['bytes']:,}; "
                f"install the package again: {str(path)!r}"
            )
    return folder


def manifest() -> dict[str, dict]:
    """Size and hash by file name relative to the assets folder; empty when there is no manifest."""
    path = assets_dir() / MANIFEST_FILE
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AssetError(f"asset manifest is not valid JSON ({error}): {str(path)!r}") from None


def verified_sha256(path: Path) -> str:
    """SHA-256 of a file; for a shipped file also compared with the manifest.

    Raises:
        AssetError: a shipped file has another hash than the manifest says.
    """
    found = file_sha256(path)
    try:
        name = path.resolve().relative_to(assets_dir().resolve()).as_posix()
    except (ValueError, AssetError):
        return found
    expected = manifest().get(name, {}).get("sha256", found)
    if expected != found:
        raise AssetError(
            f"shipped file {name!r} is damaged: sha256 {found}, expected {expected}; "
            f"install the package again: {str(path)!r}"
        )
    return found


def write_manifest(folder: Path | None = None) -> Path:
    """Lists every file of the assets folder anew; to be run after one was changed on purpose."""
    folder = assets_dir() if folder is None else folder
    entries = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".md" and path.name != MANIFEST_FILE
    }
    target = folder / MANIFEST_FILE
    target.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    return target
