"""A batch from start to summary: states, resuming, faults, kills at any moment."""

import csv
import json
import multiprocessing
import os
import signal
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
from filelock import FileLock
from PIL import Image
from tqdm import tqdm

from interactvlm.batch import runner
from interactvlm.batch.config import BatchConfig, Listing
from interactvlm.batch.ledger import MOST_BEGINNINGS, Ledger
from interactvlm.batch.runner import plan_batch, run_batch
from interactvlm.errors import InputError, ResourceError
from tests.interactvlm.batch import fake_tasks
from tests.interactvlm.batch.fake_tasks import item, listing, notes, prepare


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def config(tmp_path):
    def make(**changes):
        return BatchConfig(tmp_path / "photos.csv", tmp_path / "runs", **changes)

    return make


def table(out):
    with open(out / "summary.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def folders(out):
    return sorted(path.name for path in (out / "items").iterdir())


def test_every_way_an_item_can_end(config, log, tmp_path):
    Image.new("RGB", (400, 200), "teal").save(tmp_path / "p1.jpg")
    asked = listing(log, "well", "input", "nobody", "bug", "well")
    marked = item(log, 6, skip="marked in the manifest: blurred")
    report = run_batch(config(), Listing((*asked.items, marked)), prepare)
    assert report.counts == {"queued": 0, "running": 0, "done": 2, "failed": 2, "skipped": 2}
    first, damaged, nobody, bug, _, skipped = table(report.out)
    assert first["result"] == "answer about p1" and first["folder"] == "items/00001-p1"
    assert float(first["seconds"]) >= 0 and len(first["finished_utc"]) == 19
    assert damaged["reason"] == "photo is damaged; export it again" and not damaged["folder"]
    assert nobody["state"] == "skipped" and nobody["reason"].startswith("no person")
    assert bug["reason"] == "KeyError: '<b>forgotten</b>'"
    assert skipped["reason"] == "marked in the manifest: blurred" and not skipped["finished_utc"]
    traced = (report.out / "items" / "00004-p4" / "error.log").read_text()
    assert "Traceback" in traced and "fake_tasks.py" in traced
    assert folders(report.out) == ["00001-p1", "00004-p4", "00005-p5"]
    assert "failed: row 2, " in report.summary() and "--retry-failed" in report.summary()
    assert [f["row"] for f in json.loads(json.dumps(report.to_dict()))["failed"]] == [2, 4]
    assert notes(log, "began") == ["p1", "p2", "p3", "p4", "p5"]


def test_a_second_start_repeats_nothing(config, log):
    asked = listing(log, "well", "input", "nobody")
    run_batch(config(), asked, prepare)
    report = run_batch(config(workers=2), asked, fake_tasks.prepare_badly)
    assert notes(log, "began") == ["p1", "p2", "p3"]
    assert report.counts["done"] == report.counts["failed"] == report.counts["skipped"] == 1


def test_failures_are_retried_when_asked_and_leave_no_old_files(config, log):
    run_batch(config(), listing(log, "well", "bug"), prepare)
    repaired = listing(log, "well", "well")
    assert run_batch(config(), repaired, prepare).counts["failed"] == 1
    report = run_batch(config(retry_failed=True), repaired, prepare)
    assert report.counts["done"] == 2 and notes(log, "began") == ["p1", "p2", "p2"]
    assert os.listdir(report.out / "items" / "00002-p2") == ["report.html"]
    assert table(report.out)[1]["reason"] == ""


def test_new_rows_are_added_and_results_that_were_deleted_made_again(config, log, tmp_path):
    run_batch(config(), listing(log, "well", "well"), prepare)
    (tmp_path / "runs" / "items" / "00001-p1" / "report.html").unlink()
    (tmp_path / "runs" / "items" / "00001-p1").rmdir()
    report = run_batch(config(), listing(log, "well", "well", "well"), prepare)
    assert notes(log, "began") == ["p1", "p2", "p1", "p3"] and report.counts["done"] == 3


def test_other_settings_are_refused_and_change_nothing(config, log):
    asked = listing(log, "well")
    run_batch(config(), Listing(asked.items, {"seed": 0}), prepare)
    changed = Listing(listing(log, "well", "well").items, {"seed": 1})
    for act in (
        lambda: run_batch(config(), changed, prepare),
        lambda: plan_batch(config(), changed),
    ):
        with pytest.raises(InputError, match=r"other settings of \['seed'\].*--out"):
            act()
    with pytest.raises(InputError, match=r"other settings of \['task'\]"):
        run_batch(config(task="affordance"), Listing(asked.items, {"seed": 0}), prepare)
    assert len(table(config().out)) == 1


def test_a_second_process_is_refused_by_name(config, log):
    run_batch(config(), listing(log, "well"), prepare)
    with FileLock(config().out / ".lock"):
        with pytest.raises(InputError, match=rf"is running in this folder \(process {os.getpid()}"):
            run_batch(config(), listing(log, "well", "well"), prepare)
        planned = plan_batch(config(), listing(log, "well", "well"))
    assert [plan.state for plan in planned] == ["done", "queued"]
    assert run_batch(config(), listing(log, "well", "well"), prepare).counts["done"] == 2


def test_a_plan_writes_nothing_and_is_what_is_done(config, log, tmp_path):
    asked = Listing((*listing(log, "well", "input").items, item(log, 3, skip="marked")))
    assert [p.state for p in plan_batch(config(), asked)] == ["queued", "queued", "skipped"]
    assert list(tmp_path.iterdir()) == []
    run_batch(config(), asked, prepare)
    before = {path: path.read_bytes() for path in config().out.iterdir() if path.is_file()}
    planned = plan_batch(config(retry_failed=True), asked)
    assert [p.state for p in planned] == ["done", "queued", "skipped"]
    assert {path: path.read_bytes() for path in config().out.iterdir() if path.is_file()} == before


def test_ctrl_c_stops_cleanly_and_the_next_start_goes_on(config, log):
    report = run_batch(config(), listing(log, "well", "ctrl-c", "well"), prepare)
    assert report.interrupted and report.counts["done"] == 1 and report.counts["queued"] == 2
    assert "stopped; the same command goes on" in report.summary()
    assert [line["state"] for line in table(report.out)] == ["done", "queued", "queued"]
    assert folders(report.out) == ["00001-p1"], "no half result is left"
    report = run_batch(config(), listing(log, "well", "well", "well"), prepare)
    assert not report.interrupted and report.counts["done"] == 3
    assert notes(log, "began") == ["p1", "p2", "p2", "p3"]


def test_stop_on_error_begins_nothing_more(config, log):
    asked = listing(log, "well", "input", "well")
    report = run_batch(config(stop_on_error=True), asked, prepare)
    assert notes(log, "began") == ["p1", "p2"] and report.counts["queued"] == 1
    assert "not finished; the same command goes on" in report.summary()


def test_a_full_disk_stops_the_batch_and_fails_no_item(config, log, monkeypatch):
    monkeypatch.setattr(runner.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ResourceError, match="disk is full.*No space left.*same command"):
        run_batch(config(), listing(log, "well", "full", "well"), prepare)
    with Ledger.open(config().out / "ledger.sqlite") as ledger:
        assert ledger.counts()["queued"] == 2 and ledger.counts()["failed"] == 0
    monkeypatch.undo()
    # With room left it is the item's own want of something, and the others go on.
    report = run_batch(config(), listing(log, "well", "full", "well"), prepare)
    assert report.counts["failed"] == 1 and report.counts["done"] == 2


def test_what_a_model_cannot_do_is_told_before_anything_is_begun(config, log):
    with pytest.raises(InputError, match="never trained"):
        run_batch(config(), listing(log, "well"), fake_tasks.prepare_badly)
    assert run_batch(config(), listing(log, "well"), prepare).counts["done"] == 1


@pytest.mark.parametrize("workers", [0, -1, 1000])
def test_a_number_of_workers_that_cannot_be(config, workers):
    with pytest.raises(InputError, match="--workers must lie"):
        config(workers=workers)


def test_places_for_results_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="found a file"):
        BatchConfig(tmp_path, tmp_path / "file")
    with pytest.raises(InputError, match="among the photos"):
        BatchConfig(tmp_path, tmp_path / "x" / "..")


def in_child(config, asked):
    """A process that runs the batch; forked, so that it starts at once."""
    child = multiprocessing.get_context("fork").Process(target=_run_alone, args=(config, asked))
    child.start()
    return child


def _run_alone(config, asked):
    # Processes share tqdm's lock; one killed while it holds it would stop this one for ever.
    tqdm.set_lock(threading.RLock())
    run_batch(config, asked, prepare)


def wait_until(condition, limit_s=300.0):
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.002)


def test_killed_again_and_again_it_loses_only_what_was_in_flight(config, log):
    asked = listing(log, *["well"] * 20, sleep_s=0.01)
    moments = (1, 5, 7, 12, 20)
    for begun in moments:
        child = in_child(config(), asked)
        wait_until(lambda begun=begun: len(notes(log, "began")) >= begun)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    report = run_batch(config(), asked, prepare)
    assert report.counts["done"] == 20
    begun = notes(log, "began")
    assert set(begun) == {f"p{row}" for row in range(1, 21)}
    assert len(begun) <= 20 + len(moments), "more was repeated than one item per kill"
    assert len(folders(report.out)) == 20, "half results are cleared away"
    for folder in (report.out / "items").iterdir():
        assert (folder / "report.html").read_text() == folder.name.split("-")[1]


def test_an_item_that_kills_its_process_does_not_block_the_others(config, log):
    asked = listing(log, "well", "killed", "well")
    for _ in range(MOST_BEGINNINGS):
        child = in_child(config(), asked)
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
    report = run_batch(config(), asked, prepare)
    assert report.counts["done"] == 2 and "killed 3 times" in report.failed[0].reason


@pytest.mark.slow
def test_several_workers_do_every_item_once_and_survive_a_death(config, log):
    asked = listing(log, "die", "die", *["well"] * 5, "input", sleep_s=0.05)
    report = run_batch(config(workers=2), asked, prepare)
    assert report.counts["done"] == 5 and report.counts["failed"] == 3
    assert [failed.reason for failed in report.failed] == [
        *["the worker died (exit code 3); memory may have run out"] * 2,
        "photo is damaged; export it again",
    ]
    assert sorted(notes(log, "began")) == [f"p{row}" for row in range(1, 9)]
    pids = [line.split()[2] for line in log.read_text().splitlines()]
    assert not set(pids[:2]) & set(pids[2:]), "the dead were replaced"
    assert str(os.getpid()) not in pids
    assert folders(report.out) == [f"{row:05d}-p{row}" for row in range(3, 8)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "kind", "said"),
    [
        (fake_tasks.prepare_badly, InputError, "never trained"),
        (fake_tasks.prepare_with_a_bug, RuntimeError, "KeyError: 'weights'"),
        (fake_tasks.die_while_preparing, ResourceError, "exit code 7.*fewer --workers"),
    ],
)
def test_workers_that_cannot_prepare_end_the_batch(config, log, way, kind, said):
    with pytest.raises(kind, match=said):
        run_batch(config(workers=2), listing(log, "well", "well"), way)
    with Ledger.open(config().out / "ledger.sqlite") as ledger:
        assert ledger.counts()["queued"] == 2


@pytest.mark.slow
def test_workers_of_a_killed_parent_go_and_the_batch_goes_on(config, log):
    asked = listing(log, *["well"] * 6, sleep_s=1.0)
    child = in_child(config(workers=2), asked)
    wait_until(lambda: len(notes(log, "ended")) >= 1)
    workers = psutil.Process(child.pid).children()
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "workers outlive their parent"
    report = run_batch(config(), asked, prepare)
    assert report.counts["done"] == 6 and len(notes(log, "began")) <= 6 + 2


@pytest.mark.slow
def test_ctrl_c_ends_workers_at_once(config, log):
    asked = listing(log, *["well"] * 4, sleep_s=30.0)
    child = in_child(config(workers=2), asked)
    wait_until(lambda: len(notes(log, "began")) >= 2)
    workers = psutil.Process(child.pid).children()
    for process in (child.pid, *(worker.pid for worker in workers)):
        os.kill(process, signal.SIGINT)  # as a terminal does to all of them
    child.join(60)
    assert child.exitcode == 0 and not psutil.wait_procs(workers, timeout=60)[1]
    assert [line["state"] for line in table(config().out)] == ["queued"] * 4
    assert folders(config().out) == []
