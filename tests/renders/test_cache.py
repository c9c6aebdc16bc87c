import os
import subprocess
import sys
from pathlib import Path

import pytest

from renders.cache import atomic_write, cache_dir, content_key, load_or_build
from renders.errors import InputError


def save(value: str, path: Path) -> None:
    path.write_text(value, encoding="utf-8")


def load(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if text == "broken":
        raise ValueError("broken entry")
    return text


def test_folder_from_the_environment_or_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "größe"))
    assert cache_dir() == tmp_path / "größe"
    monkeypatch.setenv("INTERACTVLM_CACHE", " ")
    assert cache_dir().name == "interactvlm" and not cache_dir().is_relative_to(tmp_path)


def test_builds_once_then_loads():
    built = []

    def build() -> str:
        built.append(1)
        return "größe"

    for _ in range(3):
        assert load_or_build("entry", build, save, load, suffix=".txt") == "größe"
    assert len(built) == 1 and (cache_dir() / "entry.txt").is_file()


def test_damaged_entry_is_built_again(caplog):
    cache_dir().mkdir(parents=True)
    (cache_dir() / "entry.txt").write_text("broken")
    assert load_or_build("entry", lambda: "good", save, load, suffix=".txt") == "good"
    assert (cache_dir() / "entry.txt").read_text() == "good"
    assert "building it again" in caplog.text


def test_unwritable_folder_only_costs_time(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "folder"
    assert load_or_build("k", lambda: "v", save, load, folder=folder) == "v"
    assert "could not be cached" in caplog.text


def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "a.npz"
    target.write_text("old")

    def fail() -> None:
        with atomic_write(target) as temporary:
            assert temporary.suffix == ".npz" and temporary.parent == tmp_path
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.npz"]


def test_builder_errors_are_not_swallowed():
    def build() -> str:
        raise InputError("no mesh")

    with pytest.raises(InputError, match="no mesh"):
        load_or_build("entry", build, save, load)


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".hidden"])
def test_keys_cannot_leave_the_folder(key):
    with pytest.raises(InputError, match="plain file name"):
        load_or_build(key, lambda: "v", save, load)


def test_content_keys_keep_parts_apart():
    keys = {content_key("ab", "c"), content_key("a", "bc"), content_key("abc"), content_key(1, "1")}
    assert len(keys) == 4 and content_key("ab", "c") in keys


def test_two_processes_agree(tmp_path):
    """Both build at the same time; each returns a whole value and one whole file remains."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from renders.cache import load_or_build\n"
        "def build():\n"
        "    time.sleep(0.2)\n"
        "    return 'x' * 100000\n"
        "value = load_or_build('k', build, lambda v, p: p.write_text(v), lambda p: p.read_text(),"
        " folder=Path(sys.argv[1]))\n"
        "print(len(value))\n"
    )
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(tmp_path / "shared")]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["100000"] * 2
    assert os.listdir(tmp_path / "shared") == ["k.npz"]
