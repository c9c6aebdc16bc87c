"""Greedy answers to many questions about one photo, with the photo read once.

The prefix (system text and image) runs through the decoder a single time; its key-value cache is
repeated for a batch of questions, which are padded on the left so that all rows emit their next
token together. For every contact token the state that emitted it is kept. Knows ids, no text.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from interactvlm.language import LanguageModel
from interactvlm.tokens import Prompt

NEVER_REFUSES = -1e4
"""A `refusal_bias` with which no answer begins as a refusal."""


@dataclass(frozen=True)
class GeneratedAnswer:
    """Ids of an answer without its end token; `states` holds, per watched token id, the
    final-norm state that emitted its first occurrence."""

    token_ids: tuple[int, ...]
    states: dict[int, Float[Tensor, "hidden"]] = field(default_factory=dict)
    finished: bool = True
    """False when `max_new_tokens` cut the answer."""
    refusal_margin: float = 0.0
    """Best logit of the first token among the refusals less the best other one, without bias."""

    def __repr__(self) -> str:
        return f"GeneratedAnswer({len(self.token_ids)} tokens, watched {sorted(self.states)})"


@dataclass(frozen=True)
class GenerationOptions:
    """What to stop at and what to keep."""

    eos_id: int
    watched_ids: tuple[int, ...]
    """Token ids whose emitting state is kept."""
    max_new_tokens: int = 64
    batch_size: int = 16
    """Questions per decoder call; bounds the memory of the repeated cache."""
    refusal_ids: tuple[int, ...] = ()
    """Token ids with which a refusal begins (here: an answer that there is no contact)."""
    refusal_bias: float = 0.0
    """Added to their logits at the first token: how readily the model refuses."""


@torch.no_grad()
def generate_answers(
    language: LanguageModel,
    image_tokens: Float[Tensor, "patches hidden"],
    prompts: Sequence[Prompt],
    options: GenerationOptions,
) -> list[GeneratedAnswer]:
    """One greedy answer per prompt. All prompts must share their prefix.

    Plain twin: `_generate_plain`.
    """
    if not prompts:
        return []
    cache, prefix_length = _read_photos(language, image_tokens[None], prompts)
    answers: list[GeneratedAnswer] = []
    for start in range(0, len(prompts), options.batch_size):
        chunk = prompts[start : start + options.batch_size]
        last = start + options.batch_size >= len(prompts)
        shared = cache if last else copy.deepcopy(cache)
        if len(chunk) > 1:
            shared.batch_repeat_interleave(len(chunk))
        suffixes = [prompt.suffix for prompt in chunk]
        answers += _generate_chunk(language, shared, prefix_length, suffixes, options)
    return answers


@torch.no_grad()
def generate_for_photos(
    language: LanguageModel,
    image_tokens: Float[Tensor, "photos patches hidden"],
    photo: Int[Tensor, "prompts"],
    prompts: Sequence[Prompt],
    options: GenerationOptions,
) -> list[GeneratedAnswer]:
    """Questions about several photos as one batch; `photo` says which photo each is about."""
    if not prompts:
        return []
    cache, prefix_length = _read_photos(language, image_tokens, prompts)
    cache.batch_select_indices(photo)
    suffixes = [prompt.suffix for prompt in prompts]
    return _generate_chunk(language, cache, prefix_length, suffixes, options)


def _read_photos(
    language: LanguageModel,
    image_tokens: Float[Tensor, "photos patches hidden"],
    prompts: Sequence[Prompt],
) -> tuple[DynamicCache, int]:
    """Keys and values of the prompts' common prefix for every photo, and its length."""
    prefix = prompts[0].prefix
    if any(prompt.prefix != prefix for prompt in prompts):
        raise ValueError("all prompts of one photo share their prefix")
    ids = torch.tensor([prefix], device=image_tokens.device).expand(len(image_tokens), -1)
    embeddings = language.embed(ids, image_tokens)
    cache = DynamicCache(config=language.llama.config)
    language.llama.model(inputs_embeds=embeddings, past_key_values=cache, use_cache=True)
    return cache, embeddings.shape[1]


def _generate_chunk(
    language: LanguageModel,
    cache: DynamicCache,
    prefix_length: int,
    suffixes: Sequence[tuple[int, ...]],
    options: GenerationOptions,
) -> list[GeneratedAnswer]:
    """Answers of one padded batch on an already repeated prefix cache."""
    device = language.llama.device
    lengths = torch.tensor([len(s) for s in suffixes], device=device)
    longest = int(lengths.max())
    ids = torch.zeros(len(suffixes), longest, dtype=torch.long, device=device)
    for row, suffix in enumerate(suffixes):
        ids[row, longest - len(suffix) :] = torch.tensor(suffix, device=device)
    column = torch.arange(longest, device=device)
    real = column >= longest - lengths[:, None]
    prefix = torch.ones(len(suffixes), prefix_length, dtype=torch.bool, device=device)
    attention = torch.cat([prefix, real], dim=1)
    positions = (prefix_length + column - (longest - lengths[:, None])).clamp(min=0)

    emitted: list[list[int]] = [[] for _ in suffixes]
    states: list[dict[int, Tensor]] = [{} for _ in suffixes]
    ended = [False] * len(suffixes)
    margins = [0.0] * len(suffixes)
    for step in range(options.max_new_tokens):
        hidden = _last_state(language, cache, ids, attention, positions)
        logits = language.llama.lm_head(hidden)
        if step == 0:
            margins = _lean_to_refusal(logits, options)
        ids = logits.argmax(-1)[:, None]
        for row, token in enumerate(ids[:, 0].tolist()):
            if ended[row]:
                continue
            if token == options.eos_id:
                ended[row] = True
                continue
            emitted[row].append(token)
            if token in options.watched_ids:
                states[row].setdefault(token, hidden[row].clone())
        if all(ended):
            break
        # An ended row runs on with the others; what it emits is never read.
        attention = torch.cat([attention, attention.new_ones(len(suffixes), 1)], dim=1)
        positions = positions[:, -1:] + 1
    answers = zip(emitted, states, ended, margins, strict=True)
    return [GeneratedAnswer(tuple(t), s, e, m) for t, s, e, m in answers]


def _lean_to_refusal(
    logits: Float[Tensor, "batch vocab"], options: GenerationOptions
) -> list[float]:
    """Margins of the refusals in each row; then adds the bias, in place."""
    if not options.refusal_ids:
        return [0.0] * len(logits)
    refusals = torch.tensor(options.refusal_ids, device=logits.device)
    others = logits.index_fill(1, refusals, -torch.inf)
    margins = logits[:, refusals].amax(1) - others.amax(1)
    logits[:, refusals] += options.refusal_bias
    return margins.float().tolist()


def _last_state(
    language: LanguageModel,
    cache: DynamicCache,
    ids: Int[Tensor, "batch tokens"],
    attention: Tensor,
    positions: Int[Tensor, "batch tokens"],
) -> Float[Tensor, "batch hidden"]:
    out = language.llama.model(
        inputs_embeds=language.llama.model.embed_tokens(ids),
        attention_mask=attention.long(),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    )
    return out.last_hidden_state[:, -1]


@torch.no_grad()
def _generate_plain(
    language: LanguageModel,
    image_tokens: Float[Tensor, "patches hidden"],
    prompts: Sequence[Prompt],
    options: GenerationOptions,
) -> list[GeneratedAnswer]:
    """The same answers, one prompt at a time, the whole sequence again for every token."""
    answers = []
    for prompt in prompts:
        ids, states, ended = list(prompt.prefix + prompt.suffix), {}, False
        asked, margin = len(ids), 0.0
        while len(ids) - asked < options.max_new_tokens:
            rows = torch.tensor([ids], device=image_tokens.device)
            out = language(rows, image_tokens[None])
            logits = out.logits[:, -1]
            if len(ids) == asked:
                margin = _lean_to_refusal(logits, options)[0]
            token = int(logits[0].argmax())
            if token == options.eos_id:
                ended = True
                break
            if token in options.watched_ids:
                states.setdefault(token, out.hidden[0, -1])
            ids.append(token)
        answers.append(GeneratedAnswer(tuple(ids[asked:]), states, ended, margin))
    return answers
