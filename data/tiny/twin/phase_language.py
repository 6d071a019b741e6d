"""Phase L: the twin learns to answer, end to end with the cell heads beside it, or behind a tower that is kept (no heads)."""
from dataclasses import dataclass

import torch

from . import batches, world
from .model import routers
from .training import Checkpoint, Log, cosine, fill_missing_gradients

RATE, WARM_STEPS, FINAL_SHARE, DECAY = 2e-3, 50, 0.01, 0.05
# The tower already sees; it learns slowly, and hardly at all while the language side is still noise.
TOWER_SHARE, TOWER_WARM_STEPS = 0.15, 400
CELL_WEIGHT = 1.0  # of the cell loss, per unit of token weight
THINKING_SHARE = 0.3  # of the questions that have a reasoning
NUDGE, NUDGE_UNTIL = 1e-3, 0.8  # expert balancing: step of the correction bias, share of the run
EASY_STEPS = 60  # the first steps show 1..3 things on pictures of 9 tokens or fewer
EASY_SIZES = [(84, 84), (56, 112), (112, 56)]
LATE = 0.4  # the share of the run from which late weights hold
RESIZED_EVERY = 5  # one step in five asks about things on pictures the processor resizes
LOG_EVERY, SAVE_EVERY, CHECK_EVERY = 50, 50, 150


@dataclass(frozen=True)
class Part:
    """One micro-batch of a step: `pictures` scenes with `count` questions each, of the kinds of `topic`."""

    rank: int  # of the process that does it
    scene: str
    pictures: int
    count: int
    topic: str = ""
    weight: float = 1.0  # of its tokens in the loss
    late_weight: float | None = None  # the same from the share LATE of the run on

    def weight_at(self, progress):
        return self.late_weight if self.late_weight and progress >= LATE else self.weight


# The two processes get about equal work. A box is a dozen digits that stay hard for long: at weight 1 from the start the
# boxes made up an estimated 60 % of the loss, and everything else waited.
MIX = [
    Part(0, "objects", 12, 6, "things"),
    Part(0, "objects", 9, 6, "space"),
    Part(0, "number", 6, 1),
    Part(1, "objects", 9, 4, "boxes", weight=0.6, late_weight=1.0),
    Part(1, "bars", 5, 4),
    Part(1, "compare", 7, 3, weight=1.5),
    Part(1, "video", 6, 3),
]

# Kinds and weights of each topic, from a share of the run on. What a thing is comes before where it is, and choosing
# a letter comes after knowing the word.
BOXES = {"point": 1}
STAGES = [
    (
        0.0,
        {
            "things": {"shape": 2, "color": 3, "exist": 2, "count": 2, "list": 2, "lookup": 2},
            "space": {"extreme": 3, "relation": 1, "color": 2, "shape": 1, "list": 1},
            "boxes": BOXES,
        },
    ),
    (
        0.1,
        {
            "things": {"shape": 1.5, "color": 2, "exist": 1.5, "count": 2, "list": 1}
            | {"choice_easy": 2, "choice": 1, "lookup": 1.5},
            "space": {"extreme": 2, "relation": 4},
            "boxes": BOXES,
        },
    ),
    (
        0.4,
        {
            "things": {"shape": 1, "color": 1.5, "exist": 1.5, "count": 2, "list": 2, "choice": 4, "lookup": 4},
            "space": {"extreme": 1, "relation": 4},
            "boxes": BOXES,
        },
    ),
    (
        0.8,
        {
            "things": {"shape": 1, "color": 1.5, "exist": 4, "count": 2, "list": 3, "choice": 4, "lookup": 2},
            "space": {"extreme": 2, "relation": 3},
            "boxes": BOXES,
        },
    ),
]


def kinds_of(topic, progress):
    return [stage for start, stage in STAGES if progress >= start][-1][topic]


class CenteredGradient(torch.autograd.Function):
    """The identity; going back, the mean over tokens is removed from the gradient [n, 128]."""

    @staticmethod
    def forward(context, features):
        return features.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient - gradient.mean(0, keepdim=True)


class FeatureTap:
    """Keeps the merged tokens of the last forward pass for the cell loss.

    The language loss may not move their mean, or the tower would come to serve as a bias. The cell loss may:
    in a run with both centred (and a faster tower) the tower was lost within 300 steps.
    """

    def __init__(self, visual):
        visual.merger.register_forward_hook(self.keep)

    def keep(self, module, inputs, output):
        self.features = output
        return CenteredGradient.apply(output)


class ExpertLoads:
    """Counts how often each expert is chosen and moves the correction bias towards equal use."""

    def __init__(self, twin):
        self.gates = routers(twin)
        self.loads = [torch.zeros(gate.num_experts) for gate in self.gates]
        for gate, load in zip(self.gates, self.loads):
            gate.register_forward_hook(self.counter(load))

    @staticmethod
    def counter(load):
        def count(gate, inputs, output):
            if gate.training:
                load.add_(torch.bincount(output[2].view(-1), minlength=gate.num_experts).float())

        return count

    def nudge(self, amount):
        for gate, load in zip(self.gates, self.loads):
            gate.e_score_correction_bias += amount * torch.sign(load.mean() - load)

    def clear(self):
        for load in self.loads:
            load.zero_()


def make_optimiser(twin, heads):
    """AdamW with decay on matrices only and a slower tower.

    `share` is a group's part of the learning rate, `warm` the length of its warm-up in steps.
    """
    groups = []
    for in_tower, share, warm in ((False, 1.0, WARM_STEPS), (True, TOWER_SHARE, TOWER_WARM_STEPS)):
        for is_matrix in (True, False):
            chosen = [
                p
                for name, p in twin.named_parameters()
                if p.requires_grad and ("visual." in name) == in_tower and (p.ndim >= 2) == is_matrix
            ]
            groups.append(dict(params=chosen, weight_decay=DECAY * is_matrix, share=share, warm=warm))
    if heads:
        groups.append(dict(params=list(heads.parameters()), weight_decay=0.0, share=1.0, warm=WARM_STEPS))
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), eps=1e-9, fused=True)


def draw(part, key, step, steps, easy_start):
    """The scenes of one micro-batch and the generator that goes on with the thinking choices."""
    options = {}
    if part.scene == "objects":
        options["kinds"] = kinds_of(part.topic, step / steps)
        if easy_start and step < min(EASY_STEPS, steps // 10):
            options.update(size=EASY_SIZES[step % 3], most=3)
        elif part.topic == "things" and step % RESIZED_EVERY == 0:
            options.update(size=world.RESIZED[step // RESIZED_EVERY % len(world.RESIZED)])
    return world.generate(part.scene, key, part.pictures, part.count, **options)


def train_part(twin, heads, tap, batcher, part, key, step, steps, log):
    """Add the gradients of one micro-batch; returns the sum of its token weights."""
    scenes, rng = draw(part, key, step, steps, easy_start=heads is not None)
    batch = batcher.batch(scenes, rng, THINKING_SHARE)
    part_weight = part.weight_at(step / steps)
    weight = part_weight * batch.weights.sum()
    answers = part_weight * batches.language_loss(twin, batch)
    name = part.topic or part.scene
    log.add(name, answers.detach() / weight)
    if heads:
        cells = heads.loss(tap.features, batch.labels, batch.grid)
        log.add("cells." + name, cells.detach())
        answers = answers + CELL_WEIGHT * weight * cells
    answers.backward()
    return weight


def check_set(ranks, batcher, seed):
    """This rank's share of a fixed set of unseen questions of all kinds, two sizes each."""
    wanted = [("objects", 14, 6, None), ("objects", 14, 4, {"point": 1, "relation": 2, "choice": 2})]
    wanted += [("number", 16, 1, None), ("bars", 10, 3, None), ("compare", 14, 2, None), ("video", 10, 3, None)]
    found = []
    for i, (scene, pictures, count, kinds) in enumerate(wanted):
        for repeat in range(2):
            options = {"kinds": kinds} if kinds else {}
            if (i + repeat) % ranks.count == ranks.rank:
                scenes, rng = world.generate(scene, [seed, 10**9, i, repeat], pictures, count, **options)
                found.append(batcher.batch(scenes, rng, 0.4))
    return found


def check(ranks, twin, found):
    """Share of right answers per kind, teacher-forced (as greedy would give), over all ranks."""
    twin.eval()
    mine = [pair for batch in found for pair in batches.answers_right(twin, batch)]
    twin.train()
    tally = {}
    for kind, right in (pair for pairs in ranks.gather(mine) for pair in pairs):
        tally.setdefault(kind, []).append(right)
    return {kind: f"{sum(r)}/{len(r)}" for kind, r in sorted(tally.items())}


def run(ranks, twin, heads, batcher, seed, steps):
    """Train the twin in place for `steps` steps, going on from a checkpoint if there is one."""
    tap, experts = FeatureTap(twin.model.visual) if heads else None, ExpertLoads(twin)
    optimiser = make_optimiser(twin, heads)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    checkpoint, log = Checkpoint(ranks, "language", twin, heads, optimiser), Log(ranks, "language")
    unseen = check_set(ranks, batcher, seed)
    twin.train()
    for step in range(checkpoint.load(), steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * group["share"] * cosine(step, steps, group["warm"], FINAL_SHARE)
        optimiser.zero_grad()
        experts.clear()
        weight = torch.zeros(1)
        for i, part in enumerate(MIX):
            if part.rank % ranks.count == ranks.rank:
                weight += train_part(twin, heads, tap, batcher, part, [seed, 2, step, i], step, steps, log)
        gradients = fill_missing_gradients(parameters)
        ranks.add_up(gradients + experts.loads + [weight])
        torch._foreach_div_(gradients, weight.item())
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if step < NUDGE_UNTIL * steps:
            experts.nudge(NUDGE)
        report(ranks, log, checkpoint, twin, unseen, experts, step + 1, steps)
    ranks.wait()


def report(ranks, log, checkpoint, twin, unseen, experts, done, steps):
    """The log line, the check on unseen questions and the checkpoint, when they are due."""
    if done % SAVE_EVERY == 0 or done == steps:
        checkpoint.save(done)
    if done % LOG_EVERY == 0 or done == steps:
        more = {"load": [[round(v, 2) for v in (x / x.sum()).tolist()] for x in experts.loads]}
        if done % CHECK_EVERY == 0 or done == steps:
            more["right"] = check(ranks, twin, unseen)
        log.write(done, **more)
