"""Tiny checkpoints as they are published, with weights that make the model answer."""

import dataclasses
import io
import json

import pytest

from interactvlm import templates
from tests.interactvlm.checkpoints.published import (
    TINY,
    clip_shapes,
    random_state,
    released_shapes,
    save_state,
    settings,
    unmerged,
)

EOS = 2


@pytest.fixture(scope="session")
def sentence_pieces():
    """A small Llama-like SentencePiece model, as bytes, and its number of pieces."""
    spm = pytest.importorskip("sentencepiece")
    writer = io.BytesIO()
    texts = templates.corpus(["chair", "tennis racket"], ["left hand", "torso"])
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=writer, model_type="bpe", vocab_size=340,
        byte_fallback=True, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    model = spm.SentencePieceProcessor(model_proto=writer.getvalue())
    return writer.getvalue(), model.get_piece_size()


@pytest.fixture(scope="session")
def clip_state():
    return random_state(clip_shapes(width=16, depth=3, mlp=32, side=2, patch=14))


@pytest.fixture
def clip_folder(clip_state, tmp_path):
    """The photo tower as published: with its text side and a config of both."""
    folder = tmp_path / "clip"
    folder.mkdir()
    text = random_state({"text_model.final_layer_norm.bias": (8,), "logit_scale": ()})
    save_state(clip_state | text, folder, "bin")
    vision = {"num_attention_heads": 2, "hidden_act": "quick_gelu"}
    (folder / "config.json").write_text(json.dumps({"model_type": "clip", "vision_config": vision}))
    return folder


def speaking_state(sizes, token_id):
    """Random weights, but for two channels that every word carries: the answer is the contact
    token, then the end."""
    state = random_state(released_shapes(sizes))
    words, head = state["model.embed_tokens.weight"], state["lm_head.weight"]
    state["model.norm.weight"].fill_(1.0)
    for key in state:
        if key.endswith("layernorm.weight"):
            state[key].fill_(1.0)
    state["model.mm_projector.bias"][0] = 8.0
    words[:, 0] = 8.0
    words[token_id, 1] = 8.0
    head.zero_()
    head[token_id, 0] = 10.0
    head[EOS, 1] = 40.0
    return state


@dataclasses.dataclass
class Release:
    """A folder as published, and the float32 values that went into it."""

    folder: object
    state: dict
    sizes: object
    added: dict


@pytest.fixture
def publish(sentence_pieces, tmp_path):
    """Writes a tiny release; `adapters` leaves them unmerged, `speaks` is the token of every
    answer, `changes` go to config.json."""
    pieces, count = sentence_pieces

    def publish(layout="bin", *, dtype=None, adapters=False, name="release", **changes):
        sizes = dataclasses.replace(TINY, **changes.pop("sizes", {}))
        speaks = changes.pop("speaks", "[HSEG]" if sizes.splitter else "[SEG]")
        texts = ["[SEG]", "<im_start>", "<im_end>", *(["[HSEG]", "[OSEG]"] * sizes.splitter)]
        added = {text: count + i for i, text in enumerate(texts)}
        sizes = dataclasses.replace(sizes, vocab=count + len(added))
        state = speaking_state(sizes, added[speaks])
        if adapters:
            state = unmerged(state, sizes)
        if dtype is not None:
            state = {key: value.to(dtype) for key, value in state.items()}
        folder = tmp_path / name
        folder.mkdir()
        save_state(state, folder, layout)
        (folder / "tokenizer.model").write_bytes(pieces)
        (folder / "added_tokens.json").write_text(json.dumps(added))
        values = settings(sizes, added, **changes)
        (folder / "config.json").write_text(json.dumps(values))
        return Release(folder, state, sizes, added)

    return publish
