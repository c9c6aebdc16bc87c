"""InteractVLM: one photo and some words in, contact on the canonical body or an object out.

Composes the language model, the token projection, FeatLift and the localizer. `forward` is for
training, `predict_*` for users; a result never comes from an answer the model was given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor, nn

from interactvlm import questions, templates
from interactvlm.config import CONFIG_FILE, InteractVLMConfig
from interactvlm.errors import AssetError, InputError
from interactvlm.feat_lift import CAMERA_NUMBERS, AttentionSplitter, FeatLift
from interactvlm.generation import GeneratedAnswer, GenerationOptions, generate_answers
from interactvlm.heat import calibrated_heat
from interactvlm.language import LanguageModel, frame_photo, merged_state_dict
from interactvlm.localizer import MVLocalizer, upscale_masks
from interactvlm.photo_contact import PhotoContact, limited_to_box, photo_probabilities
from interactvlm.placement import WHOLE, Placement
from interactvlm.preprocessing import require_photo
from interactvlm.projection import TokenProjection
from interactvlm.results import ContactMap
from interactvlm.surface_views import SurfaceViews, encode_surface
from interactvlm.tokens import Tokenizer
from interactvlm.weights import require_folder, save_weights
from renders.cache import atomic_write
from renders.canonical import ViewSet, build_human_view_set, build_object_view_set
from renders.lifting import lift_human_logits, lift_object_logits, lift_point_logits
from renders.mesh import Mesh, PointCloud

LIFTS_PER_CALL = 8
"""Questions lifted to vertices at once; bounds the memory of full-size masks."""


@dataclass(frozen=True, eq=False)
class TrainingOutput:
    """What the losses need. A query is one contact token of one sample."""

    logits: Float[Tensor, "batch expanded vocab"]
    """Next-token logits; stretch labels with `language.expand`."""
    query_sample: Int[Tensor, "queries"]
    """Row of the batch each query belongs to."""
    query_hidden: Float[Tensor, "queries hidden"]
    """States that emit the contact token."""
    mask_logits: Float[Tensor, "queries views low low"]
    """Contact on the views."""
    vertex_probability: Float[Tensor, "queries verts"]
    """Contact on the surface; vertices no view sees are 0."""


class ModelParts(nn.Module):
    """Everything of a model that weights fill; sizes are all in the config."""

    def __init__(self, config: InteractVLMConfig) -> None:
        super().__init__()
        self.config = config
        local = config.localizer
        self.language = LanguageModel(config)
        self.token_projection = TokenProjection(config.language.hidden, local.dim)
        self.feat_lift = FeatLift(local)
        if local.splitter_width:
            self.attention_splitter = AttentionSplitter(local.dim, local.splitter_width)
        self.localizer = MVLocalizer(local)


class InteractVLM(ModelParts):
    """The whole model; the tokenizer travels with the weights."""

    def __init__(self, config: InteractVLMConfig, tokenizer: Tokenizer) -> None:
        if len(tokenizer) > config.language.vocab_size:
            raise AssetError(
                f"tokenizer has {len(tokenizer)} ids, the config's vocab_size is only "
                f"{config.language.vocab_size}"
            )
        super().__init__(config)
        self.tokenizer = tokenizer
        self.placement = WHOLE
        """How its weights were placed when it was loaded."""
        self._human_views: SurfaceViews | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.token_projection.outer.weight.device

    @staticmethod
    def from_pretrained(
        path: Path | str,
        *,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
        placement: Placement = WHOLE,
    ) -> "InteractVLM":
        """A model from a folder that `save_pretrained` or `interactvlm convert` wrote, in
        evaluation mode. Without `dtype` its numbers are as wide as the vocabulary's on disk.
        `placement` narrows the language model to 4 bits or keeps what does not fit elsewhere.

        Raises:
            AssetError: a folder, file, key or shape is not as it should be.
            InputError: the folder's weights cannot be placed so.
            ResourceError: 4 bits need what is not here.
        """
        from interactvlm.model_loading import load_model

        return load_model(require_folder(Path(path)), device, dtype, placement)

    def save_pretrained(self, path: Path | str) -> None:
        """Writes config, tokenizer and weights (adapters merged), each file whole or not at all.

        Raises InputError for a model whose weights are not all in memory as they are.
        """
        if self.placement != WHOLE:
            raise InputError(
                "a model that was narrowed or spread while loading cannot be saved; copy its "
                "folder, or load it whole"
            )
        folder = Path(path)
        save_weights(merged_state_dict(self), folder)
        with atomic_write(folder / "tokenizer.json") as temporary:
            self.tokenizer.save_file(temporary)
        with atomic_write(folder / CONFIG_FILE) as temporary:
            self.config.save(temporary)

    def human_views(self) -> SurfaceViews:
        """Views of the canonical body; rendered and encoded once, then kept on disk."""
        weight, views = self.token_projection.outer.weight, self._human_views
        if views is None or views.embeddings.to(weight) is not views.embeddings:
            from human_recovery.topology import get_topology

            topology = get_topology(self.config.topology)
            mesh = Mesh(topology.canonical_vertices.float(), topology.faces)
            views = self._human_views = self._views_of(mesh, build_human_view_set)
        return views

    def object_views(self, surface: Mesh | PointCloud) -> SurfaceViews:
        """Views of an object; encoded once per mesh or point cloud, kept on disk."""
        return self._views_of(surface, build_object_view_set)

    def forget_views(self) -> None:
        """To be called after the image encoder's weights changed."""
        self._human_views = None
        self.localizer.forget_encoder_hash()

    def prompt_vectors(
        self,
        hidden: Float[Tensor, "queries hidden"],
        cameras: Float[Tensor, "views 5"],
        target: Literal["human", "object"] = "human",
    ) -> Float[Tensor, "queries views dim"]:
        """The mask decoder's prompts from the states that emitted contact tokens."""
        vectors = self.feat_lift(self.token_projection(hidden), cameras.to(hidden.device))
        if self.config.localizer.splitter_width:
            vectors = self.attention_splitter(vectors, target)
        return vectors

    def lift(
        self,
        mask_logits: Float[Tensor, "queries views low low"],
        views: SurfaceViews,
        target: Literal["human", "object"] = "human",
    ) -> Float[Tensor, "queries verts"]:
        """Vertex probabilities; vertices no view sees get 0 (`view_set.fill_unseen` fills them)."""
        side = views.surface_map.height_px
        square = self.config.localizer.image_size_px
        masks = upscale_masks(
            mask_logits, image_size_px=square, resized_hw=(square, square), target_hw=(side, side)
        )
        if target == "human":
            return lift_human_logits(views.surface_map, masks)
        points = isinstance(views.view_set.surface, PointCloud)
        return (lift_point_logits if points else lift_object_logits)(views.surface_map, masks)

    def forward(
        self,
        pixel_values: Tensor,
        input_ids: Int[Tensor, "batch tokens"],
        attention: Bool[Tensor, "batch tokens"] | None = None,
        *,
        views: SurfaceViews | None = None,
        target: Literal["human", "object"] = "human",
    ) -> TrainingOutput:
        """Teacher-forced pass over a batch of one kind of query on one surface.

        `views` defaults to the canonical body. Samples without a contact token give no query.
        """
        views = self.human_views() if views is None else views
        image_tokens = self.language.encode_image(pixel_values)
        words = self.language(input_ids, image_tokens, attention)
        row, at = self.language.emitting(input_ids, self._token_id(target))
        hidden = words.hidden[row, at]
        prompts = self.prompt_vectors(hidden, views.cameras, target)
        mask_logits = self.localizer.decode(prompts, views.embeddings, target, views.patches)
        return TrainingOutput(
            logits=words.logits,
            query_sample=row,
            query_hidden=hidden,
            mask_logits=mask_logits,
            vertex_probability=self.lift(mask_logits, views, target),
        )

    @torch.no_grad()
    def predict_contact(
        self,
        image: Image.Image,
        labels: Sequence[str] = ("",),
        *,
        box_xyxy_px: Sequence[int | float] | None = None,
        known_only: bool = True,
    ) -> list[ContactMap]:
        """Contact of the body with each label, in the order given; "" asks for any object.

        The photo is read once, all labels run as one batch. `box_xyxy_px` names the person. An
        answer without a contact token gives an empty map with its words. `known_only=False`, for
        measuring, also asks what the model was not trained on: labels (it can spell them, no
        more) and whole tasks.

        Raises InputError for an unknown label, an unusable photo or box, or a model that marks
        contact on the photo (`predict_photo_contact`) or on objects only (`predict_affordance`).
        """
        self._require_answers_on("body")
        if known_only:
            self.config.require_trained_for("body")
        asked = [self.known_label(label) if known_only else label for label in labels]
        views = self.human_views()
        words = [questions.body_question(self.config, label) for label in asked]
        answers = self._answers(image, words, "human", box_xyxy_px)
        return self._contact_maps(asked, answers, views, "human")

    @torch.no_grad()
    def predict_photo_contact(
        self,
        image: Image.Image,
        labels: Sequence[str] = ("",),
        *,
        box_xyxy_px: Sequence[int | float] | None = None,
    ) -> list[PhotoContact]:
        """Contact with each label as a mask over the photo, in its own pixels.

        SAM encodes the whole photo once. A box crops what the words are read from, and nothing
        outside it is marked. Raises InputError as `predict_contact`, for a model of the body.
        """
        self._require_answers_on("photo")
        photo, asked = require_photo(image), [self.known_label(label) for label in labels]
        words = [questions.body_question(self.config, label) for label in asked]
        answers = self._answers(photo, words, "human", box_xyxy_px)
        token = self._token_id("human")
        touched = [i for i, answer in enumerate(answers) if token in answer.states]
        found: dict[int, Tensor] = {}
        if touched:
            hidden = torch.stack([answers[i].states[token] for i in touched])
            no_cameras = hidden.new_zeros(self.config.localizer.num_views, CAMERA_NUMBERS)
            prompts = self.prompt_vectors(hidden, no_cameras)
            masks = photo_probabilities(self.localizer, prompts, photo)
            found = dict(zip(touched, masks, strict=True))
        nothing = torch.zeros(photo.height, photo.width)
        return [
            PhotoContact(
                pixel_probability=limited_to_box(found.get(i, nothing), box_xyxy_px),
                label=label,
                threshold=self.config.threshold,
                answer=self.tokenizer.decode(answer.token_ids),
                finished=answer.finished,
            )
            for i, (label, answer) in enumerate(zip(asked, answers, strict=True))
        ]

    @torch.no_grad()
    def predict_affordance(
        self,
        image: Image.Image,
        label: str,
        surface: Mesh | PointCloud | SurfaceViews,
        *,
        affordance: str = "",
        ask: questions.ObjectJob | None = None,
        box_xyxy_px: Sequence[int | float] | None = None,
        known_only: bool = True,
    ) -> ContactMap:
        """Where on an object's mesh or points (or their views) its use, or the person's touch, is.

        `ask` chooses between `affordance` and contact on the `object`; None takes what the weights
        were trained for. A given `affordance` ("sit") begins the model's answer, which goes on from
        there; otherwise the model names one itself, if it does. `label` "" asks about "the object".
        `known_only` as in `predict_contact`.

        Raises InputError for what was never trained, an unknown label or affordance, or an unusable
        photo, box or surface.
        """
        job = ask or self.config.object_job
        if known_only:
            self.config.require_trained_for(job)
        self.tokenizer.plain(affordance)
        begun = questions.begun_answer(self.config, affordance, job)
        asked = self.known_label(label) if known_only else label
        views = surface if isinstance(surface, SurfaceViews) else self.object_views(surface)
        question = questions.object_question(self.config, asked, job)
        (answer,) = self._answers(image, [question], "object", box_xyxy_px, begun)
        (contact,) = self._contact_maps([asked], [answer], views, "object")
        words = f"{begun} {contact.answer}".strip()
        named = questions.named_affordance(self.config, words)
        given = questions.known_affordance(self.config, affordance)
        return replace(contact, answer=words, affordance=given or named)

    def known_label(self, label: str) -> str:
        """The label in the model's spelling. Raises InputError with the nearest known ones."""
        self.tokenizer.plain(label)
        return questions.known_label(self.config, label)

    def _require_answers_on(self, surface: Literal["body", "photo"]) -> None:
        if self.config.answers_on != surface:
            fitting = "predict_photo_contact" if surface == "body" else "predict_contact"
            raise InputError(
                f"this model marks contact on the {self.config.answers_on}, not on the {surface}; "
                f"use {fitting}"
            )

    def _token_id(self, target: Literal["human", "object"]) -> int:
        return self.tokenizer.human_id if target == "human" else self.tokenizer.object_id

    def _answers(
        self,
        image: Image.Image,
        asked: Sequence[str],
        target: Literal["human", "object"],
        box_xyxy_px: Sequence[int | float] | None,
        begun: str = "",
    ) -> list[GeneratedAnswer]:
        """What the model says after `begun`, which is not repeated."""
        photo = frame_photo(require_photo(image), self.config.vision, box_xyxy_px)
        pixels = self.language.vision.preprocess([photo]).to(self.device)
        image_tokens = self.language.encode_image(pixels)[0]
        options = GenerationOptions(
            eos_id=self.tokenizer.eos_id,
            watched_ids=(self._token_id(target),),
            max_new_tokens=self.config.max_new_tokens,
            refusal_ids=self.no_contact_starts,
            refusal_bias=self.config.no_contact_bias,
        )
        style = self.config.template_style
        prompts = [self.tokenizer.prompt(question, style, begun) for question in asked]
        return generate_answers(self.language, image_tokens, prompts, options)

    @cached_property
    def no_contact_starts(self) -> tuple[int, ...]:
        """First tokens of answers without contact that begin no other answer."""
        style, tokenizer = self.config.template_style, self.tokenizer
        return templates.no_contact_starts(lambda text: tokenizer.answer_start(text, style))

    def _contact_maps(
        self,
        labels: Sequence[str],
        answers: Sequence[GeneratedAnswer],
        views: SurfaceViews,
        target: Literal["human", "object"],
    ) -> list[ContactMap]:
        token = self._token_id(target)
        touched = [i for i, answer in enumerate(answers) if token in answer.states]
        vertex = torch.zeros(len(labels), views.surface_map.num_vertices)
        low_res: dict[int, Tensor] = {}
        for start in range(0, len(touched), LIFTS_PER_CALL):
            chunk = touched[start : start + LIFTS_PER_CALL]
            hidden = torch.stack([answers[i].states[token] for i in chunk])
            prompts = self.prompt_vectors(hidden, views.cameras, target)
            logits = self.localizer.decode(prompts, views.embeddings, target, views.patches)
            lifted = self.lift(logits, views, target).cpu().float()
            if target == "object":
                lifted = calibrated_heat(lifted, self.config.heat_gain, self.config.heat_shift)
            lifted = views.view_set.fill_unseen(lifted)
            vertex[chunk] = lifted
            low_res |= dict(zip(chunk, logits.float().sigmoid().cpu(), strict=True))
        topology = self.config.topology if target == "human" else "object"
        return [
            ContactMap(
                vertex_probability=vertex[i],
                topology=topology,
                label=label,
                threshold=self.config.threshold,
                seen=views.view_set.seen,
                view_probability=low_res.get(i),
                answer=self.tokenizer.decode(answer.token_ids),
                finished=answer.finished,
                no_contact_margin=answer.refusal_margin,
            )
            for i, (label, answer) in enumerate(zip(labels, answers, strict=True))
        ]

    def _views_of(self, surface: Mesh | PointCloud, build: Callable[..., ViewSet]) -> SurfaceViews:
        return encode_surface(self.localizer, self.config, surface, build, self.device)
