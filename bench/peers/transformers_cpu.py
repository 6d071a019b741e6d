"""Modules of the Hugging Face library on the CPU for the cases of a glmv result, in the same run.

    python bench/peers/transformers_cpu.py --glmv build/native/glmv --cases moe_experts --tokens 1,8 [--experts grouped_mm]

As torch_cpu.py, with the library's own modules: the experts of Glm4vMoe (eager, batched_mm or grouped_mm), its RMSNorm.
Says "not available" when transformers cannot be imported.
"""

import argparse
import sys
from types import SimpleNamespace

try:
    import torch
    import transformers
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS
    from transformers.models.glm4v_moe import modeling_glm4v_moe as library
except ImportError as e:
    sys.exit(f"not available: {e.name}")
import torch_cpu


def experts_module(c, implementation):
    """Glm4vMoeTextExperts with the case's matrices; experts that no token chooses have no rows in a dump and stay zero."""
    used = sorted(int(n.split(".")[1]) for n in c.names("input") if n.startswith("gate."))
    gate = c.torch(f"gate.{used[0]}")
    config = SimpleNamespace(num_local_experts=int(c.number("experts")) if "experts" in c.arguments else used[-1] + 1,
                             hidden_size=gate.shape[1], moe_intermediate_size=gate.shape[0], hidden_act="silu",
                             _experts_implementation=implementation)
    module = library.Glm4vMoeTextExperts(config).to(c.torch("x").dtype)
    with torch.no_grad():
        module.gate_up_proj.zero_(), module.down_proj.zero_()
        for e in used:
            module.gate_up_proj[e] = torch.cat((c.torch(f"gate.{e}"), c.torch(f"up.{e}")))
            module.down_proj[e] = c.torch(f"down.{e}")
    return module


def experts(implementation):
    def peer(c):
        if "fp8" in c.name:
            return None
        module = experts_module(c, implementation)
        x, ids, weights = c.torch("x"), c.torch("ids").long(), c.torch("weights")
        return lambda: {"out": module(x, ids, weights)}
    return peer


def rmsnorm(c):
    x, weight = c.torch("x"), c.torch("weight")
    module = library.Glm4vMoeTextRMSNorm(x.shape[1], eps=c.number("eps")).to(x.dtype)
    with torch.no_grad():
        module.weight.copy_(weight)
    return lambda: {"out": module(x)}


if __name__ == "__main__":
    known = ["eager", *(name for name in ALL_EXPERTS_FUNCTIONS.valid_keys() if name.endswith("_mm"))]
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--experts", choices=known, default="eager")
    chosen, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    torch_cpu.main({"moe_experts": experts(chosen.experts), "rmsnorm": rmsnorm}, "transformers",
                   f"{transformers.__version__}, experts {chosen.experts}", __doc__)
