"""index.html of a batch: every item with its picture, state and report, on pages that need nothing
but themselves and the result folders beside them.

Every word that came from outside is escaped. Knows the ledger and HTML; knows no photo.
"""

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

from interactvlm.batch.config import ITEMS_FOLDER, STATES
from interactvlm.batch.ledger import Ledger, Line
from interactvlm.batch.worker import THUMBNAIL_PX, TRACE_FILE
from interactvlm.report_html import text
from renders.cache import atomic_write

PAGE_ITEMS = 1000
"""Items of one page; a browser shows so many small pictures at once."""
REPORT_PAGE = "report.html"

_SCRIPT = """
for (const button of document.querySelectorAll('button')) button.onclick = () => {
  document.body.dataset.show = button.value;
  for (const other of document.querySelectorAll('button'))
    other.setAttribute('aria-pressed', other === button);
};
"""
_SCRIPT_SHA256 = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_HIDDEN = ",".join(f'body[data-show="{state}"] article:not(.{state})' for state in STATES)
_STYLE = """
:root{--ink:#181e2a;--soft:#5d6675;--line:#e3e6eb;--ground:#f5f6f8;--heat:#d9451f}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1400px;padding:32px 24px 48px;background:var(--ground);
color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.kind{margin:0;color:var(--heat);font-weight:600;font-size:13px;letter-spacing:.06em;
text-transform:uppercase}
h1{margin:4px 0 2px;font-size:28px;overflow-wrap:anywhere}
.sub{margin:0;color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:8px;margin:20px 0;align-items:center}
nav a,nav b{padding:0 6px}
button{font:inherit;border:1px solid var(--line);border-radius:999px;background:#fff;
color:var(--ink);padding:5px 14px;cursor:pointer}
button[aria-pressed=true]{background:var(--ink);border-color:var(--ink);color:#fff}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(216px,1fr));gap:16px}
article{background:#fff;border:1px solid var(--line);border-radius:12px;overflow:hidden;
display:flex;flex-direction:column;content-visibility:auto;contain-intrinsic-size:auto 320px}
.picture{display:grid;place-items:center;height:SIDEpx;background:#eceef2;color:#98a0ad;
font-size:13px}
img{display:block;max-width:100%;max-height:SIDEpx}
.words{padding:12px 14px 14px;display:flex;flex-direction:column;gap:4px;flex:1}
h2{margin:0;font-size:15px;overflow-wrap:anywhere}
p{margin:0}
.label,.foot{color:var(--soft);font-size:13px;overflow-wrap:anywhere}
.said{font-size:14px;overflow-wrap:anywhere}
.foot{margin-top:auto;padding-top:6px}
.foot span{white-space:nowrap}
.badge{font-weight:600;border-radius:999px;padding:2px 9px;background:#e9ecf0;color:#4c5563}
.done .badge{background:#dff1e4;color:#1c6b36}
.failed .badge{background:#fde5d8;color:#a8310f}
.running .badge{background:#e0ebfb;color:#1f4f96}
a{color:#1f4f96}
""".replace("SIDE", str(THUMBNAIL_PX)).strip()


def write_index(out: Path, ledger: Ledger, *, title: str) -> None:
    """Writes index.html, and index-2.html and so on where there are more than `PAGE_ITEMS` items.

    Each is whole or not at all. Pages that an earlier, longer listing left are removed.
    """
    counts = ledger.counts()
    total = sum(counts.values())
    pages = max(1, math.ceil(total / PAGE_ITEMS))
    told = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    for number in range(1, pages + 1):
        first = (number - 1) * PAGE_ITEMS
        lines = list(ledger.lines(first=first, most=PAGE_ITEMS, pictures=True))
        page = _page(out, title, f"{told or 'nothing'}, of {total:,}", lines, (number, pages))
        with atomic_write(out / page_name(number)) as temporary:
            temporary.write_text(page, encoding="utf-8")
    number = pages + 1
    while (out / page_name(number)).exists():
        (out / page_name(number)).unlink()
        number += 1


def page_name(number: int) -> str:
    """File name of a page, from 1."""
    return "index.html" if number == 1 else f"index-{number}.html"


def _page(out: Path, title: str, told: str, lines: Sequence[Line], page: tuple[int, int]) -> str:
    of_state = Counter(line.state for line in lines)
    buttons = _button("all", len(lines), pressed=True)
    buttons += "".join(_button(s, of_state[s], pressed=False) for s in STATES if of_state[s])
    style = f"{_STYLE}\n{_HIDDEN}{{display:none}}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            # Even if a text slipped through unescaped, nothing but our own lines may run.
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            f"img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_SCRIPT_SHA256}'\">",
            f"<title>{text(title)} – InteractVLM</title><style>{style}</style></head>",
            '<body data-show="all"><header><p class="kind">InteractVLM batch</p>',
            f'<h1>{text(title)}</h1><p class="sub">{told}</p></header>',
            f"<nav>{buttons}{_pages(*page)}</nav><main>",
            *(_card(out, line) for line in lines),
            f"</main><script>{_SCRIPT}</script></body></html>",
        ]
    )


def _button(state: str, count: int, *, pressed: bool) -> str:
    return (
        f'<button value="{state}" aria-pressed="{str(pressed).lower()}">{state} {count:,}</button>'
    )


def _pages(number: int, pages: int) -> str:
    if pages == 1:
        return ""
    near = sorted({1, pages, *range(max(1, number - 2), min(pages, number + 2) + 1)})
    return "page" + "".join(
        f"<b>{n}</b>" if n == number else f'<a href="{page_name(n)}">{n}</a>' for n in near
    )


def _card(out: Path, line: Line) -> str:
    name, link = PurePath(line.photo).name, _link(out, line)
    picture = '<div class="picture">no picture</div>'
    if line.thumbnail:
        data = base64.b64encode(line.thumbnail).decode()
        picture = (
            f'<div class="picture"><img loading="lazy" decoding="async" alt="{text(name)}" '
            f'src="data:image/jpeg;base64,{data}"></div>'
        )
    said = line.result or line.reason
    seconds = [] if line.seconds is None else [f"{line.seconds:.1f} s"]
    finished = [f"{line.finished} UTC"] if line.finished else []
    facts = [f"row {line.row}", *seconds, *finished]
    if link:
        picture = f'<a href="{link}">{picture}</a>'
        facts.append(f'<a href="{link}">{"report" if line.state == "done" else "log"}</a>')
    foot = " · ".join(f"<span>{fact}</span>" for fact in facts)
    return (
        f'<article class="{line.state}">{picture}<div class="words">'
        f'<h2 title="{text(line.photo)}">{text(name)}</h2>'
        f'<p class="label">{text(line.label)}</p><p class="said">{text(said)}</p>'
        f'<p class="foot"><span class="badge">{line.state}</span> {foot}</p></div></article>'
    )


def _link(out: Path, line: Line) -> str:
    """Address of what there is to read about an item, relative to the page; "" for nothing."""
    name = {"done": REPORT_PAGE, "failed": TRACE_FILE}.get(line.state)
    if name is None or not (out / ITEMS_FOLDER / line.folder / name).is_file():
        return ""
    return quote(f"{ITEMS_FOLDER}/{line.folder}/{name}")
