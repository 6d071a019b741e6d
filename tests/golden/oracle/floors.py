"""The measured noise floor: how far apart runs are that the library itself calls correct."""

import torch

from . import runs

INPUTS = ("pixel_values", "pixel_values_videos")


def per_row(points, others):
    """{"floor/<point>": f32 [rows]}: per row the largest |difference| between this run and any of the others."""
    floors = {}
    for name, tensor in points.items():
        if tensor.is_floating_point() and name not in INPUTS:
            distances = [(tensor.float() - other[name].float()).abs().flatten(1).amax(1) for other in others]
            floors["floor/" + name] = torch.stack(distances).amax(0)
    return floors


def measure(others, case, inputs, points):
    """Floors of a trace from other legal models that are fed the same tokens and send them to the same experts."""
    tokens = runs.fed_tokens(points)
    return per_row(points, [runs.run_case(model, case, inputs, tokens, points) for model in others])
