"""Phase V: the vision tower alone learns to say what every cell shows, through the throw-away heads."""
import torch

from . import batches, world
from .model import center_patches
from .training import Checkpoint, Log, cosine, fill_missing_gradients

# (scene, pictures) per step, one list per rank.
MIX = [[("objects", 28), ("video", 9)], [("number", 28), ("bars", 10), ("video", 9), ("objects", 8)]]
RATE, WARM_STEPS, FINAL_SHARE, DECAY = 1.5e-3, 40, 0.1, 0.05
LOG_EVERY, SAVE_EVERY = 50, 150


def tower_features(visual, pixels, grid):
    """Merged tokens [n, 128] of a batch of pictures or clips; the frames of a clip do not see each other."""
    single = grid.repeat_interleave(grid[:, 0], 0).clone()
    single[:, 0] = 1
    return visual(pixels, grid_thw=single).pooler_output


def scene_loss(visual, heads, scene, key, pictures, note):
    scenes, _ = world.generate(scene, key, pictures, 1)
    pixels, grid = batches.pixels_of(scenes)
    features = tower_features(visual, pixels, grid)
    return heads.loss(features, batches.labels_of(scenes), grid, lambda name, v: note(f"{scene}.{name}", v))


def make_optimiser(parameters):
    matrices = [p for p in parameters if p.ndim >= 2]
    vectors = [p for p in parameters if p.ndim < 2]
    groups = [dict(params=matrices, weight_decay=DECAY), dict(params=vectors, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), fused=True)


def run(ranks, twin, heads, seed, steps):
    """Train the tower and the heads in place for `steps` steps, going on from a checkpoint if there is one."""
    visual = twin.model.visual
    scenes, _ = world.generate("objects", [seed, 77], 32, 1)
    center_patches(visual, batches.pixels_of(scenes)[0])
    parameters = list(visual.parameters()) + list(heads.parameters())
    optimiser = make_optimiser(parameters)
    checkpoint, log = Checkpoint(ranks, "vision", twin, heads, optimiser), Log(ranks, "vision")
    twin.train()
    for step in range(checkpoint.load(), steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * cosine(step, steps, WARM_STEPS, FINAL_SHARE)
        optimiser.zero_grad()
        for scene, pictures in ranks.share(MIX):
            key = [seed, 1, step, ranks.rank, list(world.MAKERS).index(scene)]
            scene_loss(visual, heads, scene, key, pictures, log.add).backward()
        ranks.add_up(fill_missing_gradients(parameters))
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if (step + 1) % LOG_EVERY == 0:
            log.write(step + 1)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            checkpoint.save(step + 1)
    ranks.wait()
