"""How far a trace is from a coin toss: a golden whose routing or argmax hangs on the last bit is no golden."""

import re

import torch


def gap(values, kept):
    """Smallest (value of a kept column - largest value of an unkept one) over the rows; inf if all are kept."""
    inside = values.masked_fill(~kept, torch.inf).amin(-1)
    outside = values.masked_fill(kept, -torch.inf).amax(-1)
    return (inside - outside).min().item()


def largest(values, count):
    """Mask of the `count` largest columns of each row."""
    return torch.zeros_like(values, dtype=torch.bool).scatter_(-1, values.topk(count, dim=-1).indices, True)


def route(logits, bias, text):
    """The routing rule again: per row masks and values (experts kept, their corrected scores, groups kept, theirs).

    logits [T, E], bias [E]. Experts of a dropped group score -inf: they compete with nobody.
    """
    corrected = logits.sigmoid() + bias
    groups = corrected.unflatten(-1, (text["n_group"], -1))
    group_scores = groups.topk(2, dim=-1).values.sum(-1)
    kept_groups = largest(group_scores, text["topk_group"])
    allowed = kept_groups.repeat_interleave(groups.shape[-1], dim=-1)
    corrected = corrected.masked_fill(~allowed, -torch.inf)
    return largest(corrected, text["num_experts_per_tok"]), corrected, kept_groups, group_scores


def routers(points, model):
    """(logits [T, E], topk_ids [T, K], correction bias [E]) of every router in a trace."""
    for name in points:
        if name.endswith(".gate.logits"):
            gate = name.removesuffix(".logits")
            module = model.get_submodule(gate.split("/")[-1])
            yield points[name], points[gate + ".topk_ids"], module.e_score_correction_bias


def router_margin(points, model, text):
    """Smallest gap of all routing decisions, experts and groups; also checks that the rule above is the library's."""
    margins = [torch.inf]
    for logits, ids, bias in routers(points, model):
        kept, corrected, kept_groups, group_scores = route(logits, bias, text)
        assert torch.equal(kept, torch.zeros_like(kept).scatter_(-1, ids, True)), "the library chose other experts"
        margins += [gap(corrected, kept), gap(group_scores, kept_groups)]
    return min(margins)


def logit_margin(points):
    """Smallest distance of the two largest logits, over all rows and steps."""
    best = [tensor.topk(2, dim=-1).values for name, tensor in points.items() if re.fullmatch(r"(step\.\d+/)?logits", name)]
    return min([(two[:, 0] - two[:, 1]).min().item() for two in best], default=torch.inf)


def bias_flips(points, model, text):
    """How many decisions of a trace would change if the correction bias were kept in bf16: a popular mistake."""
    flips = 0
    for logits, _, bias in routers(points, model):
        rounded = bias.to(torch.bfloat16).float()
        flips += (route(logits, bias, text)[0] != route(logits, rounded, text)[0]).any(-1).sum().item()
    return flips


def of_trace(points, model, config):
    """What the manifest says about one trace."""
    found = {}
    if (margin := logit_margin(points)) < torch.inf:
        found["logits"] = margin
    if (margin := router_margin(points, model, config["text_config"])) < torch.inf:
        found["router"] = margin
        found["bias_flips"] = bias_flips(points, model, config["text_config"])
    return found
