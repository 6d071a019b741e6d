"""An RMSNorm in Triton, judged like glmv's own kernels; `glmv cases --dump 'rmsnorm/bf16_hf_T64_H4096' -o case.safetensors`
then `python bench/peers/example_triton.py case.safetensors` on a machine with a GPU. Timed by CUDA events, cache warm;
TRITON_INTERPRET=1 checks it on any machine, without a time worth having."""
import json
import os
import sys

try:
    import torch
    import triton
    import triton.language as tl
except ImportError as e:
    sys.exit(f"not available: {e.name}")
from case_file import Case, result, rounds_of, rounds_of_events, row

interpreted = os.environ.get("TRITON_INTERPRET") == "1"  # checks the kernel without a GPU; its time means nothing
if not torch.cuda.is_available() and not interpreted:
    sys.exit("not available: torch sees no GPU")
device = "cpu" if interpreted else "cuda"


@triton.jit
def norm_kernel(x, weight, out, eps, width: tl.constexpr, block: tl.constexpr):
    row_of_x = tl.program_id(0) * width
    at = tl.arange(0, block)
    h = tl.load(x + row_of_x + at, at < width, 0.0).to(tl.float32)
    scale = 1 / tl.sqrt(tl.sum(h * h) / width + eps)
    rounded = (h * scale).to(tl.bfloat16).to(tl.float32)
    tl.store(out + row_of_x + at, rounded * tl.load(weight + at, at < width, 0.0).to(tl.float32), at < width)


case = Case(sys.argv[1])
if case.op != "rmsnorm":
    sys.exit(f"this example computes rmsnorm, {sys.argv[1]} is a case of {case.op}")
x, w, eps = case.torch("x", device), case.torch("weight", device), case.number("eps")
out, width = torch.empty_like(x), x.shape[1]
def call():
    norm_kernel[(x.shape[0],)](x, w, out, eps, width, triton.next_power_of_2(width))
call()
error = case.judge({"out": out.float().cpu().numpy()})
measure = rounds_of if interpreted else rounds_of_events
seconds = measure(call) if error <= 1 else []
print(json.dumps(result([row(case, "triton", seconds, error, "warm")], 1, {"peer": triton.__version__})))
