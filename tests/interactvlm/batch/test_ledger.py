"""The ledger: what an item is when a batch starts, names of folders, faults of the file."""

import sqlite3
from pathlib import Path

import pytest

from interactvlm.batch.config import Attempt, Item
from interactvlm.batch.ledger import MOST_BEGINNINGS, Entry, Ledger, folder_name, next_state
from interactvlm.errors import InputError, ResourceError
from tests.interactvlm.batch.fake_tasks import item

DONE = Attempt("done", "sits", "", 1.5, b"jpeg")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def states(ledger):
    return {entry.key: entry.state for entry in ledger.entries().values()}


def shown(ledger):
    return [(line.row, line.photo, line.state) for line in ledger.lines()]


@pytest.mark.parametrize(
    ("before", "skip", "retry", "there", "after"),
    [
        (None, "", False, False, "queued"),
        (None, "marked", False, False, "skipped"),
        (("queued", False, 0), "marked", False, False, "skipped"),
        (("done", False, 0), "", True, True, "done"),
        (("done", False, 0), "marked", False, True, "done"),
        (("done", False, 0), "", False, False, "queued"),
        (("failed", False, 0), "", False, False, "failed"),
        (("failed", False, 0), "", True, False, "queued"),
        (("skipped", True, 0), "", False, False, "queued"),
        (("skipped", False, 0), "", True, False, "skipped"),
        (("running", False, 1), "", False, False, "queued"),
        (("running", False, MOST_BEGINNINGS), "", False, False, "failed"),
        (("running", False, MOST_BEGINNINGS), "", True, False, "queued"),
    ],
)
def test_what_an_item_is_when_a_batch_starts(before, skip, retry, there, after):
    entry = None if before is None else Entry("k", *before, folder="f")
    thing = Item("k", 1, Path("a.jpg"), "", None, skip)
    state, reason = next_state(thing, entry, retry_failed=retry, result_there=there)
    assert state == after
    assert reason == ("marked" if after == "skipped" and skip else reason)


def test_what_is_done_stays_done_wherever_its_row_goes(path, tmp_path):
    first, second = item(tmp_path / "log", 1), item(tmp_path / "log", 2)
    with Ledger.open(path) as ledger:
        ledger.enlist([first, second], tmp_path, retry_failed=False)
        ledger.begin(first.key)
        (tmp_path / ledger.entries()[first.key].folder).mkdir()
        ledger.end(first.key, DONE)
    moved = Item(first.key, 9, first.photo, first.label, None)
    with Ledger.open(path) as ledger:
        ledger.enlist([second, moved], tmp_path, retry_failed=False)
        assert shown(ledger) == [(2, str(second.photo), "queued"), (9, str(first.photo), "done")]
        ledger.enlist([second], tmp_path, retry_failed=False)
        assert shown(ledger) == [(2, str(second.photo), "queued")]
        assert ledger.counts()["done"] == 0
        # What a manifest no longer names is not forgotten.
        ledger.enlist([first], tmp_path, retry_failed=False)
        assert shown(ledger) == [(1, str(first.photo), "done")]
        (line,) = ledger.lines(pictures=True)
        assert (line.result, line.seconds, line.thumbnail) == ("sits", 1.5, b"jpeg")
        assert next(ledger.lines()).thumbnail is None


def test_a_mark_in_the_manifest_comes_and_goes(path, tmp_path):
    plain, marked = item(tmp_path / "log", 1), item(tmp_path / "log", 1, skip="marked: blurred")
    with Ledger.open(path) as ledger:
        ledger.enlist([marked], tmp_path, retry_failed=False)
        (line,) = ledger.lines(state="skipped")
        assert line.reason == "marked: blurred"
        ledger.enlist([plain], tmp_path, retry_failed=False)
        assert states(ledger) == {plain.key: "queued"}
        assert next(ledger.lines()).reason == ""


def test_only_deaths_are_counted_not_interruptions(path, tmp_path):
    thing = item(tmp_path / "log", 1)
    with Ledger.open(path) as ledger:
        ledger.enlist([thing], tmp_path, retry_failed=False)
        for _ in range(2 * MOST_BEGINNINGS):
            ledger.begin(thing.key)
            ledger.put_back()
        for _ in range(MOST_BEGINNINGS):
            assert states(ledger) == {thing.key: "queued"}
            ledger.begin(thing.key)
            ledger.enlist([thing], tmp_path, retry_failed=False)
        (line,) = ledger.lines(state="failed")
        assert "killed 3 times in a row" in line.reason
        ledger.enlist([thing], tmp_path, retry_failed=True)
        assert ledger.entries()[thing.key].begun == 0


@pytest.mark.parametrize(
    ("photo", "name"),
    [
        ("a b/Küche (1).tar.jpg", "00012-Küche__1__tar"),
        ("../../etc/.jpg", "00012-_jpg"),
        ("x" * 200 + ".png", "00012-" + "x" * 40),
        (b"\xff\xfe.png".decode("utf-8", "surrogateescape"), "00012-__"),
    ],
)
def test_folder_names_are_plain(photo, name):
    assert folder_name(Item("k", 12, Path(photo), "", None)) == name


def test_folder_names_never_collide(path, tmp_path):
    def at(key, name):
        return Item(key * 9, 1, Path(name), "", None)

    with Ledger.open(path) as ledger:
        # The first row's photo changed twice, once only in the size of its letters.
        for thing in (at("a", "p.jpg"), at("b", "p.jpg"), at("c", "P.png")):
            ledger.enlist([thing], tmp_path, retry_failed=False)
        folders = [entry.folder for entry in ledger.entries().values()]
    assert sorted(folders) == ["00001-P-cccccccc", "00001-p", "00001-p-bbbbbbbb"]


def test_names_that_are_no_text_do_not_stop_it(path, tmp_path):
    photo = Path(b"\xff.jpg".decode("utf-8", "surrogateescape"))
    with Ledger.open(path) as ledger:
        ledger.enlist([Item("k", 1, photo, "cup", None)], tmp_path, retry_failed=False)
        assert next(ledger.lines()).photo == "\\udcff.jpg"


def test_a_file_that_is_no_ledger(path):
    path.write_bytes(content := b"not a database at all" * 50)
    with pytest.raises(InputError, match="ledger cannot be read.*--out"), Ledger.open(path):
        pass
    assert path.read_bytes() == content


def test_a_ledger_that_was_cut(path, tmp_path):
    with Ledger.open(path) as ledger:
        ledger.enlist([item(tmp_path / "log", 1)], tmp_path, retry_failed=False)
    path.write_bytes(path.read_bytes()[:5000])
    with (
        pytest.raises(InputError, match="ledger cannot be read.*--out"),
        Ledger.open(path) as ledger,
    ):
        ledger.entries()


def test_a_ledger_of_another_version(path):
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.commit()
    database.close()
    with pytest.raises(InputError, match="version 99.*writes 1"), Ledger.open(path):
        pass


def test_a_full_disk_is_one_sentence_and_keeps_what_was_written(path, tmp_path):
    thing = item(tmp_path / "log", 1)
    with Ledger.open(path) as ledger:
        ledger.enlist([thing], tmp_path, retry_failed=False)
        ledger.begin(thing.key)
        pages = ledger._database.execute("PRAGMA page_count").fetchone()[0]
        ledger._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ResourceError, match="full.*start the same command again"):
            ledger.end(thing.key, Attempt("done", thumbnail=b"x" * 100_000))
    with Ledger.open(path, read_only=True) as ledger:
        assert states(ledger) == {thing.key: "running"}


def test_a_ledger_read_only_cannot_be_changed(path, tmp_path):
    with Ledger.open(path):
        pass
    with (
        Ledger.open(path, read_only=True) as ledger,
        pytest.raises(ResourceError, match="readonly"),
    ):
        ledger.enlist([item(tmp_path / "log", 1)], tmp_path, retry_failed=False)
