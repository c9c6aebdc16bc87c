"""Laws of the whole project: what may import what, what is declared, that shapes are checked."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("renders", "human_recovery", "object_retrieval", "hoi_fit", "interactvlm")
MAY_IMPORT = {
    "renders": {"renders"},
    "human_recovery": {"renders", "human_recovery"},
    "object_retrieval": {"renders", "human_recovery", "object_retrieval"},
    "hoi_fit": {"renders", "human_recovery", "hoi_fit"},
    "interactvlm": set(PACKAGES),
}
# Distributions whose import name differs, and packages only optional code asks for.
DISTRIBUTION = {
    "PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn",
    "cv2": "opencv-python-headless", "pillow_heif": "pillow-heif", "warp": "warp-lang",
}  # fmt: skip


def sources(package: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def requirements(project: dict) -> list[str]:
    optional = project["optional-dependencies"].values()
    return [*project["dependencies"], *(text for extra in optional for text in extra)]


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def back_edges(package: str, tree: ast.Module) -> set[str]:
    own = {name.split(".")[0] for name in imported(tree)} & set(PACKAGES)
    return own - MAY_IMPORT[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_imports_one_above_it(package):
    for path, tree in sources(package):
        assert not back_edges(package, tree), (
            f"{path.relative_to(ROOT)}: {back_edges(package, tree)}"
        )


def test_a_back_edge_would_be_found():
    tree = ast.parse("def f():\n    from interactvlm.photo import read_photo\n")
    assert back_edges("renders", tree) == {"interactvlm"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_is_declared(package):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = set()
    for requirement in requirements(project):
        declared.add(requirement.split(">")[0].split("=")[0].strip().lower())
    for path, tree in sources(package):
        for name in {n.split(".")[0] for n in imported(tree)}:
            if name in sys.stdlib_module_names or name in PACKAGES:
                continue
            distribution = DISTRIBUTION.get(name, name).lower()
            assert distribution in declared, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_annotations_stay_checkable(package):
    for path, tree in sources(package):
        assert "__future__" not in set(imported(tree)), path.relative_to(ROOT)


def test_a_wrong_shape_is_caught():
    """Proves that the hook of pyproject.toml is on; a typo there would switch all checks off."""
    import torch
    from jaxtyping import TypeCheckError

    from renders.mesh import Mesh, vertex_normals

    faces = torch.zeros(1, 3, dtype=torch.long)
    vertex_normals(torch.rand(3, 3), faces)
    with pytest.raises(TypeCheckError):
        vertex_normals(torch.rand(3, 2), faces)
    with pytest.raises(TypeCheckError):
        Mesh(torch.rand(3, 3, 1), faces)


def test_a_wrong_type_is_caught_in_every_package():
    from jaxtyping import TypeCheckError

    from human_recovery.parts import mirror_part
    from interactvlm.photo import checked_box

    with pytest.raises(TypeCheckError):
        mirror_part(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeCheckError):
        checked_box("0 0 9 9", 10, 10)  # pyright: ignore[reportArgumentType]


def test_pinned_versions_meet_the_declared_ones():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    for text in requirements(project):
        requirement = Requirement(text)
        if requirement.name in pinned:
            assert pinned[requirement.name] in requirement.specifier, text
    needed = {Requirement(text).name for text in project["dependencies"]}
    assert needed <= pinned.keys(), f"not pinned: {sorted(needed - pinned.keys())}"
