"""Writes a twin as a snapshot folder with the files, names and config layout its family is published in."""
import json
import os
import shutil

import torch
from safetensors.torch import save_file

from .model import MARKER_TOKENS

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
DENSE_TEXT_KEYS = """pad_token_id vocab_size eos_token_id attention_dropout hidden_act hidden_size initializer_range
intermediate_size max_position_embeddings num_attention_heads num_hidden_layers num_key_value_heads rms_norm_eps
use_cache""".split()
MOE_TEXT_KEYS = """pad_token_id vocab_size eos_token_id head_dim attention_bias attention_dropout first_k_dense_replace
hidden_act hidden_size initializer_range intermediate_size max_position_embeddings moe_intermediate_size n_group
n_routed_experts n_shared_experts norm_topk_prob num_attention_heads num_experts_per_tok num_hidden_layers
num_key_value_heads rms_norm_eps routed_scaling_factor topk_group use_cache""".split()
VISION_KEYS = """attention_bias attention_dropout depth hidden_act hidden_size image_size in_channels
initializer_range intermediate_size num_heads out_hidden_size patch_size rms_norm_eps spatial_merge_size
temporal_patch_size""".split()


def published_config(config):
    """The config as the published file lays it out: rope_theta and partial_rotary_factor beside rope_scaling."""
    text, vision, rope = config.text_config, config.vision_config, config.text_config.rope_parameters
    dense = config.model_type == "glm4v"
    return {
        "architectures": ["Glm4vForConditionalGeneration" if dense else "Glm4vMoeForConditionalGeneration"],
        "model_type": config.model_type,
        **{name: getattr(config, name) for name in MARKER_TOKENS},
        "tie_word_embeddings": False,
        "transformers_version": "4.57.1",  # the layout's version, as in the published file
        "text_config": {
            "model_type": text.model_type,
            **({"attention_bias": True} if dense else {}),  # of the published file; the class has no such field
            **{key: getattr(text, key) for key in (DENSE_TEXT_KEYS if dense else MOE_TEXT_KEYS)},
            "dtype": "bfloat16",
            "rope_scaling": {"rope_type": "default", "mrope_section": rope["mrope_section"]},
            "rope_theta": rope["rope_theta"],
            "partial_rotary_factor": rope["partial_rotary_factor"],
            **({} if dense else {"use_qk_norm": False}),
        },
        "vision_config": {"model_type": config.model_type, **{key: getattr(vision, key) for key in VISION_KEYS}},
    }


def published_tensors(twin):
    """name -> tensor: parameters in bf16, the correction bias in f32, one matrix per expert."""
    tensors = {}
    for name, parameter in twin.named_parameters():
        weight = parameter.detach().to(torch.bfloat16)
        if name.endswith("experts.gate_up_proj"):  # [experts, 2 * inner, hidden], gate rows before up rows
            for expert, both in enumerate(weight):
                gate, up = both.chunk(2)
                stem = name.removesuffix("gate_up_proj") + f"{expert}."
                tensors[stem + "gate_proj.weight"] = gate.contiguous()
                tensors[stem + "up_proj.weight"] = up.contiguous()
        elif name.endswith("experts.down_proj"):  # [experts, hidden, inner]
            for expert, down in enumerate(weight):
                tensors[name.removesuffix("down_proj") + f"{expert}.down_proj.weight"] = down.contiguous()
        else:
            tensors[name] = weight.contiguous()
    for name, buffer in twin.named_buffers():
        if name.endswith("e_score_correction_bias"):
            tensors[name] = buffer.detach().to(torch.float32).clone()
    return tensors


def tokenizer_config(tokenizer, family):
    return {
        "added_tokens_decoder": {
            str(tokenizer.token_to_id(token)): {
                "content": token,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": special,
            }
            for token, special in family.added
        },
        "additional_special_tokens": family.special,
        "clean_up_tokenization_spaces": False,
        "do_lower_case": False,
        "eos_token": "<|endoftext|>",
        "extra_special_tokens": {},
        "model_max_length": 4096,
        "pad_token": "<|endoftext|>",
        "padding_side": "left",
        "remove_space": False,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def processor_config(kind, longest):
    """`kind` is Image or Video, `longest` the largest volume in pixels (times frames)."""
    return {
        "size": {"shortest_edge": 12544, "longest_edge": longest},
        "do_rescale": True,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": MEAN,
        "image_std": STD,
        f"{kind.lower()}_processor_type": f"Glm4v{kind}Processor",
        "processor_class": "Glm4vProcessor",
    }


def generation_config(tokenizer, family):
    """Greedy by default, unlike the published file, which samples with top_k 1."""
    stops = [tokenizer.token_to_id(t) for t in family.stops]
    return {"do_sample": False, "eos_token_id": stops, "pad_token_id": stops[0], "transformers_version": "4.57.1"}


def write(twin, tokenizer, family, folder):
    """Write the files of the snapshot."""
    os.makedirs(folder, exist_ok=True)
    files = {
        "config.json": published_config(twin.config),
        "generation_config.json": generation_config(tokenizer, family),
        "tokenizer_config.json": tokenizer_config(tokenizer, family),
        "preprocessor_config.json": processor_config("Image", 9633792),
        "video_preprocessor_config.json": processor_config("Video", family.largest_video),
    }
    for name, value in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f, indent=2)
            f.write("\n")
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    template = os.path.join(os.path.dirname(__file__), family.template)
    shutil.copy(template, os.path.join(folder, "chat_template.jinja"))
    weights = os.path.join(folder, "model.safetensors")
    save_file(published_tensors(twin), weights, metadata={"format": "pt"})
    os.chmod(weights, 0o644)  # save_file leaves it to its owner alone
