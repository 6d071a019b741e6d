"""A kernel in torch, judged and timed like glmv's own. `glmv cases --dump 'rmsnorm/bf16_hf_T64_H4096' -o case.safetensors`
then `python bench/peers/example_torch.py case.safetensors`; the JSON it prints is one for `glmv compare`."""
import json
import sys

try:
    import torch
except ImportError:
    sys.exit("not available: torch")
from case_file import Case, result, rounds_of, row

case = Case(sys.argv[1])
x, w, eps = case.torch("x"), case.torch("weight"), case.number("eps")
def call():  # what you would replace
    h = x.float()
    return w * (h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)
error = case.judge({"out": call().float().numpy()})
seconds = rounds_of(call) if error <= 1 else []
print(json.dumps(result([row(case, "torch", seconds, error, "warm")], torch.get_num_threads(), {"peer": torch.__version__})))
