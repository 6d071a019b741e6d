"""Runs the library on one prompt and returns a trace."""

import json
from dataclasses import dataclass

import torch
from transformers import DynamicCache, Glm4vForConditionalGeneration, Glm4vMoeForConditionalGeneration

from . import replay, settings
from .hooks import Recorder

TORCH_DTYPE = {"f32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Mode:
    """One way to run the library that it calls correct."""
    dtype: str      # f32 or bf16
    attention: str  # eager or sdpa
    experts: str    # eager (accumulates in dtype) or grouped_mm (accumulates in f32); dense models have none


# The run that is the golden, per dtype, and the other legal runs of bf16, whose distance from it is the noise floor.
GOLDEN = {"f32": Mode("f32", "eager", "eager"), "bf16": Mode("bf16", "eager", "grouped_mm")}
OTHERS = [Mode("bf16", "sdpa", "grouped_mm"), Mode("bf16", "eager", "eager"), Mode("bf16", "sdpa", "eager")]

FLOOR = "per row, largest |difference| from the other legal runs: attention sdpa; experts eager; both"


def others(config):
    """The legal runs that differ from the golden one for this family."""
    return OTHERS if config["model_type"] == "glm4v_moe" else OTHERS[:1]


def metadata(mode, **extra):
    """The header of a trace file; all values are strings, as safetensors demands."""
    versions = settings.versions()
    return {"format": "glmv.trace/1", "dtype": mode.dtype, "attention": mode.attention, "experts": mode.experts,
            "image_backend": "torchvision", "producer": "transformers", "version": versions["transformers"],
            "versions": json.dumps(versions)} | {name: str(value) for name, value in extra.items()}


def load(folder, config, mode):
    """The model of a folder in one mode. Every tensor of the file must be used and none may be missing."""
    moe = config["model_type"] == "glm4v_moe"
    model_class = Glm4vMoeForConditionalGeneration if moe else Glm4vForConditionalGeneration
    extra = {"experts_implementation": mode.experts} if moe else {}
    model, report = model_class.from_pretrained(
        folder, dtype=TORCH_DTYPE[mode.dtype], attn_implementation=mode.attention, output_loading_info=True, **extra)
    assert not any(report.values()), report
    return model.eval()


def features(model, inputs):
    """Visual rows [V, H] by token type: 1 pictures, 2 clips. The tower runs once for each kind."""
    rows = {}
    if "pixel_values" in inputs:
        out = model.model.get_image_features(inputs["pixel_values"], inputs["image_grid_thw"])
        rows[1] = torch.cat(out.pooler_output)
    if "pixel_values_videos" in inputs:
        out = model.model.get_video_features(inputs["pixel_values_videos"], inputs["video_grid_thw"])
        rows[2] = torch.cat(out.pooler_output)
    return rows


def spliced_embeddings(model, inputs):
    """[1, T, H]: token embeddings with the visual rows written over the image tokens, by token type.

    The library's own forward cannot splice pictures and clips in one call; where it can, `check_against_forward`
    shows that this path gives the same bits.
    """
    embeds = model.get_input_embeddings()(inputs["input_ids"][None])
    for kind, rows in features(model, inputs).items():
        embeds[0, inputs["mm_token_type_ids"] == kind] = rows.to(embeds.dtype)
    return embeds


def positions(model, inputs):
    """position_ids i64 [3, T] and rope_delta i64 [1]."""
    ids, delta = model.model.get_rope_index(
        inputs["input_ids"][None], inputs["mm_token_type_ids"][None],
        image_grid_thw=inputs.get("image_grid_thw"), video_grid_thw=inputs.get("video_grid_thw"))
    return ids[:, 0].contiguous(), delta[0]


def language(model, embeds, position_ids, cache):
    """Decoder and head on new tokens [1, n, H] with positions [3, n]; returns logits [1, n, V]."""
    out = model.model.language_model(inputs_embeds=embeds, position_ids=position_ids[:, None], cache=cache, use_cache=True)
    return model.lm_head(out.last_hidden_state)


@torch.no_grad()
def trace(model, inputs, chunks=(), steps=0, tokens=None):
    """All trace points of a prefill, in one call or in pieces of `chunks` tokens, and of `steps` greedy steps.

    `tokens`, if given, are fed instead of the greedy ones: so another run can be compared point by point.
    """
    with Recorder(model) as recorder:
        position_ids, delta = positions(model, inputs)
        embeds = spliced_embeddings(model, inputs)
        cache = DynamicCache(config=model.config.text_config)
        for piece in torch.arange(embeds.shape[1]).split(list(chunks) or embeds.shape[1]):
            logits = language(model, embeds[:, piece], position_ids[:, piece], cache)
        extra = {"position_ids": position_ids, "rope_delta": delta}
        for n in range(1, steps + 1):
            recorder.prefix = f"step.{n}/"
            token = logits[0, -1].argmax() if tokens is None else tokens[n - 1]
            here = (embeds.shape[1] + n - 1 + delta).expand(3, 1)
            extra |= {f"step.{n}/input_ids": token.reshape(1), f"step.{n}/position_ids": here.contiguous()}
            logits = language(model, model.get_input_embeddings()(token.reshape(1, 1)), here, cache)
    return inputs | extra | recorder.points


def batched(inputs):
    """The same inputs with the batch axis that the library's entry points expect."""
    return {name: value[None] if name in ("input_ids", "mm_token_type_ids") else value for name, value in inputs.items()}


@torch.no_grad()
def check_against_forward(model, inputs, points):
    """The library's own forward must give the very bits of a trace made in one piece."""
    logits = model(**batched(inputs)).logits[0]
    assert torch.equal(logits, points["logits"]), f"forward differs by {(logits - points['logits']).abs().max()}"


def check_against_generate(model, inputs, points):
    """The library's own greedy generation must choose the tokens that the steps of a trace were fed."""
    vocabulary = model.config.text_config.vocab_size
    # A pad id that cannot occur: generate() would hide such tokens from attention.
    out = model.generate(**batched(inputs), do_sample=False, max_new_tokens=len(fed_tokens(points)), eos_token_id=None,
                         pad_token_id=vocabulary)
    assert out[0, len(inputs["input_ids"]):].tolist() == [int(token) for token in fed_tokens(points)]


def fed_tokens(points):
    """The tokens fed by the steps of a trace, in order."""
    count = sum(name.endswith("/input_ids") for name in points)
    return [points[f"step.{n}/input_ids"] for n in range(1, count + 1)]


def run_case(model, case, inputs, tokens=None, choices=None):
    """One trace, checked against the library's own forward and generate where there is something to compare.

    `tokens`: fed instead of the greedy ones; `choices`: a trace whose choices of experts are replayed.
    """
    with replay.choices(model, choices):
        points = trace(model, inputs, case.chunks, case.steps, tokens)
    refused = "pixel_values" in inputs and "pixel_values_videos" in inputs  # by the library, in one call
    if not case.chunks and not refused:
        with replay.choices(model, choices):
            check_against_forward(model, inputs, points)
        if case.steps and tokens is None:
            check_against_generate(model, inputs, points)
    return points
