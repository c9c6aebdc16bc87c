"""Pinned commits, in a hub cache of two commits: what was fetched once is what is loaded later."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from interactvlm.cli.main import main
from interactvlm.errors import AssetError, InputError, ResourceError
from interactvlm.open_models import pins
from interactvlm.open_models.depth import DepthEstimator
from interactvlm.open_models.loading import fetch, named_source, resolved_revision
from interactvlm.open_models.pins import HubName, Pin, read_pins, write_pin
from interactvlm.reasoners.local import LocalReasoner
from tests.interactvlm.reasoners.tiny_models import save_smolvlm

OLD, NEW = "a" * 40, "b" * 40
NAME = "tiny/depth"


@pytest.fixture(autouse=True)
def lock(tmp_path, monkeypatch):
    """A lock file of the test's own."""
    path = tmp_path / "pins" / "lock.json"
    monkeypatch.setenv(pins.LOCK_VARIABLE, str(path))
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty hub cache; gives a function that puts one commit of a model there."""
    from huggingface_hub import constants

    root = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))

    def put(name, commit, folder, *, main=True):
        repository = root / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        if main:
            (repository / "refs" / "main").write_text(commit)
        return repository / "snapshots" / commit

    return put


@pytest.fixture
def two_commits(cache, models_folder):
    """`main` is the new commit; the old one has halved weights."""
    old = cache(NAME, OLD, models_folder / "depth")
    state = {key: value / 2 for key, value in load_file(old / "model.safetensors").items()}
    save_file(state, old / "model.safetensors", metadata={"format": "pt"})
    cache(NAME, NEW, models_folder / "depth")


def weight_sum(text):
    model = DepthEstimator(named_source(text, offline=True, device="cpu")).model
    return float(sum(p.double().abs().sum() for p in model.parameters()))


def test_a_fetched_commit_stays_when_main_moves_on(two_commits, lock):
    write_pin(NAME, Pin(OLD, "main"))
    assert resolved_revision(named_source(NAME, offline=True, device="cpu")) == OLD
    assert weight_sum(NAME) == pytest.approx(weight_sum(f"{NAME}@main") / 2)
    assert weight_sum(f"{NAME}@{NEW}") == weight_sum(f"{NAME}@main")
    assert fetch(NAME).name == OLD and read_pins()[NAME].commit == OLD
    assert fetch(f"{NAME}@main").name == NEW
    assert read_pins() == {NAME: Pin(NEW, "main")}
    assert json.loads(lock.read_text())["models"][NAME] == {"commit": NEW, "asked": "main"}


def test_the_command_fetches_pins_and_lists(two_commits, capsys):
    assert main(["models"]) == 0
    assert "not pinned" in capsys.readouterr().out
    assert main(["models", "fetch", NAME]) == 0
    assert main(["models", "fetch", NAME, "--revision", OLD]) == 0
    assert read_pins() == {NAME: Pin(OLD, OLD)}
    capsys.readouterr()
    assert main(["models"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if NAME in x)
    assert f"pinned to {OLD[:12]} (here)" in line


def test_a_reasoner_is_loaded_at_its_pin(cache, tmp_path):
    save_smolvlm(tmp_path / "smol")
    cache("tiny/smol", OLD, tmp_path / "smol")
    cache("tiny/smol", NEW, tmp_path / "smol")
    assert LocalReasoner.load("tiny/smol", offline=True).name == f"tiny/smol@{NEW}"
    write_pin("tiny/smol", Pin(OLD, "main"))
    assert LocalReasoner.load("tiny/smol", offline=True).name == f"tiny/smol@{OLD}"
    assert LocalReasoner.load("tiny/smol@main", offline=True).name == f"tiny/smol@{NEW}"


def test_a_pin_that_is_not_here_is_told_with_the_way_to_get_it(two_commits, capsys):
    write_pin(NAME, Pin("c" * 40, "main"))
    with pytest.raises(AssetError, match=r"revision 'c+' is not in the local cache.*models fetch"):
        weight_sum(NAME)
    assert main(["models"]) == 0
    assert f"pinned to {'c' * 12} (not fetched)" in capsys.readouterr().out


def test_names_with_a_revision():
    assert HubName.parse("a/b@v1.0") == HubName("a/b", "v1.0")
    assert HubName.parse("a/b") == HubName("a/b") and HubName.parse("a/b").plausible
    assert not HubName.parse("b").plausible
    for text in ("a/b@", "a/b@ x", "a/b@-x"):
        with pytest.raises(InputError, match="after the @"):
            HubName.parse(text)


def test_a_folder_may_have_an_at_sign(tmp_path):
    folder = tmp_path / "my@models"
    folder.mkdir()
    assert named_source(str(folder), offline=True, device="cpu").is_folder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ('{"models": 3}', "cannot be read"),
        ('{"models": {"a/b": {"commit": "main", "asked": "main"}}}', "no commit for 'a/b'"),
    ],
)
def test_a_damaged_lock_file_is_never_taken_for_no_pins(lock, capsys, text, said):
    lock.parent.mkdir()
    lock.write_text(text)
    with pytest.raises(AssetError, match=said):
        read_pins()
    assert main(["models"]) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(AssetError, match=said):
        write_pin("c/d", Pin(OLD, "main"))
    assert lock.read_text() == text


def test_pins_of_several_models_live_together(lock):
    write_pin("a/b", Pin(OLD, "main"))
    write_pin("c/d", Pin(NEW, "v1"))
    assert read_pins() == {"a/b": Pin(OLD, "main"), "c/d": Pin(NEW, "v1")}
    with pytest.raises(AssetError, match="no commit"):
        write_pin("a/b", Pin("main", "main"))


def test_a_place_that_cannot_hold_the_lock_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(pins.LOCK_VARIABLE, str(tmp_path / "file" / "lock.json"))
    with pytest.raises(ResourceError, match="set INTERACTVLM_MODELS_LOCK"):
        write_pin("a/b", Pin(OLD, "main"))


@pytest.mark.parametrize(
    "arguments", [["list", "a/b"], ["fetch", "a/b@v1", "--revision", "v2"], ["fetch", "a/b@"]]
)
def test_words_that_cannot_be_are_exit_2(arguments):
    assert main(["models", *arguments]) == 2
