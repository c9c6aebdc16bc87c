"""The model a recipe starts from: a converted folder, with the modules it lacks added fresh.

LISA has no camera encoder and one contact token; the recipes add a camera encoder, and the joint
one two tokens and an attention over the views. Says what is learned and what stays as it is.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from interactvlm.config import (
    CONFIG_FILE,
    InteractVLMConfig,
    LanguageConfig,
    LocalizerConfig,
    TokenConfig,
)
from interactvlm.data.lemon import AFFORDANCES as LEMON_AFFORDANCES
from interactvlm.data.piad import AFFORDANCES as PIAD_AFFORDANCES
from interactvlm.errors import InputError
from interactvlm.feat_lift import AttentionSplitter, FeatLift
from interactvlm.int8 import ANY_VALUES
from interactvlm.model import InteractVLM
from interactvlm.training.recipe_words import AFFORDANCE_ANSWERS, AFFORDANCE_QUESTIONS
from interactvlm.training.recipes import Recipe
from interactvlm.weights import require_folder, stored_dtype

NewModule = TypeVar("NewModule", bound=nn.Module)

JOINT_TOKENS = ("[HSEG]", "[OSEG]")
"""Contact tokens of the joint model for the body and the object."""
JOINT_WIDTH = 128
"""Width of its attention over the views."""
_START_STD = 0.02
"""Of the weights of new modules, their biases being 0. Source: what the published loader leaves."""
_LEARNED = (
    "language.llama.model.embed_tokens.", "language.llama.lm_head.", "token_projection.",
    "feat_lift.", "attention_splitter.", "localizer.mask_decoder.",
    "localizer.human_mask_decoder.", "localizer.object_mask_decoder.",
)  # fmt: skip
"""Learned as a whole, beside the adapters. Source: InteractVLM, training script."""


def load_base(folder: Path, recipe: Recipe, device: str) -> InteractVLM:
    """The converted model of a folder, grown to what the recipe trains; adapters not yet on.

    New modules draw from torch's generator.

    Raises:
        AssetError: the folder is no model folder, or not yet converted.
        InputError: the model in it cannot be trained by this recipe.
    """
    config = InteractVLMConfig.load(require_folder(folder) / CONFIG_FILE)
    _require_trainable(config, recipe, folder)
    if stored_dtype(folder, ANY_VALUES) == torch.int8:
        raise InputError(
            f"8-bit weights cannot be trained; convert the release to bf16: {str(folder)!r}"
        )
    model = InteractVLM.from_pretrained(folder, device=device)
    if not recipe.photo:
        _add_cameras(model)
    if recipe.joint:
        _add_joint_parts(model)
    _set_config(model, replace(model.config.language, lora=recipe.lora), model.config.localizer)
    model.config = replace(model.config, trained_for=recipe.jobs, **_object_words(recipe))
    return model


def _object_words(recipe: Recipe) -> dict[str, Any]:
    """How the finished model is asked about objects: as it was in training."""
    words: dict[str, Any] = {
        "object_question": "", "affordance_question": "", "affordance_answer": "",
        "affordances": (),
    }  # fmt: skip
    if "affordance" in recipe.jobs:
        words["affordance_question"] = AFFORDANCE_QUESTIONS[0]
        words["affordance_answer"] = AFFORDANCE_ANSWERS[0].removesuffix(" {token}")
        words["affordances"] = tuple(dict.fromkeys(PIAD_AFFORDANCES + LEMON_AFFORDANCES))
    return words


def make_trainable(model: InteractVLM) -> list[nn.Parameter]:
    """Adds adapters, freezes all that is not learned, and returns what is, in float32."""
    model.language.add_lora()
    learned = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name or name.startswith(_LEARNED))
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
            learned.append(parameter)
    return learned


def _require_trainable(config: InteractVLMConfig, recipe: Recipe, folder: Path) -> None:
    if config.vision.kind != "clip" or not config.topology.startswith("smpl"):
        raise InputError(
            f"recipe {recipe.name!r} starts from a converted LISA or InteractVLM folder; this one "
            f"answers on the body {config.topology!r} with the photo tower "
            f"{config.vision.kind!r}: {str(folder)!r}"
        )
    if recipe.photo and config.answers_on != "photo":
        raise InputError(
            f"recipe {recipe.name!r} starts from LISA or a release that marks contact on the "
            f"photo; this model marks it on the body: {str(folder)!r}"
        )


def _add_cameras(model: InteractVLM) -> None:
    """Four views and a fresh camera encoder where the model has none."""
    local = model.config.localizer
    if local.feat_lift != "none":
        return
    local = replace(local, feat_lift="featlift", num_views=4)
    model.feat_lift = _started(FeatLift(local), model)
    model.config = replace(model.config, answers_on="body", contact_question="")
    _set_config(model, model.config.language, local)


def _add_joint_parts(model: InteractVLM) -> None:
    """Own tokens for body and object, which begin as the single one, and the splitter."""
    local, tokens = model.config.localizer, model.config.tokens
    if not local.splitter_width:
        local = replace(local, splitter_width=JOINT_WIDTH)
        splitter = AttentionSplitter(local.dim, JOINT_WIDTH)
        model.attention_splitter = _started(splitter, model)
        _set_config(model, model.config.language, local)
    if tokens.human != tokens.object:
        return
    human, target = JOINT_TOKENS
    more = tuple(dict.fromkeys((*tokens.more, tokens.human)))
    _add_tokens(model, replace(tokens, human=human, object=target, more=more))


def _add_tokens(model: InteractVLM, tokens: TokenConfig) -> None:
    """The rows of new tokens are copies of the old contact token's, which means the same (ours)."""
    old = model.tokenizer.human_id
    model.tokenizer = model.tokenizer.with_specials(tokens)
    rows = max(model.config.language.vocab_size, len(model.tokenizer))
    llama = model.language.llama
    llama.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for weight in (llama.model.embed_tokens.weight, llama.lm_head.weight):
            for new in (model.tokenizer.human_id, model.tokenizer.object_id):
                weight[new] = weight[old]
    model.config = replace(model.config, tokens=tokens)
    language = replace(model.config.language, vocab_size=rows)
    _set_config(model, language, model.config.localizer)


def _set_config(model: InteractVLM, language: LanguageConfig, local: LocalizerConfig) -> None:
    model.config = replace(model.config, language=language, localizer=local)
    model.language.config, model.localizer.config = model.config.language, local


def _started(module: NewModule, model: InteractVLM) -> NewModule:
    """A new module with its first weights, beside the others of a model."""
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=_START_STD)
    return module.to(model.token_projection.outer.weight)
