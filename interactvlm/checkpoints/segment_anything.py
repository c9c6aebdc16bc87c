"""Keys of a segment-anything checkpoint, renamed to those of `MVLocalizer`.

Source: facebookresearch/segment-anything and transformers' SAM, compared by their outputs.
"""

import re

from interactvlm.checkpoints.renaming import KeyRule

UNUSED_PROMPTS = "points, boxes and mask prompts are never given: prompts come as vectors"


def sam_rules(prefix: str = "", target: str = "") -> tuple[KeyRule, ...]:
    """Rules for keys below `prefix` (for example `model.visual_model.`)."""
    before = re.escape(prefix)
    rules = [*_ENCODER, *_PROMPT, *_decoder_rules()]
    return tuple(
        KeyRule(before + r.pattern, None if r.target is None else target + r.target, r.reason)
        for r in rules
    )


_ENCODER = (
    KeyRule(r"image_encoder\.pos_embed", r"image_encoder.pos_embed"),
    KeyRule(
        r"image_encoder\.patch_embed\.proj\.(weight|bias)",
        r"image_encoder.patch_embed.projection.\1",
    ),
    KeyRule(
        r"image_encoder\.blocks\.(\d+)\.norm([12])\.(weight|bias)",
        r"image_encoder.layers.\1.layer_norm\2.\3",
    ),
    KeyRule(
        r"image_encoder\.blocks\.(\d+)\.((?:attn|mlp)\..+)",
        r"image_encoder.layers.\1.\2",
    ),
    KeyRule(r"image_encoder\.neck\.0\.weight", r"image_encoder.neck.conv1.weight"),
    KeyRule(r"image_encoder\.neck\.1\.(.+)", r"image_encoder.neck.layer_norm1.\1"),
    KeyRule(r"image_encoder\.neck\.2\.weight", r"image_encoder.neck.conv2.weight"),
    KeyRule(r"image_encoder\.neck\.3\.(.+)", r"image_encoder.neck.layer_norm2.\1"),
)

_PROMPT = (
    KeyRule(r"prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix", r"position_gaussian"),
    KeyRule(r"prompt_encoder\.no_mask_embed\.weight", r"no_mask_embed.weight"),
    KeyRule(
        r"prompt_encoder\.(point_embeddings|not_a_point_embed|mask_downscaling)\..+",
        None,
        UNUSED_PROMPTS,
    ),
    KeyRule(r"pixel_(mean|std)", None, "constants of the image preparation"),
)


def _decoder_rules() -> list[KeyRule]:
    name = r"((?:human_|object_)?mask_decoder)\."
    tail = r"(.+)"
    pairs = [
        (rf"(iou_token|mask_tokens)\.{tail}", r"\2.\3"),
        (rf"transformer\.layers\.(\d+)\.norm([1-4])\.{tail}",
         r"transformer.layers.\2.layer_norm\3.\4"),
        (rf"transformer\.layers\.(\d+)\.{tail}", r"transformer.layers.\2.\3"),
        (rf"transformer\.norm_final_attn\.{tail}", r"transformer.layer_norm_final_attn.\2"),
        (rf"transformer\.final_attn_token_to_image\.{tail}",
         r"transformer.final_attn_token_to_image.\2"),
        (rf"output_upscaling\.0\.{tail}", r"upscale_conv1.\2"),
        (rf"output_upscaling\.1\.{tail}", r"upscale_layer_norm.\2"),
        (rf"output_upscaling\.3\.{tail}", r"upscale_conv2.\2"),
        (rf"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.0\.{tail}",
         r"\2.proj_in.\3"),
        (rf"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.1\.{tail}",
         r"\2.layers.0.\3"),
        (rf"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.2\.{tail}",
         r"\2.proj_out.\3"),
    ]  # fmt: skip
    return [KeyRule(name + pattern, rf"\1.{target}") for pattern, target in pairs]
