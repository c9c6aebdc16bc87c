"""report.html: one page that needs nothing but itself, for a person with a browser.

Every word that came from outside (labels, paths, answers) is escaped. Knows HTML and numbers; knows
no files and no model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from human_recovery.parts import PART_NAMES
from human_recovery.topology import BodyTopology
from interactvlm.pictures import OBJECT_VIEW_TITLES, VIEW_TITLES, heat_legend
from interactvlm.report_html import image, page_start, text, warnings_section

if TYPE_CHECKING:
    from interactvlm.report import ContactReport

_CONTACT_BADGES = ("contact", "no contact")
_TOKEN = re.compile(r"(&lt;[A-Z_]{2,12}&gt;|\[[A-Z_]{2,12}\])")


@dataclass(frozen=True, eq=False)
class Card:
    """One label's part of the page."""

    label: str
    answer: str
    """The model's words."""
    parts: list[str]
    """Body parts in contact."""
    share_of_part: dict[str, float]
    """Share of each body part's vertices in contact; parts without any are left out."""
    contact_vertices: int
    unseen_vertices: int
    """Of those, vertices no canonical view sees: their values are their neighbours'."""
    num_vertices: int
    area_cm2: float
    """On the canonical body."""
    max_probability: float
    threshold: float
    views: Sequence[Image.Image]

    @property
    def touched(self) -> bool:
        """Whether anything is in contact."""
        return self.contact_vertices > 0


@dataclass(frozen=True, eq=False)
class PhotoCard:
    """One label's part of the page, for contact marked on the photo."""

    label: str
    answer: str
    """The model's words."""
    touched: bool
    share_of_photo: float
    max_probability: float
    threshold: float
    picture: Image.Image
    """The photo with the mask on it."""


@dataclass(frozen=True, eq=False)
class ObjectCard:
    """The page's part about heat on an object."""

    label: str
    affordance: str
    """The use asked about, or the one the model named; empty when neither is known."""
    answer: str
    """The model's words."""
    file: str
    """Name of the object's file."""
    num_faces: int
    marked_points: int
    """Points at or above the threshold."""
    unseen_points: int
    """Of those, points no canonical view sees: their values are their neighbours'."""
    num_points: int
    max_probability: float
    threshold: float
    views: Sequence[Image.Image]

    @property
    def touched(self) -> bool:
        """Whether anything is marked."""
        return self.marked_points > 0


AnyCard = Card | PhotoCard | ObjectCard


@dataclass(frozen=True, eq=False)
class Page:
    """The whole page."""

    picture: Image.Image
    """The photo, with the person's box if one was given."""
    cards: Sequence[Card] | Sequence[PhotoCard] | Sequence[ObjectCard]
    facts: "ContactReport"
    """Numbers, warnings and provenance."""
    seen: Image.Image | None = None
    """The photo with the boxes, masks and keypoints of open models, if they were asked."""

    def html(self) -> str:
        """The page as text."""
        photo = self.facts.photo
        name = PurePath(photo.path).name
        headline = _headline(self.cards)
        return "\n".join(
            [
                page_start(name),
                '<header><p class="kind">InteractVLM report</p>'
                f"<h1>{text(headline)}</h1>"
                f'<p class="sub">{text(name)} · {photo.width} × {photo.height} px</p></header>',
                "<main>",
                warnings_section(self.facts.warnings),
                f'<section class="top"><figure>{image(self.picture, "The photo", "JPEG")}'
                f"</figure><div>{self._summary()}</div></section>",
                *(_card(card) for card in self.cards),
                self._perception(),
                self._provenance(),
                "</main></body></html>",
            ]
        )

    def _summary(self) -> str:
        """Body parts by labels: what share of each part touches what; or what was marked on."""
        things = [card for card in self.cards if isinstance(card, ObjectCard)]
        if things:
            return _object_summary(things[0])
        cards = [card for card in self.cards if isinstance(card, Card)]
        if not cards:
            return (
                '<h2>Contact on the photo</h2><p class="hint">This model marks the photo itself; '
                "it knows no body surface.</p>"
            )
        parts = [p for p in PART_NAMES if any(p in card.share_of_part for card in cards)]
        head = "".join(f"<th>{text(card.label)}</th>" for card in cards)
        if not parts:
            return (
                '<h2>Body parts in contact</h2><p class="empty">No body part touches what was '
                "asked about.</p>"
            )
        rows = "".join(
            f"<tr><th>{part}</th>"
            + "".join(_share(card.share_of_part.get(part, 0.0)) for card in cards)
            + "</tr>"
            for part in parts
        )
        return (
            "<h2>Body parts in contact</h2>"
            f'<div class="scroll"><table class="parts"><tr><td></td>{head}</tr>{rows}</table></div>'
            '<p class="hint">Share of the part’s surface points in contact.</p>'
        )

    def _perception(self) -> str:
        """What open models saw, and whom the questions are about."""
        person = self.facts.person
        if person is None or self.seen is None:
            return ""
        people = len(person.seen.people)
        models = ", ".join(f"{step}: {name}" for step, name in person.seen.provenance.items())
        return (
            f'<section class="seen"><h2>People and objects found</h2>'
            f"<figure>{image(self.seen, 'Boxes, masks and keypoints', 'JPEG')}</figure>"
            f'<p class="hint">Asked about person {person.number} of {people}. {text(models)}</p>'
            "</section>"
        )

    def _provenance(self) -> str:
        facts, made = self.facts, self.facts.provenance
        rows = [
            ("Photo", facts.photo.path),
            ("Photo sha256", facts.photo.sha256),
            ("Model", made.weights),
            ("Model sha256", made.weights_sha256),
            ("Version", f"InteractVLM {made.version}, Python {made.python}"),
            ("Libraries", ", ".join(f"{name} {v}" for name, v in made.libraries.items())),
            ("Device, seed", f"{made.device}, {made.seed}"),
            ("Seconds", ", ".join(f"{name} {s:.2f}" for name, s in facts.timings_s.items())),
        ]
        body = "".join(f"<tr><th>{text(k)}</th><td>{text(v)}</td></tr>" for k, v in rows if v)
        return f'<section class="made"><h2>How this was made</h2><table>{body}</table></section>'


def part_shares(mask: Bool[Tensor, "verts"], topology: BodyTopology) -> dict[str, float]:
    """Share of each body part's vertices in the mask, parts without any left out."""
    part = topology.part_of_vertex.long()
    total = torch.bincount(part, minlength=len(PART_NAMES))
    inside = torch.bincount(part[mask], minlength=len(PART_NAMES))
    share = (inside / total.clamp(min=1)).tolist()
    return {name: value for name, value in zip(PART_NAMES, share, strict=True) if value > 0}


def contact_area_cm2(mask: Bool[Tensor, "verts"], topology: BodyTopology) -> float:
    """Area of the canonical body in contact; a face counts by the share of its corners."""
    corners = topology.canonical_vertices[topology.faces.long()].double()
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    share = mask[topology.faces.long()].double().mean(1)
    return float((normal.norm(dim=-1) / 2 * share).sum()) * 1e4


def _headline(cards: Sequence[AnyCard]) -> str:
    touched = [card.label for card in cards if card.touched]
    first = cards[0]
    if isinstance(first, ObjectCard):
        if not touched:
            return f"Nothing marked on {_words([first.label])}"
        use = f"“{first.affordance}”" if first.affordance else "Contact"
        return f"{use} on {_words(touched)}"
    return f"Touches {_words(touched)}" if touched else "No contact found"


def _object_summary(card: ObjectCard) -> str:
    drawn = f"{card.num_faces:,} triangles" if card.num_faces else "drawn as discs"
    legend = image(heat_legend(), "Heat colours from probability 0 to 1", "PNG")
    size = f"{card.num_points:,} points, {drawn}"
    return (
        f"<h2>Heat on the object</h2><p>{text(card.file)}: {size}.</p>"
        f'{legend}<p class="hint">Grey stays below 0.1. The pictures are the four views that the '
        "model is shown, in heat colours.</p>"
    )


def _card(card: AnyCard) -> str:
    if isinstance(card, PhotoCard):
        return _photo_card(card)
    return _object_card(card) if isinstance(card, ObjectCard) else _body_card(card)


def _body_card(card: Card) -> str:
    numbers = [
        ("highest probability", f"{card.max_probability:.2f}"),
        ("threshold", f"{card.threshold:.2f}"),
        ("surface points", f"{card.contact_vertices:,} of {card.num_vertices:,}"),
        ("area on the standard body", f"{card.area_cm2:,.0f} cm²"),
        ("of these seen by no view", f"{card.unseen_vertices:,}"),
    ]
    return _section(card, _view_figures(card.views, VIEW_TITLES), numbers)


def _object_card(card: ObjectCard) -> str:
    numbers = [
        ("affordance", text(card.affordance) or "not named"),
        ("highest probability", f"{card.max_probability:.2f}"),
        ("threshold", f"{card.threshold:.2f}"),
        ("points marked", f"{card.marked_points:,} of {card.num_points:,}"),
        ("of these seen by no view", f"{card.unseen_points:,}"),
    ]
    return _section(card, _view_figures(card.views, OBJECT_VIEW_TITLES), numbers)


def _view_figures(views: Sequence[Image.Image], titles: Sequence[str]) -> str:
    figures = "".join(
        f"<figure>{image(view, title, 'PNG')}<figcaption>{title}</figcaption></figure>"
        for view, title in zip(views, titles, strict=True)
    )
    return f'<div class="views">{figures}</div>'


def _photo_card(card: PhotoCard) -> str:
    picture = image(card.picture, f"Contact with {card.label}", "JPEG")
    numbers = [
        ("highest probability", f"{card.max_probability:.2f}"),
        ("threshold", f"{card.threshold:.2f}"),
        ("share of the photo", f"{100 * card.share_of_photo:.2f} %"),
    ]
    return _section(card, f'<div class="seen"><figure>{picture}</figure></div>', numbers)


def _section(card: AnyCard, shown: str, numbers: Sequence[tuple[str, str]]) -> str:
    """Label, words, pictures and numbers of a card."""
    yes, no = ("marked", "nothing marked") if isinstance(card, ObjectCard) else _CONTACT_BADGES
    badge = (
        f'<span class="badge yes">{yes}</span>'
        if card.touched
        else f'<span class="badge no">{no}</span>'
    )
    said = _TOKEN.sub(r'<span class="token">\1</span>', text(card.answer))
    words = f"<blockquote>{said}</blockquote>" if said.strip() else ""
    facts = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in numbers)
    return (
        f'<section class="card"><h2>{text(card.label)} {badge}</h2>{words}'
        f"{shown}<dl>{facts}</dl></section>"
    )


def _share(share: float) -> str:
    if share <= 0:
        return '<td class="none">–</td>'
    return f'<td style="--share:{share:.3f}">{max(share * 100, 1):.0f} %</td>'


def _words(labels: list[str]) -> str:
    plain = ("any object", "the object")
    listed = [label if label in plain else f"“{label}”" for label in labels]
    return listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + " and " + listed[-1]
