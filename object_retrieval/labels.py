"""From a person's words to a category of the library: plurals, synonyms, modifiers, misspelling.

Knows English nouns of everyday objects; knows no library (its categories are an argument) and no
embedding. What no rule finds is the caller's: free text needs a back end that embeds text.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from renders.errors import InputError

LONGEST = 300
"""Characters of a label."""
MOST_NEAR = 3
"""Near misses that are suggested."""
_NEAR_CUTOFF = 0.7

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("chair", "armchair", "seat", "dining chair", "lawn chair", "recliner"),
    ("stool", "barstool", "footstool", "ottoman"),
    ("bench", "pew"),
    ("sofa", "couch", "settee", "loveseat", "davenport"),
    ("bed", "cot", "bunk", "mattress"),
    ("table", "desk", "dining table", "workbench", "countertop"),
    ("shelf", "bookshelf", "bookcase", "rack"),
    ("cabinet", "cupboard", "wardrobe", "closet", "dresser", "chest of drawers"),
    ("laptop", "notebook computer", "macbook", "portable computer"),
    ("monitor", "tv", "television", "screen", "display", "tvmonitor"),
    ("keyboard", "computer keyboard"),
    ("mouse", "computer mouse"),
    ("cell phone", "mobile", "mobile phone", "phone", "smartphone", "iphone", "telephone",
     "handset"),
    ("remote", "remote control"),
    ("camera", "photo camera"),
    ("cup", "mug", "teacup", "beaker", "tumbler", "paper cup"),
    ("bottle", "flask", "water bottle", "thermos"),
    ("bowl", "basin"),
    ("plate", "dish", "saucer", "platter"),
    ("wine glass", "goblet", "chalice", "champagne glass", "glass", "drinking glass"),
    ("knife", "blade", "kitchen knife", "dagger"),
    ("frying pan", "pan", "skillet", "saucepan", "wok"),
    ("pot", "cooking pot", "casserole"),
    ("teapot", "kettle", "tea kettle", "jug", "pitcher"),
    ("backpack", "rucksack", "knapsack", "schoolbag", "daypack", "satchel"),
    ("handbag", "purse", "bag", "shopping bag", "tote"),
    ("suitcase", "luggage", "baggage", "valise", "trunk"),
    ("trolley", "cart", "shopping cart", "pushcart", "handcart"),
    ("umbrella", "parasol", "brolly"),
    ("ball", "football", "basketball", "volleyball", "baseball", "sports ball", "soccer ball"),
    ("bat", "baseball bat", "cricket bat", "club"),
    ("racket", "racquet", "tennis racket", "badminton racket"),
    ("bicycle", "bike", "cycle", "mountain bike", "pushbike", "velo"),
    ("motorcycle", "motorbike", "moped"),
    ("skateboard", "longboard"),
    ("scooter", "kick scooter", "push scooter"),
    ("surfboard", "paddleboard"),
    ("snowboard",),
    ("skis", "ski"),
    ("frisbee", "flying disc"),
    ("kite",),
    ("box", "carton", "crate", "package", "parcel", "cardboard box"),
    ("barrel", "cask", "keg", "oil drum"),
    ("bucket", "pail"),
    ("basket", "hamper"),
    ("trash can", "bin", "dustbin", "garbage can", "wastebasket", "rubbish bin"),
    ("guitar", "ukulele", "acoustic guitar"),
    ("piano", "upright piano", "grand piano"),
    ("drum", "bongo", "tom"),
    ("hammer", "mallet", "sledgehammer"),
    ("broom", "mop", "besom", "sweeper"),
    ("shovel", "spade"),
    ("ladder", "stepladder"),
    ("scissors", "shears", "scissor"),
    ("axe", "ax", "hatchet"),
    ("wrench", "spanner"),
    ("hair dryer", "blow dryer", "hair drier"),
    ("toothbrush",),
    ("flashlight", "torch", "electric torch"),
    ("lamp", "light", "desk lamp", "floor lamp", "lantern"),
    ("vase", "urn", "flower vase"),
    ("book", "novel", "textbook", "notebook"),
    ("clock", "alarm clock", "wall clock"),
    ("watch", "wristwatch"),
    ("headphones", "earphones", "headset", "headphone"),
    ("hat", "cap", "helmet"),
    ("wheelchair",),
    ("stroller", "pram", "pushchair", "baby carriage"),
    ("potted plant", "plant", "houseplant", "flowerpot"),
    ("dumbbell", "weight", "barbell"),
    ("car", "automobile"),
    ("bathtub", "tub", "bath"),
    ("boat", "rowboat", "dinghy", "rowing boat"),
    ("kayak", "canoe"),
    ("door", "doorway"),
    ("fan", "electric fan", "ventilator"),
    ("fire hydrant", "hydrant"),
    ("glasses", "spectacles", "eyeglasses", "sunglasses", "goggles"),
    ("mailbox", "letterbox", "postbox"),
    ("microwave", "microwave oven"),
    ("refrigerator", "fridge", "freezer", "icebox"),
    ("shoe", "sneaker", "boot", "sandal", "footwear"),
    ("sink", "washbasin", "washstand"),
    ("teddy bear", "teddy", "stuffed animal", "stuffed bear", "soft toy", "plush toy"),
    ("toilet", "lavatory", "loo", "wc"),
    ("traffic cone", "cone", "pylon"),
    ("washing machine", "washer"),
    ("fork",),
    ("spoon", "ladle", "teaspoon"),
)  # fmt: skip
"""Words for the same thing. The one that the library uses may be any of a group."""

_ARTICLES = {"a", "an", "the", "some", "my", "your", "his", "her", "their", "our", "this", "that"}
_PREPOSITIONS = {
    "of", "with", "for", "on", "in", "from", "by", "at", "without", "under", "made", "full",
    "filled", "covered",
}  # fmt: skip
"""What comes before them is what is meant."""
_MEASURES = {"pair", "piece", "set", "kind", "type", "sort", "couple", "picture", "photo", "image"}
"""Before "of", these are not what is meant."""


@dataclass(frozen=True)
class LabelMatch:
    """What a label means in a library."""

    label: str
    """As asked, tidied."""
    category: str | None
    """The library's category; None when no rule finds one."""
    rule: str = ""
    """How it was found: `name`, `plural`, `synonym` or `main word`."""
    near: tuple[str, ...] = ()
    """Where none was found: categories of similar spelling, nearest first."""

    def explain(self) -> str:
        """One line for a person; empty when the label is the category's own name."""
        if self.category is None:
            hint = f"near by spelling: {', '.join(self.near)}" if self.near else "none is near"
            return f"label {self.label!r} names no category of the library; {hint}"
        if self.rule == "name":
            return ""
        return f"label {self.label!r} is taken as {self.category!r} ({self.rule})"


def match_label(label: str, categories: Sequence[str]) -> LabelMatch:
    """The category that a label means, by its name, plural, synonyms or main word.

    "Office chairs" is a chair, "cup of tea" a cup, "pair of scissors" scissors. Of several
    readings the longest phrase counts, and a category's own name before a synonym.

    Raises:
        InputError: the label is empty, has no letter, or is longer than `LONGEST`.
    """
    tidy = tidy_label(label)
    own, meanings = _vocabulary(categories)
    all_words = tidy.split()
    words = _head_phrase(all_words)
    # "Carry-on suitcase" has its preposition before what is meant.
    for start, end in _suffixes(words, all_words):
        for phrase in _singulars(all_words[start:end]):
            squeezed = phrase.replace(" ", "")
            category = own.get(squeezed) or meanings.get(squeezed)
            if category is None:
                continue
            if squeezed not in own:
                rule = "synonym"
            elif squeezed == tidy.replace(" ", ""):
                rule = "name"
            else:
                rule = "plural" if end - start == len(all_words) else "main word"
            return LabelMatch(tidy, category, rule)
    known = own | meanings
    near = []
    for word in (tidy.replace(" ", ""), *words[-1:]):
        near += difflib.get_close_matches(word, known, n=8, cutoff=_NEAR_CUTOFF)
    found = tuple(dict.fromkeys(known[word] for word in near))[:MOST_NEAR]
    return LabelMatch(tidy, None, near=found)


def tidy_label(label: str) -> str:
    """Lower case words separated by single spaces, without articles and punctuation.

    Raises:
        InputError: as `match_label`.
    """
    if len(label) > LONGEST:
        raise InputError(
            f"label has {len(label)} characters, at most {LONGEST} are read; name one object"
        )
    text = unicodedata.normalize("NFKC", label).lower().replace("'s", "")
    words = re.sub(r"[\W_]+", " ", text).split()
    kept = [word for word in words if word not in _ARTICLES] or words
    if not any(character.isalpha() for word in kept for character in word):
        raise InputError(f"label must name an object in words, got {label!r}")
    return " ".join(kept)


def _vocabulary(categories: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Categories by their own names, and by their synonyms; words without spaces."""
    own = {_squeezed(category): category for category in categories}
    meanings: dict[str, str] = {}
    for group in SYNONYMS:
        present = [own[s] for s in map(_squeezed, group) if s in own]
        if present:
            for word in group:
                meanings.setdefault(_squeezed(word), present[0])
    return own, {word: meanings[word] for word in meanings.keys() - own.keys()}


def _squeezed(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _head_phrase(words: list[str]) -> list[str]:
    """The words up to the first preposition; after it where those before only measure."""
    for place, word in enumerate(words):
        if word in _PREPOSITIONS and place:
            before, after = words[:place], words[place + 1 :]
            if word == "of" and _MEASURES & set(_singulars(before[-1:])) and after:
                return _head_phrase(after)
            return before
    return words


def _suffixes(head: list[str], words: list[str]) -> Iterator[tuple[int, int]]:
    """Ends of the head phrase as (first, one past last) word, longest first; then of all words."""
    begin = next(
        i for i in range(len(words)) if words[i : i + len(head)] == head
    )  # the head is a run of the words
    for end, first in ((begin + len(head), begin), (len(words), 0)):
        yield from ((start, end) for start in range(first, end))


def _singulars(words: list[str]) -> Iterator[str]:
    """The phrase, then it with its last word in what may be its singular."""
    *front, last = words
    forms = [last]
    if last.endswith("ies"):
        forms.append(last[:-3] + "y")
    if last.endswith("ves"):
        forms += [last[:-3] + "f", last[:-3] + "fe"]
    if last.endswith("es"):
        forms.append(last[:-2])
    if last.endswith("s"):
        forms.append(last[:-1])
    if last == "mice":
        forms.append("mouse")
    yield from (" ".join([*front, form]) for form in forms if form)
