"""Answers held-out prompts with the Hugging Face model, as a user would: chat template, processor, greedy generate.

Batch 1, no padding. Beside the answer it records how close the decision was: the smallest gap between the best and
the second logit over the generated tokens, and the smallest gap of any router over all tokens and layers.
"""
import re
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.video_utils import VideoMetadata

FRAMES_PER_SECOND = 2.0
MODES = ("f32-sdpa", "f32-eager", "bf16-sdpa", "bf16-eager")
MOST_TOKENS = 90
IOU_NEEDED = 0.5


@dataclass
class Answer:
    """What the model wrote: token ids, their text, the boxed answer, prompt length and the smallest gaps."""

    ids: list
    text: str
    boxed: str
    prompt_tokens: int
    margin: float
    expert_margin: float
    group_margin: float


class RouterGaps:
    """The smallest gaps of the corrected scores at which any token chose its experts and its group."""

    def __init__(self, model):
        self.clear()
        for module in model.modules():
            if hasattr(module, "e_score_correction_bias"):
                module.register_forward_hook(self.measure)

    def clear(self):
        self.expert = self.group = float("inf")

    def measure(self, gate, inputs, output):
        scores = output[0].float().sigmoid() + gate.e_score_correction_bias  # [tokens, experts]
        grouped = scores.view(len(scores), gate.num_group, -1)
        sums = grouped.topk(2, -1).values.sum(-1)
        order = sums.sort(-1, descending=True).values
        self.group = min(self.group, float((order[:, gate.topk_group - 1] - order[:, gate.topk_group]).min()))
        kept = torch.zeros_like(sums, dtype=torch.bool).scatter(1, sums.topk(gate.topk_group, -1).indices, True)
        allowed = grouped.masked_fill(~kept[..., None], float("-inf")).flatten(1)
        ranked = allowed.sort(-1, descending=True).values
        self.expert = min(self.expert, float((ranked[:, gate.top_k - 1] - ranked[:, gate.top_k]).min()))


class Scorer:
    """One snapshot in one mode, e.g. "bf16-eager"."""

    def __init__(self, folder, mode):
        kind, attention = mode.split("-")
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, attn_implementation=attention)
        self.model.eval()
        self.gaps = RouterGaps(self.model)

    def inputs(self, prompt):
        """The model inputs of a prompt, from its frames, question and thinking switch."""
        parts = [{"type": "video"}] if prompt.is_video else [{"type": "image"}] * len(prompt.frames)
        messages = [{"role": "user", "content": parts + [{"type": "text", "text": prompt.question.text}]}]
        text = self.processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False, enable_thinking=prompt.thinking
        )
        if prompt.is_video:
            count = len(prompt.frames)
            metadata = VideoMetadata(
                total_num_frames=count,
                fps=FRAMES_PER_SECOND,
                duration=count / FRAMES_PER_SECOND,
                frames_indices=list(range(count)),
            )
            clip = torch.from_numpy(np.stack(prompt.frames)).permute(0, 3, 1, 2)
            made = self.processor(
                text=[text], videos=[clip], video_metadata=[metadata], do_sample_frames=False, return_tensors="pt"
            )
        else:
            made = self.processor(
                text=[text], images=[Image.fromarray(f) for f in prompt.frames], return_tensors="pt"
            )
        made.pop("video_metadata", None)
        return made

    @torch.no_grad()
    def answer(self, prompt):
        inputs = self.inputs(prompt)
        self.gaps.clear()
        result = self.model.generate(
            **inputs, max_new_tokens=MOST_TOKENS, do_sample=False, return_dict_in_generate=True, output_logits=True
        )
        asked = inputs["input_ids"].shape[1]
        ids = result.sequences[0, asked:].tolist()
        best = torch.stack([step[0].float() for step in result.logits]).topk(2, -1).values
        text = self.processor.tokenizer.decode(ids, skip_special_tokens=False)
        boxed = re.search(r"<\|begin_of_box\|>(.*?)<\|end_of_box\|>", text, re.S)
        margin = float((best[:, 0] - best[:, 1]).min())
        return Answer(
            ids, text, boxed.group(1) if boxed else "", asked, margin, self.gaps.expert, self.gaps.group
        )


def overlap(first, second):
    """Intersection over union of two boxes written as "[x1,y1,x2,y2]"; 0 if either is not four numbers."""
    a, b = ([int(v) for v in re.findall(r"\d+", text)] for text in (first, second))
    if len(a) != 4 or len(b) != 4:
        return 0.0
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, width) * max(0, height)
    area = sum(max(0, v[2] - v[0]) * max(0, v[3] - v[1]) for v in (a, b))
    return shared / (area - shared) if area > shared else 0.0


def is_right(question, boxed):
    """Exact match; a box is right if it overlaps the true one by at least half."""
    if question.kind == "point":
        return overlap(boxed, question.answer) >= IOU_NEEDED
    return boxed == question.answer
