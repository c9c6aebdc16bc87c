"""What a recipe minimises on one batch of samples of any kinds: words, masks, surfaces.

Every sum over masks is divided by all samples of the batch, those of words alone included; sums
over squared heat maps and over surfaces by the number of samples that have such a surface.
Source: InteractVLM, training forward pass; each single loss is in `interactvlm.losses`.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor

from human_recovery.topology import BodyTopology
from interactvlm import losses
from interactvlm.errors import InputError
from interactvlm.feat_lift import CAMERA_NUMBERS
from interactvlm.language import frame_photo
from interactvlm.localizer import upscale_masks
from interactvlm.model import InteractVLM
from interactvlm.photo import read_photo
from interactvlm.preprocessing import sam_pixels, sam_resized_hw
from interactvlm.surface_views import SurfaceViews, draw_object_views
from interactvlm.tokens import IGNORED
from interactvlm.training.recipe_data import Drawn
from interactvlm.training.recipe_words import (
    Turns,
    body_turns,
    chat_turns,
    object_turns,
    photo_turns,
)
from interactvlm.training.recipes import Recipe
from renders.lifting import lift_human_logits, lift_object_logits
from renders.mesh import Mesh, PointCloud

Terms = dict[str, Tensor]
"""Weighted losses by name; their sum is minimised."""


class RecipeObjective:
    """The loss of one model under one recipe."""

    def __init__(
        self, model: InteractVLM, recipe: Recipe, object_folder: Path | None = None
    ) -> None:
        self.model, self.recipe, self.object_folder = model, recipe, object_folder

    @cached_property
    def topology(self) -> BodyTopology:
        """The body of the model, asked for only by recipes that have bodies."""
        from human_recovery.topology import get_topology

        return get_topology(self.model.config.topology)

    @cached_property
    def body(self) -> SurfaceViews:
        """Views of the canonical body; the encoder is frozen, so they never change.

        In float32, whatever the encoder's type: the decoder learns in float32.
        """
        views = self.model.human_views()
        return replace(views, embeddings=views.embeddings.float())

    def turns(self, drawn: Drawn, rng: random.Random) -> Turns:
        """Questions and answers of one sample."""
        tokens, fixed = self.model.config.tokens, self.model.config.contact_question
        sample = drawn.sample
        if drawn.truth == "words":
            plain = self.model.tokenizer.plain
            return tuple((asked, plain(told)) for asked, told in chat_turns(sample))
        if drawn.truth == "photo":
            return photo_turns(sample, tokens.human, rng=rng, fixed_question=fixed)
        if drawn.truth == "object":
            return object_turns(sample, tokens.object, rng=rng)
        return body_turns(
            sample, tokens.human, self.topology, rng=rng,
            drop_parts=self.recipe.part_dropout, fixed_question=fixed,
        )  # fmt: skip

    def __call__(self, batch: Sequence[Drawn], rng: random.Random) -> Terms:
        """All terms of a batch, with gradients.

        Raises InputError or AssetError for a photo or sample that cannot be read.
        """
        photos = [_photo(drawn) for drawn in batch]
        with self._autocast():
            words, hidden = self._read(batch, photos, rng)
        terms: Terms = {"words": self.recipe.losses.words * words}
        bodies = [at for at, drawn in enumerate(batch) if drawn.truth == "body"]
        found: list[Terms] = []
        if bodies:
            found.append(self._body_terms([batch[i] for i in bodies], hidden[bodies], len(batch)))
        objects = [drawn for drawn in batch if drawn.truth == "object"]
        for at, drawn in enumerate(batch):
            if drawn.truth == "object":
                alike = sum(_is_heat(other) == _is_heat(drawn) for other in objects)
                found.append(self._object_terms(drawn, hidden[at : at + 1], len(batch), alike))
            elif drawn.truth == "photo":
                photo = photos[at]
                found.append(self._photo_terms(drawn, photo, hidden[at : at + 1], len(batch)))
        for one in found:
            for name, value in one.items():
                terms[name] = terms[name] + value if name in terms else value
        return terms

    def _read(
        self, batch: Sequence[Drawn], photos: list[Image.Image], rng: random.Random
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "batch hidden"]]:
        """Loss of the words, and per sample the state that emits its contact token (0 for none)."""
        model, language = self.model, self.model.language
        style, longest = model.config.template_style, self.recipe.longest_text
        talks = [model.tokenizer.conversation(self.turns(d, rng), style) for d in batch]
        text = model.tokenizer.batch([(ids[:longest], told[:longest]) for ids, told in talks])
        ids = text.input_ids.to(model.device)
        with torch.no_grad():  # tower and projector are frozen
            pixels = language.vision.preprocess(
                [frame_photo(photo, model.config.vision) for photo in photos]
            )
            image_tokens = language.encode_image(pixels.to(model.device))
        out = language(ids, image_tokens, text.attention.to(model.device))
        labels = language.expand(text.labels.to(model.device), ids, IGNORED)
        states = [self._emitting_state(d, ids[at], out.hidden[at]) for at, d in enumerate(batch)]
        return losses.token_cross_entropy(out.logits, labels), torch.stack(states)

    def _emitting_state(
        self, drawn: Drawn, ids: Int[Tensor, "tokens"], hidden: Float[Tensor, "expanded hidden"]
    ) -> Float[Tensor, "hidden"]:
        """The state that emits a sample's contact token; zeros where words are all there is."""
        if drawn.truth == "words":
            return torch.zeros_like(hidden[0])
        tokenizer = self.model.tokenizer
        token = tokenizer.object_id if drawn.truth == "object" else tokenizer.human_id
        _, at = self.model.language.emitting(ids[None], token)
        if len(at) != 1:
            raise InputError(
                f"the answer about {drawn.sample.entry.label!r} does not hold its contact token "
                f"within {self.recipe.longest_text} ids"
            )
        return hidden[at[0]]

    def _views_of_object(self, surface: Mesh | PointCloud) -> SurfaceViews:
        model = self.model
        return draw_object_views(
            model.localizer, model.config, surface, model.device, self.object_folder
        )

    def _autocast(self) -> torch.autocast:
        enabled = self.recipe.precision == "bf16"
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=enabled)

    def _decode(
        self,
        hidden: Float[Tensor, "queries hidden"],
        views: SurfaceViews,
        target: Literal["human", "object"],
    ) -> Float[Tensor, "queries views height width"]:
        """Logits at the resolution of the surface map, in float32."""
        model = self.model
        with self._autocast():
            prompts = model.prompt_vectors(hidden, views.cameras, target)
            low = model.localizer.decode(prompts, views.embeddings, target, views.patches)
        side, square = views.surface_map.height_px, model.config.localizer.image_size_px
        return upscale_masks(
            low, image_size_px=square, resized_hw=(square, square), target_hw=(side, side)
        )

    def _body_terms(
        self, drawn: Sequence[Drawn], hidden: Float[Tensor, "queries hidden"], count: int
    ) -> Terms:
        surface, weights = self.body.surface_map, self.recipe.losses
        logits = self._decode(hidden, self.body, "human")
        contact = torch.stack([_contact(d) for d in drawn]).to(logits.device)
        target = torch.stack([
            surface.masks_from_vertices(c, min_vertices=d.min_vertices)
            for c, d in zip(contact, drawn, strict=True)
        ])  # fmt: skip
        share = len(drawn) / count
        lifted = lift_human_logits(surface, logits)
        vertices = losses.human_vertex_loss(lifted, contact)
        terms = self._mask_terms(logits, target, surface.valid.expand_as(target), share)
        return terms | {"body_vertices": weights.body_vertices * vertices}

    def _object_terms(
        self, drawn: Drawn, hidden: Float[Tensor, "1 hidden"], count: int, alike: int
    ) -> Terms:
        """One object; `count` samples are in the batch, `alike` of them objects of its kind."""
        found, weights = drawn.sample.object, self.recipe.losses
        assert found is not None
        views = self._views_of_object(found.surface)
        surface = views.surface_map
        logits = self._decode(hidden, views, "object")
        heat = found.heat.to(logits.device)[None]
        valid = surface.valid[None]
        if not _is_heat(drawn):
            target = surface.masks_from_vertices(heat, min_vertices=drawn.min_vertices)
            terms = self._mask_terms(logits, target, valid, 1 / count)
            lifted = lift_object_logits(surface, logits)
            if not bool((lifted > 0).any()):  # no pixel above the lift's minimum: nothing to teach
                return terms
            vertices = losses.human_vertex_loss(lifted, heat)
            return terms | {"object_vertices": weights.object_vertices * vertices / alike}
        target, probability = surface.masks_from_vertices(heat, soft=True), logits.sigmoid()
        inputs = probability, target, valid
        points = losses.object_points_loss(surface.lift(probability), heat)
        return {
            "mask_focal": weights.mask_focal * losses.focal_heat_loss(*inputs) / count,
            "mask_dice": weights.mask_dice * losses.dice_heat_loss(*inputs) / count,
            "heat_square": weights.heat_square * losses.heat_square_loss(*inputs) / alike,
            "object_vertices": weights.object_vertices * points / alike,
        }

    def _photo_terms(
        self, drawn: Drawn, photo: Image.Image, hidden: Float[Tensor, "1 hidden"], count: int
    ) -> Terms:
        """Contact marked on the photo itself, in its own pixels."""
        assert drawn.photo_mask is not None
        model, local = self.model, self.model.config.localizer
        weight = model.localizer.no_mask_embed.weight
        with torch.no_grad():  # the encoder is frozen
            pixels = sam_pixels(photo, local.image_size_px)[None]
            embedding = model.localizer.encode(pixels.to(weight.device, weight.dtype)).float()
        with self._autocast():
            no_cameras = hidden.new_zeros(local.num_views, CAMERA_NUMBERS)
            prompts = model.prompt_vectors(hidden, no_cameras)
            low = model.localizer.decode(prompts, embedding)
        logits = upscale_masks(
            low,
            image_size_px=local.image_size_px,
            resized_hw=sam_resized_hw(photo.height, photo.width, local.image_size_px),
            target_hw=(photo.height, photo.width),
        )
        mask = drawn.photo_mask[None, None].float()
        if mask.shape[-2:] != logits.shape[-2:]:
            mask = F.interpolate(mask, logits.shape[-2:], mode="nearest")
        mask = mask.to(logits.device)
        return self._mask_terms(logits, mask, torch.ones_like(mask, dtype=torch.bool), 1 / count)

    def _mask_terms(
        self,
        logits: Float[Tensor, "queries views height width"],
        target: Float[Tensor, "queries views height width"],
        valid: Bool[Tensor, "queries views height width"],
        share: float,
    ) -> Terms:
        weights = self.recipe.losses
        focal = losses.focal_mask_loss(logits, target, valid)
        dice = losses.dice_mask_loss(logits, target, valid)
        return {
            "mask_focal": weights.mask_focal * focal * share,
            "mask_dice": weights.mask_dice * dice * share,
        }


def _photo(drawn: Drawn) -> Image.Image:
    path: Path | None = drawn.sample.entry.image
    assert path is not None
    return read_photo(path).image


def _contact(drawn: Drawn) -> Float[Tensor, "verts"]:
    assert drawn.sample.body is not None
    return drawn.sample.body.in_contact.float()


def _is_heat(drawn: Drawn) -> bool:
    """Whether an object's truth is scores of points instead of contact of a mesh."""
    found = drawn.sample.object
    return drawn.truth == "object" and found is not None and isinstance(found.surface, PointCloud)
