"""Minute random models of the real classes, saved in the layout the hub serves."""

import pytest
import torch
from transformers import (
    BertTokenizer,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
    SwinConfig,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
)
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

WORDS = (
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "chair", "cup", "office", "person",
    "red",
)  # fmt: skip


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    """Folders boxes, masks, keypoints and depth."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("open_models")
    for name, build in (
        ("boxes", _boxes), ("masks", _masks), ("keypoints", _keypoints), ("depth", _depth)
    ):  # fmt: skip
        folder = root / name
        folder.mkdir()
        for part in build(folder):
            part.save_pretrained(folder)
    return root


def _boxes(folder):
    swin = SwinConfig(
        window_size=7, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], image_size=64,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    text = {
        "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "vocab_size": len(WORDS), "max_position_embeddings": 64,
    }  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=text, d_model=32, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=9, encoder_n_points=2, decoder_n_points=2, max_text_len=32,
    )  # fmt: skip
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    processor = GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    return GroundingDinoForObjectDetection(config), processor, tokenizer


def _masks(_folder):
    config = SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=16, output_channels=16, num_hidden_layers=1, num_attention_heads=2,
            image_size=64, patch_size=16, window_size=2, global_attn_indexes=[], num_pos_feats=8,
            mlp_dim=32,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(
            hidden_size=16, image_size=64, patch_size=16, mask_input_channels=4
        ),
        mask_decoder_config=SamMaskDecoderConfig(
            hidden_size=16, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
        ),
    )  # fmt: skip
    size = {"height": 64, "width": 64}
    return SamModel(config), SamImageProcessorPil(size={"longest_edge": 64}, pad_size=size)


def _keypoints(_folder):
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, mlp_ratio=2, out_indices=[1],
    )  # fmt: skip
    config = VitPoseConfig(
        backbone_config=backbone, num_labels=17, scale_factor=4, use_simple_decoder=True
    )
    processor = VitPoseImageProcessorPil(size={"height": 64, "width": 48})
    return VitPoseForPoseEstimation(config), processor


def _depth(_folder):
    backbone = Dinov2Config(
        image_size=56, patch_size=14, hidden_size=16, num_hidden_layers=4, num_attention_heads=2,
        mlp_ratio=2, out_indices=[1, 2, 3, 4], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8, patch_size=14,
    )  # fmt: skip
    processor = DPTImageProcessorPil(
        size={"height": 56, "width": 56}, ensure_multiple_of=14, keep_aspect_ratio=True
    )
    return DepthAnythingForDepthEstimation(config), processor
