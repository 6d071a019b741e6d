"""Scenes to tensors. One picture prefix carries several questions as branches of a tree.

Every branch starts at the same MRoPE position and sees only the prefix and itself, so the answers are those of
separate prompts at a fraction of the cost. B pictures (or pairs, or clips) of one size, T tokens after padding.
"""
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

MEAN = np.float32([0.48145466, 0.4578275, 0.40821073]) * np.float32(255)
STD = np.float32([0.26862954, 0.26130258, 0.27577711]) * np.float32(255)
# [3, 256]: normalised value of every byte of every channel.
NORMALISED = ((np.arange(256, dtype=np.float32)[None] - MEAN[:, None]) / STD[:, None]).astype(np.float32)

IGNORED = -100
REASONING_WEIGHT, LIST_WEIGHT = 0.5, 0.7  # of a token in the loss; answers weigh 1


def patchify(frames):
    """uint8 [n, f, H, W, 3], f even -> float32 [n * f/2 * H/14 * W/14, 1176], in the image processor's order."""
    n, f, height, width, _ = frames.shape
    x = frames.reshape(n, f // 2, 2, height // 28, 2, 14, width // 28, 2, 14, 3)
    x = x.transpose(0, 1, 3, 6, 4, 7, 9, 2, 5, 8)  # picture, time, cell row, cell column, row, column, channel, ...
    x = np.ascontiguousarray(x).reshape(-1, 3, 392)
    return NORMALISED[np.arange(3)[None, :, None], x].reshape(-1, 1176)


def pixels_of(scenes):
    """Pixel rows and the patch grid [t, h, w] of every picture or clip of the scenes."""
    if scenes[0].is_video:
        frames = np.stack([np.stack(s.frames) for s in scenes])
    else:  # a still picture is shown twice, as the processor does
        frames = np.repeat(np.stack([f for s in scenes for f in s.frames])[:, None], 2, 1)
    n, f, height, width, _ = frames.shape
    grid = torch.tensor([[f // 2, height // 14, width // 14]] * n)
    return torch.from_numpy(patchify(frames)), grid


def labels_of(scenes):
    """The cell labels of all pictures, concatenated in the order of their vision tokens."""
    names = scenes[0].cells[0]
    return {k: torch.from_numpy(np.concatenate([c[k] for s in scenes for c in s.cells])) for k in names}


@dataclass
class Batch:
    """ids [B, T]; positions [3, B, T]; mask bool [B, 1, T, T]; targets and weights [B, T]; pixels, grid, labels."""

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    pixels: torch.Tensor
    grid: torch.Tensor
    labels: dict
    is_video: bool
    asked: list  # (row, first and last+1 supervised position, kind, thinking) of every question


@dataclass
class Row:
    """One line of a batch while it grows: token, its three positions, its branch (0 = prefix), target, weight."""

    ids: list
    positions: list
    branches: list
    targets: list
    weights: list

    def extend(self, ids, start, branch, targets, weights):
        self.ids += ids
        self.positions += [(start + i,) * 3 for i in range(len(ids))]
        self.branches += [branch] * len(ids)
        self.targets += targets
        self.weights += weights


class Batcher:
    """Builds batches of a family's prompts with its tokenizer, remembering the ids of texts it has seen."""

    def __init__(self, tokenizer, family):
        self.tokenizer, self.family = tokenizer, family
        self.known = {}
        self.image, self.image_end, self.pad = (
            tokenizer.token_to_id(t) for t in ("<|image|>", "<|end_of_image|>", "<|endoftext|>")
        )

    def encode(self, text):
        if text not in self.known:
            if len(self.known) > 20000:
                self.known.clear()
            self.known[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self.known[text]

    def prefix(self, scene):
        """The tokens up to the question as a Row, and the position at which the question starts."""
        height, width = (side // 28 for side in scene.frames[0].shape[:2])
        video = scene.is_video
        row = Row([], [], [], [], [])
        position = self.add_text(row, "[gMASK]<sop><|user|>\n" + ("<|begin_of_video|>" if video else ""), 0)
        for index in range(len(scene.frames) // 2 if video else len(scene.frames)):
            position = self.add_text(row, "<|begin_of_image|>", position)
            cells = [(position, position + y, position + x) for y in range(height) for x in range(width)]
            row.extend([self.image] * len(cells), 0, 0, [IGNORED] * len(cells), [0.0] * len(cells))
            row.positions[-len(cells) :] = cells
            position += max(height, width)
            # Two frames a second, two frames a token: the token's time in whole seconds is its index.
            position = self.add_text(row, "<|end_of_image|>" + (str(index) if video else ""), position)
        return row, self.add_text(row, "<|end_of_video|>" if video else "", position)

    def add_text(self, row, text, position):
        ids = self.encode(text)
        row.extend(ids, position, 0, [IGNORED] * len(ids), [0.0] * len(ids))
        return position + len(ids)

    def branch(self, question, thinking):
        """ids, next-token targets and weights of a question with its answer."""
        rest, reasoning, answer = self.family.written(question, thinking)
        prompt, reasoning, answer = self.encode(question.text + rest), self.encode(reasoning), self.encode(answer)
        ids = prompt + reasoning + answer
        weight = LIST_WEIGHT if question.kind == "list" else 1.0
        silent = len(prompt) - 1  # the prompt's last token already predicts the first written one
        targets = [IGNORED] * silent + ids[len(prompt) :] + [IGNORED]
        weights = [0.0] * silent + [REASONING_WEIGHT] * len(reasoning) + [weight] * len(answer) + [0.0]
        return ids, targets, weights

    def batch(self, scenes, rng, thinking_share):
        """All questions of scenes of one size; `rng` decides which of those with a reasoning are asked for it."""
        rows, asked = [], []
        for scene in scenes:
            row, start = self.prefix(scene)
            for i, question in enumerate(scene.questions):
                thinking = question.reasoning is not None and rng.random() < thinking_share
                thinking = thinking and self.family.thinking_switch
                ids, targets, weights = self.branch(question, thinking)
                first = len(row.ids) + sum(t == IGNORED for t in targets) - 1
                row.extend(ids, start, i + 1, targets, weights)
                asked.append((len(rows), first, len(row.ids) - 1, question.kind, thinking))
            rows.append(row)
        return self.pack(rows, scenes, asked)

    def pack(self, rows, scenes, asked):
        """Pad the rows to one length, a multiple of 8, and add pixels and labels."""
        count, length = len(rows), -(-max(len(r.ids) for r in rows) // 8) * 8
        ids = np.full((count, length), self.pad)
        positions = np.zeros((3, count, length), np.int64)
        branches = np.full((count, length), -1)
        targets = np.full((count, length), IGNORED)
        weights = np.zeros((count, length), np.float32)
        for b, row in enumerate(rows):
            n = len(row.ids)
            ids[b, :n], branches[b, :n] = row.ids, row.branches
            targets[b, :n], weights[b, :n] = row.targets, row.weights
            positions[:, b, :n] = np.array(row.positions).T
        pixels, grid = pixels_of(scenes)
        tensors = [torch.from_numpy(a) for a in (ids, positions, tree_mask(branches), targets, weights)]
        return Batch(*tensors, pixels, grid, labels_of(scenes), scenes[0].is_video, asked)


def tree_mask(branches):
    """bool [B, 1, T, T] from branch numbers [B, T]: a token sees earlier ones of the prefix (0) and of its branch.

    Padding (-1) is seen by nothing; it sees itself, so that no softmax is empty.
    """
    order = np.arange(branches.shape[1])
    query, key = branches[:, :, None], branches[:, None, :]
    earlier = order[None, None, :] <= order[None, :, None]
    mask = earlier & ((key == 0) | (key == query)) & (query >= 0) & (key >= 0)
    return (mask | np.eye(len(order), dtype=bool)[None])[:, None]


def supervised_logits(twin, batch):
    """Logits [n, vocabulary] of the n supervised tokens, in row-major order."""
    pixels = {"pixel_values": batch.pixels, "image_grid_thw": batch.grid}
    if batch.is_video:
        pixels = {"pixel_values_videos": batch.pixels, "video_grid_thw": batch.grid}
    hidden = twin.model(
        input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False, **pixels
    ).last_hidden_state
    return twin.lm_head(hidden[batch.targets >= 0])


def language_loss(twin, batch):
    """Sum of the weighted cross-entropies of the supervised tokens (divide by the sum of `batch.weights`)."""
    chosen = batch.targets >= 0
    losses = F.cross_entropy(supervised_logits(twin, batch), batch.targets[chosen], reduction="none")
    return (losses * batch.weights[chosen]).sum()


@torch.no_grad()
def answers_right(twin, batch):
    """(kind, right) of every question: whether each of its tokens, given the true ones before it, is the best."""
    right = torch.ones_like(batch.targets, dtype=torch.bool)
    chosen = batch.targets >= 0
    right[chosen] = supervised_logits(twin, batch).argmax(-1) == batch.targets[chosen]
    return [
        (kind + ("+t" if thinking else ""), bool(right[row, first:last].all()))
        for row, first, last, kind, thinking in batch.asked
    ]
