"""Minute image-text models with random weights, saved as their publishers lay them out.

Their vocabulary is body parts alone, so that whatever they say can be read.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

WORDS = ("left", "right", "hand", "foot", "head", "torso", "buttocks", "and", "thigh")
QWEN_SPECIALS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
                 "<|image_pad|>", "<|video_pad|>")  # fmt: skip
SMOL_SPECIALS = (
    *("<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>"),
    *("<global-img>", "<row_1_col_1>", "<row_1_col_2>", "<row_2_col_1>", "<row_2_col_2>"),
)
LLAVA_SPECIALS = ("<s>", "</s>", "<image>")

QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMOL_TEMPLATE = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}:{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
LLAVA_TEMPLATE = (
    "<s>{% for m in messages %}USER: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>\n{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)
TEXT = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 2048,
}  # fmt: skip
VISION = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "patch_size": 14,
}  # fmt: skip


def save_qwen(folder: Path) -> None:
    """Qwen2.5-VL: one preprocessor_config.json, the template in chat_template.json."""
    ids = _save_tokenizer(folder, QWEN_SPECIALS, bos=None, eos="<|im_end|>")
    rope = {"type": "mrope", "mrope_section": [1, 1, 2]}
    config = Qwen2_5_VLConfig(
        text_config={**TEXT, "vocab_size": len(ids), "rope_scaling": rope, "bos_token_id": None,
                     "eos_token_id": ids["<|im_end|>"]},
        vision_config={"depth": 1, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2,
                       "out_hidden_size": 16, "fullatt_block_indexes": [0]},
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    _save_model(folder, Qwen2_5_VLForConditionalGeneration(config), ids, "<|im_end|>")
    _write(folder, "preprocessor_config.json", {
        "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor",
        "min_pixels": 3136, "max_pixels": 12544, "patch_size": 14, "temporal_patch_size": 2,
        "merge_size": 2,
    })  # fmt: skip
    _write(folder, "chat_template.json", {"chat_template": QWEN_TEMPLATE})


def save_smolvlm(folder: Path) -> None:
    """SmolVLM2: a processor that wants a video half and num2words, neither of which is there."""
    ids = _save_tokenizer(folder, SMOL_SPECIALS, bos="<|im_start|>", eos="<end_of_utterance>")
    config = SmolVLMConfig(
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(ids)},
        vision_config={**VISION, "image_size": 56},
        image_token_id=ids["<image>"], scale_factor=2, pad_token_id=0,
    )  # fmt: skip
    _save_model(folder, SmolVLMForConditionalGeneration(config), ids, "<end_of_utterance>")
    _write(folder, "preprocessor_config.json", {
        "image_processor_type": "SmolVLMImageProcessor", "processor_class": "SmolVLMProcessor",
        "size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56},
        "do_image_splitting": True, "do_pad": True, "do_resize": True,
        "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 56}},
    })  # fmt: skip
    _write(folder, "processor_config.json",
           {"image_seq_len": 4, "processor_class": "SmolVLMProcessor"})  # fmt: skip
    (folder / "chat_template.jinja").write_text(SMOL_TEMPLATE)


def save_llava(folder: Path) -> None:
    """LLaVA 1.5: CLIP tower, template in the tokenizer's settings."""
    ids = _save_tokenizer(folder, LLAVA_SPECIALS, bos="<s>", eos="</s>", template=LLAVA_TEMPLATE)
    config = LlavaConfig(
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(ids)},
        vision_config={"model_type": "clip_vision_model", **VISION, "image_size": 28,
                       "projection_dim": 16},
        image_token_index=ids["<image>"], image_seq_length=4,
    )  # fmt: skip
    _save_model(folder, LlavaForConditionalGeneration(config), ids, "</s>")
    _write(folder, "preprocessor_config.json", {
        "image_processor_type": "CLIPImageProcessor", "processor_class": "LlavaProcessor",
        "size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28},
    })  # fmt: skip
    _write(folder, "processor_config.json", {
        "processor_class": "LlavaProcessor", "patch_size": 14, "num_additional_image_tokens": 1,
        "vision_feature_select_strategy": "default", "image_token": "<image>",
    })  # fmt: skip


SAVERS = {"qwen2_5_vl": save_qwen, "smolvlm": save_smolvlm, "llava": save_llava}


def _save_tokenizer(folder, specials, *, bos, eos, template=None):
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: at for at, word in enumerate(("<unk>", *specials, *WORDS))}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    if bos:
        plain.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, vocabulary[bos])]
        )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", bos_token=bos, eos_token=eos, pad_token="<unk>",
        additional_special_tokens=list(specials),
    )  # fmt: skip
    if template:
        wrapped.chat_template = template
    wrapped.save_pretrained(folder)
    return vocabulary


def _save_model(folder, model, ids, eos) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    settings = model.generation_config
    settings.eos_token_id = ids[eos]
    settings.pad_token_id = 0
    settings.suppress_tokens = [at for word, at in ids.items() if word not in WORDS]
    model.save_pretrained(folder)


def _write(folder: Path, name: str, values: dict) -> None:
    (folder / name).write_text(json.dumps(values))
