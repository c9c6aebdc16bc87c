"""SAM's mask decoder run for many prompts on few patches, from the weights of transformers' class.

A canonical view is mostly background, and the same views serve every question. So only chosen
patches take part, and what the prompts share is computed once per view. The projections of the
patches inside attention are moved to the few tokens by linearity (q W_k^T · x instead of
q · W_k x), which leaves the patches themselves as the only large tensors. On all patches the
result equals `SamMaskDecoder`; on some, attention simply does not see the others.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

BACKGROUND_LOGIT = -20.0
"""Value of pixels of patches that take no part."""


def decode_masks(
    decoder: Any,
    prompts: Float[Tensor, "views queries tokens dim"],
    image: Float[Tensor, "views dim grid grid"],
    position: Float[Tensor, "1 dim grid grid"],
    patches: Int[Tensor, "views patches"] | None = None,
) -> tuple[Float[Tensor, "queries views low low"], Float[Tensor, "queries views"]]:
    """Logits of the single-mask output at four times the grid, and the decoder's own quality.

    `decoder` is a `SamMaskDecoder`; `image` includes the dense prompt. `patches` are flat indices
    of the patches of each view that take part (default: all); elsewhere the logit is
    `BACKGROUND_LOGIT`.
    """
    views, queries = prompts.shape[:2]
    grid = image.shape[-1]
    keys = image.flatten(2).transpose(1, 2)
    place = position.flatten(2).transpose(1, 2).expand(views, -1, -1)
    if patches is not None:
        index = patches[:, :, None].expand(-1, -1, keys.shape[-1])
        keys, place = keys.gather(1, index), place.gather(1, index)
    output = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    start = torch.cat([output.expand(views, queries, -1, -1), prompts.to(output.dtype)], dim=2)
    tokens, keys = _transform(decoder.transformer, start, keys[:, None], place[:, None])
    values = _paint(decoder, tokens[:, :, 1], keys)
    masks = _arrange(values, patches, grid)
    quality = decoder.iou_prediction_head(tokens[:, :, 0])[..., 0]
    return masks.transpose(0, 1), quality.transpose(0, 1)


def _transform(
    transformer: Any, start: Tensor, keys: Tensor, place: Tensor
) -> tuple[Float[Tensor, "views queries tokens dim"], Float[Tensor, "views queries patches dim"]]:
    """SAM's two-way transformer; `keys` begin without a query axis of their own (size 1)."""
    tokens = start
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            tokens = layer.self_attn(query=tokens, key=tokens, value=tokens)[0]
        else:
            placed = tokens + start
            tokens = tokens + layer.self_attn(query=placed, key=placed, value=tokens)[0]
        tokens = layer.layer_norm1(tokens)
        read = _read_patches(layer.cross_attn_token_to_image, tokens + start, keys, place)
        tokens = layer.layer_norm2(tokens + read)
        tokens = layer.layer_norm3(tokens + layer.mlp(tokens))
        written = _write_patches(
            layer.cross_attn_image_to_token, keys + place, tokens + start, tokens
        )
        keys = layer.layer_norm4(keys + written)
    read = _read_patches(transformer.final_attn_token_to_image, tokens + start, keys, place)
    return transformer.layer_norm_final_attn(tokens + read), keys


def _read_patches(
    attention: Any, query: Tensor, keys: Tensor, place: Tensor
) -> Float[Tensor, "views queries tokens dim"]:
    """Attention of tokens over patches (keys carry their place, values do not).

    The key bias shifts all scores of a token alike and drops out of the softmax; attention
    weights sum to 1, so the value projection may follow the mean.
    """
    heads = attention.num_attention_heads
    asked = _split(attention.q_proj(query), heads) * attention.scaling
    asked = torch.einsum("vqthd,hdc->vqhtc", asked, _per_head(attention.k_proj.weight, heads))
    views, queries, _, count, width = asked.shape
    flat = asked.reshape(views, queries, heads * count, width)
    weight = (flat @ (keys + place).transpose(-1, -2)).softmax(-1)
    mean = (weight @ keys).view(views, queries, heads, count, width)
    value = torch.einsum("vqhtc,hdc->vqthd", mean, _per_head(attention.v_proj.weight, heads))
    return attention.out_proj(value.flatten(3) + attention.v_proj.bias)


def _write_patches(
    attention: Any, placed: Tensor, key: Tensor, value: Tensor
) -> Float[Tensor, "views queries patches dim"]:
    """Attention of patches over tokens; `placed` may lack the query axis (size 1)."""
    heads = attention.num_attention_heads
    offered = _split(attention.k_proj(key), heads) * attention.scaling
    views, queries, count = offered.shape[:3]
    query = attention.q_proj
    asked = torch.einsum("vqthd,hdc->vqcht", offered, _per_head(query.weight, heads))
    shift = torch.einsum("vqthd,hd->vqht", offered, query.bias.view(heads, -1))
    scores = placed @ asked.flatten(3) + shift.flatten(2)[:, :, None]
    weight = scores.unflatten(-1, (heads, count)).softmax(-1).flatten(-2)
    given = _split(attention.v_proj(value), heads)
    out = attention.out_proj.weight.view(-1, heads, given.shape[-1])
    told = torch.einsum("vqthd,chd->vqhtc", given, out)
    return weight @ told.reshape(views, queries, heads * count, -1) + attention.out_proj.bias


def _paint(decoder: Any, token: Tensor, keys: Tensor) -> Float[Tensor, "views queries patches 4 4"]:
    """4 x 4 logits per patch: a transposed convolution whose kernel is its stride is linear."""
    cells = _upscale(decoder.upscale_conv1, keys)
    norm = decoder.upscale_layer_norm
    cells = F.layer_norm(cells, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    cells = _upscale(decoder.upscale_conv2, decoder.activation(cells))
    brush = decoder.output_hypernetworks_mlps[0](token)
    logits = decoder.activation(cells) @ brush[:, :, None, None, None, None, :, None]
    # patches, coarse row, coarse column, fine row, fine column
    return logits[..., 0].transpose(-2, -3).flatten(-2).flatten(-3, -2)


def _upscale(convolution: Any, cells: Tensor) -> Float[Tensor, "*cells 2 2 outside"]:
    inside, outside = convolution.weight.shape[:2]
    weight = convolution.weight.permute(2, 3, 1, 0).reshape(-1, inside)
    values = F.linear(cells, weight).unflatten(-1, (2, 2, outside))
    return values + convolution.bias


def _arrange(
    values: Float[Tensor, "views queries patches 4 4"],
    patches: Int[Tensor, "views patches"] | None,
    grid: int,
) -> Float[Tensor, "views queries low low"]:
    """Patches at their places in the picture."""
    views, queries = values.shape[:2]
    if patches is not None:
        index = patches[:, None, :, None, None].expand_as(values)
        empty = values.new_full((views, queries, grid * grid, 4, 4), BACKGROUND_LOGIT)
        values = empty.scatter(2, index, values)
    image = values.view(views, queries, grid, grid, 4, 4).transpose(3, 4)
    return image.reshape(views, queries, 4 * grid, 4 * grid)


def _split(values: Tensor, heads: int) -> Float[Tensor, "views queries tokens heads width"]:
    return values.unflatten(-1, (heads, -1))


def _per_head(weight: Tensor, heads: int) -> Float[Tensor, "heads width dim"]:
    """A projection's matrix (heads * width, dim) by head."""
    return weight.unflatten(0, (heads, -1))
