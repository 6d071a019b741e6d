"""Records a trace of a PyTorch model with forward hooks, and so shows how to record one of any engine.

    glmv preprocess --model DIR --image picture.png --prompt "..." -o inputs.safetensors
    python trace_with_hooks.py DIR inputs.safetensors mine.safetensors
    glmv crosscheck --model DIR --against mine.safetensors

Here the model is the Hugging Face library's, whose module names are the names of the points. In another engine, write
your own names and let `crosscheck --map` translate them. Few points are fine: the more, the narrower the place.
"""

import re
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

WANTED = re.compile(r"model\.visual\.(blocks\.\d+|merger)|model\.language_model\.(norm|layers\.\d+(\.(self_attn|mlp))?)")
INPUTS = ("input_ids", "mm_token_type_ids", "pixel_values", "image_grid_thw")
PER_SEQUENCE = ("input_ids", "mm_token_type_ids")  # the library wants a batch axis there


def record(points, name):
    def hook(_module, _args, output):
        output = output[0] if isinstance(output, tuple) else output
        points[name] = output.detach().clone().contiguous()
    return hook


def main(folder, inputs_file, trace_file):
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    loaded = load_file(inputs_file)
    inputs = {name: loaded[name] for name in INPUTS if name in loaded}
    points = dict(inputs)
    for name, module in model.named_modules():
        if WANTED.fullmatch(name):
            module.register_forward_hook(record(points, name))
    with torch.no_grad():
        batch = {name: tensor[None] if name in PER_SEQUENCE else tensor for name, tensor in inputs.items()}
        points["logits"] = model(**batch).logits
    save_file(points, trace_file, metadata={"dtype": "f32"})


if __name__ == "__main__":
    main(*sys.argv[1:])
