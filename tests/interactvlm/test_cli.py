"""The command line: quick help, one sentence per error, the promised exit codes, valid JSON."""

import errno
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from human_recovery.parts import PART_NAMES
from human_recovery.topology import get_topology
from interactvlm import contact_job, pictures
from interactvlm.cli import main as cli
from interactvlm.contact_job import ContactRequest, run_contact
from interactvlm.errors import AssetError, InputError, ResourceError
from interactvlm.photo_job import checked_device
from interactvlm.presets import preset
from interactvlm.provenance import Provenance
from interactvlm.results import ContactMap


class FakeModel:
    """Answers as a model would: the right hand touches everything but the ball."""

    config = preset("mini")
    finished = True
    value = 0.9

    def __init__(self):
        self.boxes = []

    def known_label(self, label):
        if label == "chiar":
            raise InputError("object label 'chiar' is not one of the known labels; did you mean?")
        return label.strip().lower()

    def predict_contact(self, image, labels=("",), *, box_xyxy_px=None):
        self.boxes.append(box_xyxy_px)
        topology = get_topology("anny")
        hand = topology.part_of_vertex == PART_NAMES.index("right hand")
        seen = torch.ones_like(hand)
        return [
            ContactMap(
                hand * (0.0 if label == "ball" else self.value), "anny", label, 0.5, seen, None,
                f"About the {label}.", self.finished,
            )
            for label in labels
        ]  # fmt: skip


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (80, 60), "olive").save(path)
    return path


@pytest.fixture
def model(monkeypatch, tmp_path):
    fake = FakeModel()
    made = Provenance("0" * 64, "mini", "1" * 64, "0.1.0", 0, "cpu", "3.11", {})
    monkeypatch.setattr(contact_job, "load_model", lambda *_: fake)
    monkeypatch.setattr(contact_job, "default_weights", lambda: Path("mini"))
    monkeypatch.setattr(contact_job, "provenance_of", lambda *args, **kwargs: made)
    monkeypatch.setattr(pictures, "DRAWN_PX", 192)
    monkeypatch.chdir(tmp_path)
    return fake


def in_fresh_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["contact", "--help"],
        ["affordance", "--help"],
        ["batch", "--help"],
        ["convert", "--help"],
        ["doctor", "--help"],
        ["library", "build", "--help"],
    ],
)
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys; from interactvlm.cli.main import main; "
        f"code = main({arguments!r}); "
        "print([m for m in ('torch', 'transformers', 'numpy', 'anny') if m in sys.modules], code)"
    )
    assert in_fresh_python(code).splitlines()[-1] == "[] 0"


@pytest.mark.parametrize("arguments", [["evaluate", "--help"], ["evaluate", "damon", "--help"]])
def test_help_of_benchmarks_loads_nothing_heavy(arguments):
    test_help_loads_nothing_heavy(arguments)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    assert cli.main([verb, "--help"]) == 0
    assert f"interactvlm {verb}" in capsys.readouterr().out


def test_every_verb_module_is_a_verb():
    folder = Path(cli.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {
        "__init__",
        "main",
        "output",
        "photo_flags",
        "question_flags",
    }
    assert modules == set(cli.VERBS)
    for verb in cli.VERBS:
        module = importlib.import_module(f"interactvlm.cli.{verb}")
        assert callable(module.run) and callable(module.config_class) and module.EXAMPLES


def test_version_and_no_arguments(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("interactvlm ")
    assert cli.main([]) == 2


def test_unknown_verb_names_the_nearest(capsys):
    assert cli.main(["contakt"]) == 2
    assert "did you mean 'contact'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["dragons"]])
def test_evaluate_needs_a_known_benchmark(arguments, capsys):
    assert cli.main(["evaluate", *arguments]) == 2
    assert "known are synthetic" in capsys.readouterr().err


def test_contact_writes_a_folder_and_says_what_it_found(photo, model, capsys, tmp_path):
    assert cli.main(["contact", str(photo), "--label", "cup", "--label", "Ball"]) == 0
    said = capsys.readouterr().out
    assert "cup: right hand" in said and "ball: no contact" in said
    assert (tmp_path / "interactvlm_output" / "photo" / "report.json").is_file()


def test_contact_json_is_the_report_and_nothing_else(photo, model, capsys, monkeypatch, tmp_path):
    ask = model.predict_contact

    def noisy(*args, **kwargs):
        print("a library that chatters")
        return ask(*args, **kwargs)

    monkeypatch.setattr(model, "predict_contact", noisy)
    assert cli.main(["contact", str(photo), "--json", "--out", "out", "--seed", "3"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "report.json").read_text())
    assert [c["label"] for c in printed["contacts"]] == [""]


def test_cut_answer_is_a_partly_failed_job(photo, model, capsys):
    model.finished = False
    assert cli.main(["contact", str(photo), "--label", "cup"]) == 1
    assert "cut at the longest" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["missing.png"], "not found"),
        (["{photo}", "--label", "chiar"], "did you mean"),
        (["{photo}", "--label", " "], "must name an object"),
        (["{photo}", "--box", "50", "0", "10", "9"], "x0 < x1"),
        (["{photo}", "--box", "nan", "0", "10", "9"], "finite"),
        (["{photo}", "--box", "900", "0", "999", "9"], "outside"),
        (["{photo}", "--device", "toaster"], "device must be"),
        (["{photo}", "--out", "{photo}"], "found a file"),
        (["{photo}", "--colour", "red"], "colour"),
        ([], "PATH"),
    ],
)
def test_every_fault_of_the_caller_is_one_sentence_and_exit_2(
    photo, model, capsys, arguments, expected
):
    arguments = [a.replace("{photo}", str(photo)) for a in arguments]
    assert cli.main(["contact", *arguments, "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["type"] == "InputError"
    assert expected in json.loads(printed.out)["error"]["message"]
    assert len(printed.err.strip().splitlines()) == 1 and expected in printed.err


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "/full"), 2, "No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/locked"), 2, "Permission denied"),
        (MemoryError(), 2, "memory ran out"),
        (ResourceError("the card is full"), 2, "the card is full"),
        (AssetError("two\nlines"), 2, "two lines"),
    ],
)
def test_errors_of_the_machine(monkeypatch, capsys, error, code, expected):
    def run(options):
        raise error

    monkeypatch.setattr("interactvlm.cli.doctor.run", run)
    assert cli.main(["doctor"]) == code
    printed = capsys.readouterr()
    assert expected in printed.err and not printed.out and "Traceback" not in printed.err


def test_a_reader_that_stops_early_is_no_fault(tmp_path):
    command = f"{sys.executable} -m interactvlm --help | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_our_own_bugs_are_not_dressed_up(monkeypatch):
    monkeypatch.setattr("interactvlm.cli.doctor.run", lambda options: {}["bug"])
    with pytest.raises(KeyError):
        cli.main(["doctor"])


def test_box_reaches_the_model_in_pixels_of_the_scaled_photo(photo, model, monkeypatch, tmp_path):
    monkeypatch.setattr("interactvlm.photo.WORKING_PIXELS", 80 * 60 // 4)
    request = ContactRequest(photo, tmp_path / "out", ("cup",), (-5.0, 0.0, 40.0, 60.0))
    result = run_contact(request)
    assert model.boxes == [(0.0, 0.0, 20.0, 30.0)]
    assert result.report["input"]["width"] == 80
    assert any("scaled" in warning for warning in result.report["warnings"])


def test_a_label_given_twice_is_asked_once(photo, model, tmp_path):
    result = run_contact(ContactRequest(photo, tmp_path / "out", ("cup", "Cup ", "ball")))
    assert [contact.label for contact in result.maps] == ["cup", "ball"]


def test_nan_never_reaches_a_file(photo, model, tmp_path):
    model.value = float("nan")
    with pytest.raises(AssetError, match="NaN.*damaged"):
        run_contact(ContactRequest(photo, tmp_path / "out", ("cup",)))
    assert not (tmp_path / "out").exists()


def test_gpu_that_is_not_there_is_a_resource_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert checked_device("cuda:0") == "cuda:0"
    with pytest.raises(ResourceError, match="1 CUDA devices"):
        checked_device("cuda:3")
    with pytest.raises(InputError, match="device must be"):
        checked_device("meta")


def test_gpu_memory_running_out_says_how_much_is_free(photo, model, monkeypatch, tmp_path):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(model, "predict_contact", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_000, 2_000))
    with pytest.raises(ResourceError, match="1,000 of 2,000 bytes free.*--device cpu"):
        run_contact(ContactRequest(photo, tmp_path / "out", ("cup",)))
    assert not (tmp_path / "out").exists()


def test_demo_tells_which_part_failed(monkeypatch, capsys):
    def failing(options):
        raise AssetError("no scene today")

    monkeypatch.setattr("interactvlm.cli.demo._real_photo", lambda options: ["fine"])
    monkeypatch.setattr("interactvlm.cli.demo._generated_scene", failing)
    assert cli.main(["demo"]) == 1
    assert "failed: no scene today" in capsys.readouterr().out
    monkeypatch.setattr("interactvlm.cli.demo._real_photo", failing)
    assert cli.main(["demo"]) == 2


def test_demo_measures_each_object_of_its_scene(photo, model, monkeypatch, capsys, tmp_path):
    topology = get_topology("anny")
    hand = (topology.part_of_vertex == PART_NAMES.index("right hand")).numpy()
    named = [SimpleNamespace(instance=SimpleNamespace(category=c)) for c in ("cup", "ball", "bat")]
    scene = SimpleNamespace(
        posed=None,
        state=SimpleNamespace(objects=named),
        contact=np.stack([hand, hand & False, hand & False]),
    )
    dataset = SimpleNamespace(
        generate_scenes=lambda split, seed, shard, count: [scene],
        take_picture=lambda posed, rng, size: (
            {"rgb": np.zeros((size, size, 3), "uint8")},
            {},
        ),
    )
    monkeypatch.setitem(sys.modules, "interactvlm.synthetic.dataset", dataset)
    monkeypatch.setattr("interactvlm.cli.demo._real_photo", lambda options: ["fine"])
    assert cli.main(["demo", "--out", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr().out
    assert "cup: F1 1.00" in said
    assert "ball: not touched; the model said so" in said
    assert "bat: not touched; the model wrongly marked" in said
