"""Prompts without a tokenizer: random text ids, pictures and clips, laid out as the processor lays them out.

The pictures are random pixels that go through the library's own image and video processors, at a size that
needs no resize; so pixel_values has the real value range and the real row order.
"""

from dataclasses import dataclass

import torch
from transformers.models.glm4v.image_processing_glm4v import Glm4vImageProcessor
from transformers.models.glm4v.video_processing_glm4v import Glm4vVideoProcessor

from . import procedural


@dataclass(frozen=True)
class Text:
    """`length` random text tokens."""
    length: int


@dataclass(frozen=True)
class Picture:
    """A picture of height x width patches; both even."""
    height: int
    width: int


@dataclass(frozen=True)
class Clip:
    """A clip of `pairs` frame pairs, each height x width patches."""
    pairs: int
    height: int
    width: int


def visual_span(config, patches):
    """begin_of_image, one image token per merged cell, end_of_image."""
    cells = patches // config["vision_config"]["spatial_merge_size"] ** 2
    return [config["image_start_token_id"]] + cells * [config["image_token_id"]] + [config["image_end_token_id"]]


def token_ids(config, parts, key, text_tokens):
    """int64 [T]: the expanded prompt. A clip is one visual span plus one timestamp token per frame pair."""
    words = iter(procedural.integers(f"{key}/words", 4096, text_tokens).tolist())
    ids = []
    for part in parts:
        if isinstance(part, Text):
            ids += [next(words) for _ in range(part.length)]
        elif isinstance(part, Picture):
            ids += visual_span(config, part.height * part.width)
        else:
            ids.append(config["video_start_token_id"])
            for _ in range(part.pairs):
                ids += visual_span(config, part.height * part.width) + [next(words)]
            ids.append(config["video_end_token_id"])
    return torch.tensor(ids)


def token_types(config, ids):
    """int64 [T]: 0 text, 1 picture, 2 clip. A visual token inside begin/end of video belongs to a clip."""
    open_clips = ((ids == config["video_start_token_id"]).long() - (ids == config["video_end_token_id"]).long()).cumsum(0)
    return torch.where(ids == config["image_token_id"], torch.where(open_clips > 0, 2, 1), 0)


def random_frames(config, key, frames, height, width):
    """uint8 [frames, 3, H, W], H and W in pixels."""
    patch = config["vision_config"]["patch_size"]
    shape = (frames, 3, height * patch, width * patch)
    return procedural.integers(key, frames * 3 * shape[2] * shape[3], 256).to(torch.uint8).view(shape)


def processor_settings(config):
    """Processor arguments under which every picture keeps its size: one merged cell is legal, a huge one too."""
    vision = config["vision_config"]
    return {"patch_size": vision["patch_size"], "temporal_patch_size": vision["temporal_patch_size"],
            "merge_size": vision["spatial_merge_size"], "size": {"shortest_edge": 1, "longest_edge": 1 << 40}}


def picture_tensors(config, pictures, key):
    """pixel_values f32 [sum of patches, columns] and image_grid_thw i64 [pictures, 3]."""
    images = [random_frames(config, f"{key}/picture{i}", 1, p.height, p.width)[0] for i, p in enumerate(pictures)]
    out = Glm4vImageProcessor(**processor_settings(config))(images=images, return_tensors="pt")
    expected = [[1, p.height, p.width] for p in pictures]
    assert out["image_grid_thw"].tolist() == expected, (out["image_grid_thw"], expected)
    return {"pixel_values": out["pixel_values"], "image_grid_thw": out["image_grid_thw"]}


def clip_tensors(config, clips, key):
    """pixel_values_videos f32 [sum of patches, columns] and video_grid_thw i64 [clips, 3]."""
    out = {"pixel_values_videos": [], "video_grid_thw": []}
    processor = Glm4vVideoProcessor(**processor_settings(config), do_sample_frames=False)
    for i, clip in enumerate(clips):
        count = clip.pairs * config["vision_config"]["temporal_patch_size"]
        frames = random_frames(config, f"{key}/clip{i}", count, clip.height, clip.width)
        metadata = {"fps": 2.0, "total_num_frames": count, "duration": count / 2, "frames_indices": list(range(count))}
        one = processor(videos=[frames], video_metadata=[metadata], return_tensors="pt")
        assert one["video_grid_thw"].tolist() == [[clip.pairs, clip.height, clip.width]], one["video_grid_thw"]
        for name in out:
            out[name].append(one[name])
    return {name: torch.cat(values) for name, values in out.items()}


def build(config, parts, key, text_tokens):
    """The inputs of a trace: input_ids, mm_token_type_ids and, if there are any, pixels and grids."""
    ids = token_ids(config, parts, key, text_tokens)
    inputs = {"input_ids": ids, "mm_token_type_ids": token_types(config, ids)}
    pictures = [part for part in parts if isinstance(part, Picture)]
    clips = [part for part in parts if isinstance(part, Clip)]
    if pictures:
        inputs |= picture_tensors(config, pictures, key)
    if clips:
        inputs |= clip_tensors(config, clips, key)
    return inputs
