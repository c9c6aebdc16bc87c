"""The index page: everything on it, nothing from elsewhere, nothing that a name could run."""

import base64
import hashlib
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from interactvlm.batch import index_page
from interactvlm.batch.config import Attempt, Item
from interactvlm.batch.index_page import write_index
from interactvlm.batch.ledger import Ledger

EVIL = "<script>alert('x')</script>"


def jpeg():
    stream = io.BytesIO()
    Image.new("RGB", (60, 40), "olive").save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def enlist(ledger, tmp_path, count):
    items = [
        Item(f"k{n}", n, Path(f"/photos/p{n}.jpg"), "chair", None) for n in range(1, count + 1)
    ]
    ledger.enlist(items, tmp_path / "items", retry_failed=False)
    return items


def test_items_of_every_state_with_their_links(ledger, tmp_path):
    enlist(ledger, tmp_path, 4)
    for number, state in ((1, "done"), (2, "failed"), (3, "skipped")):
        folder = tmp_path / "items" / f"0000{number}-p{number}"
        folder.mkdir(parents=True)
        (folder / "report.html").touch()
        (folder / "error.log").touch()
        ledger.end(f"k{number}", Attempt(state, f"said {number}", f"why {number}", 1.25, jpeg()))
    write_index(tmp_path, ledger, title="contact: photos")
    page = (tmp_path / "index.html").read_text()
    assert re.findall(r'<a href="([^"]+)">report', page) == ["items/00001-p1/report.html"]
    assert re.findall(r'<a href="([^"]+)">log', page) == ["items/00002-p2/error.log"]
    assert re.findall(r'<article class="(\w+)"', page) == ["done", "failed", "skipped", "queued"]
    assert re.findall(r'<button value="(\w+)"[^>]*>\w+ (\d+)', page) == [
        ("all", "4"), ("queued", "1"), ("done", "1"), ("failed", "1"), ("skipped", "1"),
    ]  # fmt: skip
    assert "1 queued, 1 done, 1 failed, 1 skipped, of 4" in page
    assert "said 1" in page and "1.2 s" in page and page.count("data:image/jpeg;base64,") == 3
    picture = re.search(r"base64,([^\"]+)", page)[1]
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (60, 40)


def test_nothing_that_came_from_outside_can_run(ledger, tmp_path):
    thing = Item("k", 1, Path(f"/photos/{EVIL.replace('/', '')}.jpg"), EVIL, None)
    ledger.enlist([thing], tmp_path / "items", retry_failed=False)
    ledger.end("k", Attempt("failed", reason=EVIL))
    write_index(tmp_path, ledger, title=EVIL)
    page = (tmp_path / "index.html").read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "default-src 'none'" in page
    assert "alert('x')" not in page and "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_many_items_are_spread_over_pages_that_go_when_they_are_not_needed(
    ledger, tmp_path, monkeypatch
):
    monkeypatch.setattr(index_page, "PAGE_ITEMS", 2)
    enlist(ledger, tmp_path, 5)
    write_index(tmp_path, ledger, title="t")
    names = ["index.html", "index-2.html", "index-3.html"]
    counts = [(tmp_path / name).read_text().count("<article") for name in names]
    assert counts == [2, 2, 1]
    assert '<b>2</b><a href="index-3.html">3</a>' in (tmp_path / names[1]).read_text()
    enlist(ledger, tmp_path, 2)
    write_index(tmp_path, ledger, title="t")
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["index.html"]
    assert "page<" not in (tmp_path / "index.html").read_text()


def test_a_page_of_a_thousand_items_is_of_bearable_size(ledger, tmp_path):
    enlist(ledger, tmp_path, 1000)
    with ledger._database:
        ledger._database.execute("UPDATE items SET state = 'done', thumbnail = ?", (b"x" * 4000,))
    write_index(tmp_path, ledger, title="t")
    assert (tmp_path / "index.html").stat().st_size < 7_000_000
    assert not (tmp_path / "index-2.html").exists()
