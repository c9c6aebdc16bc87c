"""Text to token ids and back, conversations with an image in them, and the labels of the loss.

Wraps a `tokenizers` file (tokenizer.json). Knows the layout of a conversation, not its wording
(see templates.py) and not the model.

White space next to the tokens named in `TokenConfig.strip_around` is dropped and every piece
between special tokens is encoded on its own: that is what the published tokenizer did to the
texts the released weights were trained on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Int
from torch import Tensor, full, stack, tensor

from interactvlm.config import TokenConfig
from interactvlm.errors import AssetError, InputError

TOKENIZER_FILE = "tokenizer.json"
IMAGE_TEXT = "<image>"
IMAGE_ID = -200
"""Stands for all image tokens of one photo in a list of ids; never looked up in the embedding."""
IGNORED = -100
"""Label of a position without a loss."""


@dataclass(frozen=True)
class ConversationStyle:
    """Where system text, image, question and answer go."""

    before_image: str
    after_image: str
    question: str
    answer: str = " {answer}"
    later_question: str = " {question} Answer:"
    """A question after the first answer of a conversation."""


STYLES = {
    "short": ConversationStyle("", "", " {question} Answer:"),
    "llava_v1": ConversationStyle(
        "A chat between a curious human and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the human's questions. USER: ",
        "",
        "\n{question} ASSISTANT:",
        later_question="USER: {question} ASSISTANT:",
    ),
}
"""`llava_v1` is the prompt of LLaVA-v1 (Apache-2.0), on which all released weights were tuned."""


@dataclass(frozen=True)
class Prompt:
    """Ids of a question, cut after the image: `prefix` is the same for every question."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]


@dataclass(frozen=True)
class TokenBatch:
    """Right-padded conversations for training."""

    input_ids: Int[Tensor, "batch tokens"]
    labels: Int[Tensor, "batch tokens"]
    attention: Bool[Tensor, "batch tokens"]


class Tokenizer:
    """Ids of texts that may hold special tokens and one image place."""

    def __init__(self, backend: Any, config: TokenConfig) -> None:
        self._backend = backend
        self.config = config
        self._special = {text: self._lookup(text) for text in config.specials()}
        pattern = "|".join(
            re.escape(t) for t in sorted((*self._special, IMAGE_TEXT), key=len, reverse=True)
        )
        self._split = re.compile(f"({pattern})")
        self.bos_id = self._special[config.bos]
        self.eos_id = self._special[config.eos]
        self.pad_id = self._special[config.pad]
        self.human_id = self._special[config.human]
        self.object_id = self._special[config.object]

    def __len__(self) -> int:
        return self._backend.get_vocab_size(with_added_tokens=True)

    def __repr__(self) -> str:
        return f"Tokenizer({len(self)} ids, special {list(self._special)})"

    def _lookup(self, text: str) -> int:
        index = self._backend.token_to_id(text)
        if index is None:
            raise AssetError(f"tokenizer has no special token {text!r}, which the config names")
        return index

    def encode(self, text: str, *, bos: bool = False) -> list[int]:
        """Ids of a text; `<image>` becomes `IMAGE_ID`."""
        ids = [self.bos_id] if bos else []
        pieces = self._split.split(text)
        stripping = self.config.strip_around
        for i, piece in enumerate(pieces):
            if i % 2:
                ids.append(IMAGE_ID if piece == IMAGE_TEXT else self._special[piece])
                continue
            if i > 0 and pieces[i - 1] in stripping:
                piece = piece.lstrip()
            if i + 1 < len(pieces) and pieces[i + 1] in stripping:
                piece = piece.rstrip()
            if piece:
                ids.extend(self._backend.encode(piece, add_special_tokens=False).ids)
        return ids

    def decode(self, ids: Sequence[int], *, keep_special: bool = False) -> str:
        """Text of ids; image places vanish, special tokens too unless kept."""
        special = set() if keep_special else set(self._special.values())
        kept = [i for i in ids if i != IMAGE_ID and i not in special]
        text = self._backend.decode(kept, skip_special_tokens=False).strip()
        return text if keep_special else re.sub(r"\s+([.,!?])", r"\1", text)

    def plain(self, text: str) -> str:
        """The text itself. Raises InputError when it holds a special token (a forged label)."""
        found = [t for t in (*self._special, IMAGE_TEXT) if t in text]
        if found:
            raise InputError(f"text {text!r} holds the reserved token {found[0]!r}; remove it")
        return text

    def prompt(self, question: str, style: str, begun: str = "") -> Prompt:
        """Ids of a question about one image, ready for generation; the answer goes on after
        `begun`."""
        text = self._question_text(question, style)
        if begun:
            text += STYLES[style].answer.format(answer=self.plain(begun))
        ids = self.encode(text, bos=True)
        cut = ids.index(IMAGE_ID) + (2 if self.config.image_end else 1)
        return Prompt(tuple(ids[:cut]), tuple(ids[cut:]))

    def example(self, question: str, answer: str, style: str) -> tuple[list[int], list[int]]:
        """Ids and labels of one training conversation; only the answer and its end are learned."""
        asked_text = self._question_text(question, style)
        told_text = STYLES[style].answer.format(answer=answer)
        asked = self.encode(asked_text, bos=True)
        ids = self.encode(asked_text + told_text + self.config.eos, bos=True)
        if ids[: len(asked)] != asked:
            raise InputError(f"the answer {answer!r} changes the ids of its question {question!r}")
        return ids, [IGNORED] * len(asked) + ids[len(asked) :]

    def conversation(
        self, turns: Sequence[tuple[str, str]], style: str
    ) -> tuple[list[int], list[int]]:
        """`example` of several questions about one photo, each with its answer."""
        ids, labels = self.example(*turns[0], style)
        layout = STYLES[style]
        for question, answer in turns[1:]:
            asked = self.encode(layout.later_question.format(question=self.plain(question)))
            told = self.encode(layout.answer.format(answer=answer) + self.config.eos)
            ids, labels = ids + asked + told, labels + [IGNORED] * len(asked) + told
        return ids, labels

    def answer_start(self, answer: str, style: str) -> int:
        """The first id of an answer, as it follows a question."""
        return self.encode(STYLES[style].answer.format(answer=answer))[0]

    def batch(self, examples: Sequence[tuple[list[int], list[int]]]) -> TokenBatch:
        """Right-padded tensors of several `example`s."""
        longest = max(len(ids) for ids, _ in examples)

        def padded(rows: list[list[int]], value: int) -> Tensor:
            out = [full((longest,), value) for _ in rows]
            for target, row in zip(out, rows, strict=True):
                target[: len(row)] = tensor(row)
            return stack(out)

        return TokenBatch(
            input_ids=padded([ids for ids, _ in examples], self.pad_id),
            labels=padded([labels for _, labels in examples], IGNORED),
            attention=padded([[1] * len(ids) for ids, _ in examples], 0).bool(),
        )

    def with_specials(self, config: TokenConfig) -> "Tokenizer":
        """These ids and, behind them, those of special tokens that only `config` names."""
        from tokenizers import AddedToken
        from tokenizers import Tokenizer as Backend

        backend = Backend.from_str(self._backend.to_str())
        lacking = [text for text in config.specials() if backend.token_to_id(text) is None]
        backend.add_special_tokens([AddedToken(text, normalized=False) for text in lacking])
        return Tokenizer(backend, config)

    def save_file(self, path: Path) -> None:
        """Writes tokenizer.json under the given name; the caller makes the write atomic."""
        self._backend.save(str(path))

    @staticmethod
    def load(folder: Path, config: TokenConfig) -> "Tokenizer":
        """Reads tokenizer.json. Raises AssetError when it is missing, broken or lacks a token."""
        from tokenizers import Tokenizer as Backend

        path = folder / TOKENIZER_FILE
        if not path.is_file():
            raise AssetError(f"tokenizer not found; expected a file at {str(path)!r}")
        try:
            backend = Backend.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise AssetError(f"tokenizer cannot be read ({error}): {str(path)!r}") from None
        return Tokenizer(backend, config)

    @staticmethod
    def train(texts: Sequence[str], config: TokenConfig, *, vocab_size: int = 1024) -> "Tokenizer":
        """A byte-level BPE of at most `vocab_size` ids: it can spell any text."""
        from tokenizers import Tokenizer as Backend
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

        backend = Backend(models.BPE())
        backend.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
        backend.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(config.specials()),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend.train_from_iterator(texts, trainer)
        return Tokenizer(backend, config)

    def _question_text(self, question: str, style: str) -> str:
        layout, tokens = STYLES[style], self.config
        image = tokens.image_start + IMAGE_TEXT + tokens.image_end
        asked = layout.question.format(question=self.plain(question))
        return layout.before_image + image + layout.after_image + asked
