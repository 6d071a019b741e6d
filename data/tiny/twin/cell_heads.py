"""Throw-away linear heads that name what each 28x28 cell shows.

They are the whole objective of phase V and a side objective of phase L. Trained without them the vision tower
collapsed to a constant before the language side had learned to look.
"""
import torch
import torch.nn.functional as F

from .model import WIDTH

CLASSES = {"color": 7, "shape": 6, "digit": 11, "value": 10, "motion": 5}  # class 0 is "nothing here"
EMPTY_WEIGHT = 0.3  # of a cell without a thing, in the cross-entropies
BOX_WEIGHT, PLACE_WEIGHT, SCALE_WEIGHT = 10.0, 4.0, 0.02


class CellHeads(torch.nn.Module):
    """One linear map from an RMS-normalised merged token [128] to all the predictions."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.widths = {**CLASSES, "box": 4, "place": 2}
        self.linear = torch.nn.Linear(WIDTH, sum(self.widths.values()))

    def predict(self, features):
        """features [n, 128] -> name -> [n, width]."""
        normal = F.rms_norm(features, features.shape[-1:])
        return dict(zip(self.widths, self.linear(normal).split(list(self.widths.values()), dim=1)))

    def loss(self, features, labels, grid, note=None):
        """Mean loss of merged tokens [n, 128] of pictures of one size; `note(name, value)` receives the accuracies."""
        found = self.predict(features)
        # The features' scale is free, because norms read them; a small price keeps it from running away.
        total = SCALE_WEIGHT * F.relu(features.pow(2).mean() - 1)
        total = total + PLACE_WEIGHT * F.mse_loss(found["place"], cell_places(grid))
        for name, target in labels.items():
            if name == "box":
                occupied = labels["color"] > 0
                error = F.mse_loss(found["box"][occupied], target[occupied])
                total = total + BOX_WEIGHT * error
                if note:
                    note("box_rms_thousandths", 500 * error.detach().sqrt())
                continue
            weights = torch.where(target > 0, 1.0, EMPTY_WEIGHT)
            losses = F.cross_entropy(found[name], target, reduction="none")
            total = total + (losses * weights).sum() / weights.sum()
            if note:
                occupied = target > 0
                note(name, (found[name].argmax(1) == target)[occupied].float().mean())
        return total


def cell_places(grid):
    """[n, 2]: the centre of every cell, x and y in -1..1 of its picture; grid [pictures, 3] in patches, one size."""
    times, rows, columns = int(grid[0, 0]), int(grid[0, 1]) // 2, int(grid[0, 2]) // 2
    y, x = torch.meshgrid(
        (torch.arange(rows) + 0.5) / rows * 2 - 1, (torch.arange(columns) + 0.5) / columns * 2 - 1, indexing="ij"
    )
    return torch.stack([x, y], -1).reshape(-1, 2).repeat(len(grid) * times, 1)
