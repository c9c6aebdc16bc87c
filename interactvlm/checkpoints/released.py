"""Keys of InteractVLM and LISA checkpoints and of CLIP's vision tower, renamed to `InteractVLM`.

Source: the module tree of the published code; see `segment_anything.py` for its SAM part.
"""

from interactvlm.checkpoints.renaming import KeyRule
from interactvlm.checkpoints.segment_anything import sam_rules

CLIP_RULES = (
    KeyRule(r"vision_model\.embeddings\.position_ids", None, "a constant, rebuilt by transformers"),
    KeyRule(r"vision_model\.(.+)", r"language.vision.clip.\1"),
    KeyRule(r"(text_model|text_projection|visual_projection|logit_scale).*", None, "no text side"),
)
"""`openai/clip-vit-large-patch14` as published."""

RELEASED_RULES = (
    KeyRule(r".+rotary_emb\.inv_freq", None, "a constant, rebuilt by transformers"),
    KeyRule(r"model\.vision_tower\..+", None, "the unmodified CLIP tower is loaded on its own"),
    KeyRule(r"model\.mm_projector\.(weight|bias)", r"language.projector.\1"),
    KeyRule(r"lm_head\.weight", r"language.llama.lm_head.weight"),
    KeyRule(r"model\.((?:embed_tokens|layers|norm)\..+)", r"language.llama.model.\1"),
    KeyRule(r"model\.text_hidden_fcs\.0\.0\.(weight|bias)", r"token_projection.inner.\1"),
    KeyRule(r"model\.text_hidden_fcs\.0\.2\.(weight|bias)", r"token_projection.outer.\1"),
    KeyRule(r"cam_pose_encoder\.spatial_encoder\.0\.(.+)", r"feat_lift.spatial.0.\1"),
    KeyRule(r"cam_pose_encoder\.spatial_encoder\.2\.(.+)", r"feat_lift.spatial.1.\1"),
    KeyRule(r"cam_pose_encoder\.view_transforms\.(\d+)\.(.+)", r"feat_lift.views.\1.\2"),
    KeyRule(r"cam_pose_encoder\.linear1\.(.+)", r"feat_lift.camera.\1"),
    KeyRule(r"attention_splitter\.input_proj\.(.+)", r"attention_splitter.inner.\1"),
    KeyRule(r"attention_splitter\.output_proj\.(.+)", r"attention_splitter.outer.\1"),
    KeyRule(
        r"attention_splitter\.(query_human|query_object|key|value)\.(.+)",
        r"attention_splitter.\1.\2",
    ),
    *sam_rules("model.visual_model.", "localizer."),
)
"""A merged InteractVLM checkpoint; a LISA one is the same without camera and splitter keys."""
