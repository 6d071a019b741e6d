"""An RMSNorm in torch, judged like glmv's own kernels and timed on the host's clock, cache warm.

    glmv cases --dump 'rmsnorm/bf16_hf_T64_H4096' -o case.safetensors
    python bench/peers/example_torch.py case.safetensors > torch.json
    glmv bench 'rmsnorm/bf16_hf_T64_H4096' --backend cpu --l2 warm -o glmv.json
    glmv compare torch.json glmv.json
"""
import json
import sys

try:
    import torch
except ImportError:
    sys.exit("not available: torch")
from case_file import Case, result, rounds_of, row

case = Case(sys.argv[1])
if case.op != "rmsnorm":
    sys.exit(f"this example computes rmsnorm, {sys.argv[1]} is a case of {case.op}")
x, w, eps = case.torch("x"), case.torch("weight"), case.number("eps")
def call():  # what you would replace
    h = x.float()
    return w * (h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)
error = case.judge({"out": call().float().numpy()})
seconds = rounds_of(call) if error <= 1 else []
print(json.dumps(result([row(case, "torch", seconds, error, "warm")], torch.get_num_threads(), {"peer": torch.__version__})))
