"""Sends every token of a run to the experts that another run chose.

Two correct runs may choose other experts where scores are close; behind such a choice their distance is no rounding.
With the choice replayed it is.
"""

from contextlib import contextmanager

import torch


@contextmanager
def choices(model, points):
    """Every router of `model` chooses what the trace `points` has, pass by pass; its weights stay its own.

    `points` None: nothing is replayed. Rows are taken in the order in which a trace has them: prompt, then steps.
    """
    handles = []
    for name, module in model.named_modules():
        if points is not None and name.endswith("mlp.gate"):
            handles.append(module.register_forward_hook(Replayed(of_all_passes(points, name + ".topk_ids"))))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def of_all_passes(points, name):
    """[T + steps, K] of one router."""
    steps = sum(other.startswith("step.") and other.endswith("/" + name) for other in points)
    return torch.cat([points[name]] + [points[f"step.{n}/{name}"] for n in range(1, steps + 1)]).long()


class Replayed:
    """A forward hook of one router: (logits, weights, ids) with the next rows of `ids` as choice."""

    def __init__(self, ids):
        self.ids = ids
        self.next = 0

    def __call__(self, router, _args, output):
        logits, _, own = output
        ids = self.ids[self.next:self.next + len(logits)]
        self.next += len(logits)
        same = (own.sort(dim=-1)[0] == ids).all(dim=-1, keepdim=True)
        ids = torch.where(same, own, ids)  # the library's order, in which it sums, where the set is its own
        weights = logits.sigmoid().gather(1, ids)
        if router.norm_topk_prob:
            weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-20)
        return logits, weights * router.routed_scaling_factor, ids
