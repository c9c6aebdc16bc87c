"""Masks on the canonical views from prompt vectors: SAM's encoder once per view, its decoder often.

Built from transformers' SAM parts. The image encoder is frozen and its output for canonical
renders is kept on disk, so a question costs decoder time only. Knows no words and no vertices.
"""

import hashlib
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import SamMaskDecoderConfig, SamVisionConfig
from transformers.models.sam.modeling_sam import SamMaskDecoder, SamVisionEncoder

from interactvlm.config import LocalizerConfig
from interactvlm.errors import InputError
from interactvlm.mask_decoding import decode_masks
from interactvlm.preprocessing import sam_pixels
from renders.cache import content_key, load_or_build

DecoderTarget = Literal["human", "object", "general"]

DECODER_BYTES = 1 << 29
"""Memory of one decoder call without gradients; more masks are decoded in several calls."""


class MVLocalizer(nn.Module):
    """Prompt vectors and view embeddings in, one logit map per prompt and view out."""

    def __init__(self, config: LocalizerConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: Any = SamVisionEncoder(_encoder_config(config))
        # transformers starts SAM encoders at zero; training from scratch needs a real start.
        nn.init.trunc_normal_(self.image_encoder.pos_embed, std=0.02)
        self.mask_decoder = _decoder(config)
        if config.decoders == "separate":
            self.human_mask_decoder = _decoder(config)
            self.object_mask_decoder = _decoder(config)
        self.no_mask_embed = nn.Embedding(1, config.dim)
        self.register_buffer("position_gaussian", torch.randn(2, config.dim // 2))
        self.position_gaussian: Tensor
        self._encoder_hash: str | None = None

    def encode(
        self, pixel_values: Float[Tensor, "views 3 size size"]
    ) -> Float[Tensor, "views channels grid grid"]:
        """Embeddings of prepared pixel values, with gradients when they are on."""
        return self.image_encoder(pixel_values).last_hidden_state

    @torch.no_grad()
    def encode_views(
        self, images: UInt8[Tensor, "views height width 3"]
    ) -> Float[Tensor, "views channels grid grid"]:
        """Embeddings of renders; one view at a time, because the encoder is the memory peak."""
        weight = self.no_mask_embed.weight
        rows = []
        for image in images.cpu().numpy():
            pixels = sam_pixels(Image.fromarray(image), self.config.image_size_px)
            rows.append(self.encode(pixels[None].to(weight.device, weight.dtype)))
        return torch.cat(rows)

    def encode_views_cached(
        self,
        images: UInt8[Tensor, "views height width 3"],
        view_set_key: str,
        cache_dir: Path | None = None,
    ) -> Float[Tensor, "views channels grid grid"]:
        """`encode_views`, kept on disk under the encoder's hash and the view set's key."""
        weight = self.no_mask_embed.weight
        key = content_key("view embeddings 1", self.encoder_hash(), view_set_key, str(weight.dtype))
        stored = load_or_build(
            f"embeddings-{key}",
            build=lambda: {"embeddings": self.encode_views(images).float().cpu().contiguous()},
            save=save_file,
            load=lambda path: load_file(path),
            suffix=".safetensors",
            folder=cache_dir,
        )
        return stored["embeddings"].to(weight.device, weight.dtype)

    def encoder_hash(self) -> str:
        """Hash of the encoder's weights, computed once per model; see `forget_encoder_hash`."""
        if self._encoder_hash is None:
            digest = hashlib.sha256()
            for name, value in sorted(self.image_encoder.state_dict().items()):
                digest.update(name.encode())
                digest.update(value.detach().float().cpu().numpy().tobytes())
            self._encoder_hash = digest.hexdigest()
        return self._encoder_hash

    def forget_encoder_hash(self) -> None:
        """To be called after the encoder's weights changed."""
        self._encoder_hash = None

    def decode(
        self,
        prompts: Float[Tensor, "batch tokens dim"],
        view_embeddings: Float[Tensor, "views dim grid grid"],
        target: DecoderTarget = "general",
        patches: Int[Tensor, "views patches"] | None = None,
    ) -> Float[Tensor, "batch views low low"]:
        """Logits at four times the grid, every prompt on every view.

        `patches` (see `covered_patches`) limits the work to some patches of each view; the others
        get `BACKGROUND_LOGIT`. Many prompts share one decoder call as far as memory allows. Plain
        twin: `_decode_plain`.
        """
        return self.decode_with_quality(prompts, view_embeddings, target, patches)[0]

    def decode_with_quality(
        self,
        prompts: Float[Tensor, "batch tokens dim"],
        view_embeddings: Float[Tensor, "views dim grid grid"],
        target: DecoderTarget = "general",
        patches: Int[Tensor, "views patches"] | None = None,
    ) -> tuple[Float[Tensor, "batch views low low"], Float[Tensor, "batch views"]]:
        """Logits and SAM's own estimate of their overlap with the truth."""
        self._check_prompts(prompts, view_embeddings)
        views, low = len(view_embeddings), self.config.low_res_px
        if not len(prompts):
            return prompts.new_zeros(0, views, low, low), prompts.new_zeros(0, views)
        chunk = len(prompts)
        if not torch.is_grad_enabled():
            used = self.config.grid**2 if patches is None else patches.shape[1]
            chunk = self._prompts_per_call(views * used)
        image = view_embeddings + self.no_mask_embed.weight[0, None, :, None, None]
        pairs = [
            decode_masks(
                self._decoder_for(target), self._by_view(p, views), image, self.dense_position(),
                patches,
            )
            for p in prompts.split(chunk)
        ]  # fmt: skip
        logits, quality = zip(*pairs, strict=True)
        return torch.cat(logits), torch.cat(quality)

    def dense_position(self) -> Float[Tensor, "1 dim grid grid"]:
        """SAM's random Fourier encoding of the grid's pixel centres."""
        grid, gaussian = self.config.grid, self.position_gaussian
        centre = (torch.arange(grid, device=gaussian.device, dtype=torch.float32) + 0.5) / grid
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        phase = 2 * torch.pi * ((2 * torch.stack([x, y], -1) - 1).to(gaussian.dtype) @ gaussian)
        return torch.cat([phase.sin(), phase.cos()], -1).permute(2, 0, 1)[None]

    def _by_view(
        self, prompts: Float[Tensor, "batch tokens dim"], views: int
    ) -> Float[Tensor, "views batch own dim"]:
        """The vectors each view is shown: its own, or all."""
        if self.config.prompt_mode == "own_view":
            return prompts.transpose(0, 1)[:, :, None]
        return prompts[None].expand(views, -1, -1, -1)

    def _decode_plain(
        self,
        prompts: Float[Tensor, "batch tokens dim"],
        view_embeddings: Float[Tensor, "views dim grid grid"],
        target: DecoderTarget,
    ) -> Float[Tensor, "batch views low low"]:
        """One prompt and one view at a time through transformers' own forward pass."""
        dense = self.no_mask_embed.weight[0, None, :, None, None]
        shown = self._by_view(prompts, len(view_embeddings))
        maps = [
            self._decoder_for(target)(
                image_embeddings=view_embeddings[view, None],
                image_positional_embeddings=self.dense_position(),
                sparse_prompt_embeddings=shown[view, query, None, None],
                dense_prompt_embeddings=dense.expand_as(view_embeddings[:1]),
                multimask_output=False,
            )[0][0, 0, 0]
            for query in range(len(prompts))
            for view in range(len(view_embeddings))
        ]
        return torch.stack(maps).unflatten(0, (len(prompts), len(view_embeddings)))

    def _decoder_for(self, target: DecoderTarget) -> nn.Module:
        if self.config.decoders == "shared" or target == "general":
            return self.mask_decoder
        return self.human_mask_decoder if target == "human" else self.object_mask_decoder

    def _prompts_per_call(self, patches: int) -> int:
        # Keys of the two-way blocks (about 4 live copies) and the upscaled features (about 6 of
        # their size) dominate; 4 bytes each.
        bytes_per_prompt = patches * self.config.dim * 4 * 10
        return max(1, int(DECODER_BYTES // bytes_per_prompt))

    def _check_prompts(self, prompts: Tensor, view_embeddings: Tensor) -> None:
        dim, grid = self.config.dim, self.config.grid
        if prompts.shape[-1] != dim or view_embeddings.shape[1:] != (dim, grid, grid):
            raise InputError(
                f"localizer of dim {dim} and grid {grid} got prompts {tuple(prompts.shape)} and "
                f"view embeddings {tuple(view_embeddings.shape)}"
            )
        if self.config.prompt_mode == "own_view" and prompts.shape[1] != len(view_embeddings):
            raise InputError(
                f"own_view prompts need one vector per view, got {prompts.shape[1]} vectors "
                f"for {len(view_embeddings)} views"
            )


def covered_patches(
    valid: Bool[Tensor, "views height width"], grid: int
) -> Int[Tensor, "views patches"]:
    """Flat indices of the patches that see a surface or lie within one mask pixel of it.

    As many for every view as the fullest one needs; emptier views add patches without surface.
    """
    return listed_patches(patch_cover(valid, grid))


def patch_cover(
    valid: Bool[Tensor, "views height width"], grid: int
) -> Bool[Tensor, "views patches"]:
    """Which patches of the grid see a surface or lie within one mask pixel of it."""
    side = valid.shape[-1] // grid
    reach = max(1, side // 4)
    near = F.max_pool2d(valid.float()[:, None], 2 * reach + 1, stride=1, padding=reach)
    return F.max_pool2d(near, side).flatten(1) > 0


def listed_patches(cover: Bool[Tensor, "views patches"]) -> Int[Tensor, "views listed"]:
    """Flat indices of covered patches, as many for every view as the fullest one needs."""
    count = max(1, int(cover.sum(1).max()))
    return cover.float().topk(count, dim=1).indices.sort(dim=1).values


def upscale_masks(
    low_res: Float[Tensor, "batch views low low"],
    *,
    image_size_px: int,
    resized_hw: tuple[int, int],
    target_hw: tuple[int, int],
) -> Float[Tensor, "batch views height width"]:
    """Logits at the size of the original image, in float32.

    To the encoder's square, padding cut off, to the target; bilinear with half-pixel centres.
    Source: segment-anything, `postprocess_masks`.
    """
    square = (image_size_px, image_size_px)
    masks = F.interpolate(low_res.float(), square, mode="bilinear", align_corners=False)
    masks = masks[..., : resized_hw[0], : resized_hw[1]]
    if tuple(masks.shape[-2:]) == target_hw:
        return masks
    return F.interpolate(masks, target_hw, mode="bilinear", align_corners=False)


def _encoder_config(config: LocalizerConfig) -> SamVisionConfig:
    return SamVisionConfig(
        hidden_size=config.width,
        output_channels=config.dim,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        image_size=config.image_size_px,
        patch_size=config.patch_px,
        mlp_ratio=config.mlp_ratio,
        window_size=config.window,
        global_attn_indexes=list(config.global_blocks),
        num_pos_feats=config.dim // 2,
        initializer_range=0.02,
    )


def _decoder(config: LocalizerConfig) -> SamMaskDecoder:
    sizes = SamMaskDecoderConfig(
        hidden_size=config.dim,
        mlp_dim=config.decoder_mlp_width,
        num_hidden_layers=config.decoder_depth,
        num_attention_heads=config.decoder_heads,
        attention_downsample_rate=config.attention_downsample,
        iou_head_hidden_dim=config.dim,
        # The published decoder uses 1e-5; transformers' default 1e-6 shifts masks by 1e-4.
        layer_norm_eps=1e-5,
    )
    sizes._attn_implementation = "sdpa"
    return SamMaskDecoder(sizes)
