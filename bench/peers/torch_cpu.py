"""torch on the CPU for the cases of a glmv result, in the same run.

    python bench/peers/torch_cpu.py --glmv build/native/glmv --cases linear/glm45v_qkv --tokens 1,8,64 -o torch.json

Runs `glmv bench` on the cases and torch on the same dumped inputs in turn, three rounds in alternating order, with as
many threads. Prints a table of both and their ratio; above 1 glmv is faster. torch computes what the case computes, in
its type: F.linear, scaled_dot_product_attention, the formulas of the Hugging Face modules. Says "not available" when
torch cannot be imported.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("not available: torch")
from case_file import Case, result, rounds_of, row


def linear(c):
    if "fp8" in c.name:  # torch has no product with weights of 8 bits and a scale per row
        return None
    x, w = c.torch("x"), c.torch("w")
    bias = c.torch("bias").to(x.dtype) if "bias" in c.names("input") else None
    w = w.to(x.dtype)
    return lambda: {"out": F.linear(x, w, bias)}


def rmsnorm(c):
    x, w, eps = c.torch("x"), c.torch("weight"), c.number("eps")

    def call():
        h = x.float()
        return {"out": w * (h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)}
    return call


def silu_mul(c):
    both = c.torch("gate_up")
    gate, up = both.chunk(2, -1)
    return lambda: {"out": F.silu(gate) * up}


def attention(c):
    """Decode and prefill of one length: paged keys are laid out once, outside of the timing."""
    q, kp, vp = c.torch("q"), c.torch("k_pages"), c.torch("v_pages")
    table, lengths, cu = c.torch("page_table").long(), c.torch("lengths").tolist(), c.torch("cu_seqlens").tolist()
    batch, queries = len(lengths), cu[1] - cu[0]
    if len(set(lengths)) > 1 or any(cu[i + 1] - cu[i] != queries for i in range(batch)):
        return None
    heads, width = q.shape[1], q.shape[2]
    lay = lambda pages: pages[table].reshape(batch, -1, pages.shape[2], width)[:, :lengths[0]].transpose(1, 2).contiguous()
    k, v, q = lay(kp), lay(vp), q.reshape(batch, queries, heads, width).transpose(1, 2).contiguous()
    causal = c.arguments["mask"] == "causal"
    if causal and queries not in (1, lengths[0]):
        return None
    is_causal = causal and queries > 1
    scale = c.number("scale")

    def call():
        out = F.scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=scale, enable_gqa=True)
        return {"out": out.transpose(1, 2).reshape(batch * queries, heads, width)}
    return call


def moe_experts(c):
    """The loop over experts of Glm4vMoeTextNaiveMoe."""
    x, ids, weights = c.torch("x"), c.torch("ids").long(), c.torch("weights")
    experts = sorted(set(ids.flatten().tolist()))
    matrices = {e: tuple(c.torch(f"{m}.{e}").to(x.dtype) for m in ("gate", "up", "down")) for e in experts}

    def call():
        out = torch.zeros(x.shape, dtype=torch.float32)
        for e in experts:
            token, k = (ids == e).nonzero(as_tuple=True)
            gate, up, down = matrices[e]
            h = x[token]
            y = F.linear(F.silu(F.linear(h, gate)) * F.linear(h, up), down)
            out.index_add_(0, token, y.float() * weights[token, k, None])
        return {"out": out.to(x.dtype)}
    return call


def mrope(c):
    x, cos, sin = c.torch("x"), c.torch("cos"), c.torch("sin")
    if c.arguments["pairing"] != "half_split":
        return None
    j = cos.shape[1]
    cos2, sin2 = torch.cat((cos, cos), -1)[:, None], torch.cat((sin, sin), -1)[:, None]

    def call():
        turned, rest = x[..., :2 * j], x[..., 2 * j:]
        half = torch.cat((-turned[..., j:], turned[..., :j]), -1)
        return {"x": torch.cat((turned * cos2 + half * sin2, rest), -1)}
    return call


PEERS = {"linear": linear, "rmsnorm": rmsnorm, "silu_mul": silu_mul, "attention": attention, "moe_experts": moe_experts,
         "mrope": mrope}


def load(glmv, name, work, peers):
    """The dumped case, the peer's call and that call's error; None for a case that the peer has no counterpart of."""
    dump = work / "case.safetensors"
    subprocess.run([glmv, "cases", "--dump", name, "-o", dump], check=True, capture_output=True)
    case = Case(dump)
    call = peers[case.op](case)
    return None if call is None else (case, call, case.judge({k: v.float().numpy() for k, v in call().items()}))


def measure(glmv, cases, threads, work):
    """Samples of both sides, three rounds in alternating order: {name: (glmv's row, the peer's rounds)}."""
    out = work / "glmv.json"
    bench = [glmv, "bench", ",".join(cases), "--backend", "cpu", "--threads", str(threads), "--max-seconds", "1000",
             "--samples", "10", "--seconds", "2", "-q", "--exit-zero", "-o", out]
    evict = torch.empty(64 << 20, dtype=torch.uint8)  # as glmv does between calls
    ours, theirs = {}, {name: [] for name in cases}
    for turn in range(3):
        for who in ("peer", "glmv") if turn % 2 == 0 else ("glmv", "peer"):
            if who == "peer":
                for name, (_, call, _) in cases.items():
                    theirs[name] += rounds_of(call, 1, 10, lambda: evict.fill_(turn))
                continue
            subprocess.run(bench, check=True, capture_output=True)
            for part in json.loads(out.read_text())["benchmarks"]:
                if part["case"] in ours:
                    ours[part["case"]]["samples_ns"] += part["samples_ns"]
                else:
                    ours[part["case"]] = part
    return {name: (ours[name], theirs[name]) for name in cases}


def main(peers=PEERS, peer="torch", version=torch.__version__, doc=__doc__):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glmv", required=True)
    parser.add_argument("--cases", required=True, help="parts of case names, separated by commas")
    parser.add_argument("--tokens", default="1", help="only these, separated by commas")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("-o", "--output")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    listed = json.loads(subprocess.run([args.glmv, "cases", "--list", "--json"], check=True, capture_output=True).stdout)
    tokens = args.tokens.split(",")
    names = [c["name"] for c in listed["cases"] if c["timed"] and c["name"].split("/")[0] in peers
             and any(w in c["name"] for w in args.cases.split(",")) and any(f"_T{t}_" in c["name"] for t in tokens)]
    rows = []
    with tempfile.TemporaryDirectory() as work, torch.inference_mode():
        loaded = {name: load(args.glmv, name, Path(work), peers) for name in names}
        cases = {name: found for name, found in loaded.items() if found is not None}
        measured = measure(args.glmv, cases, args.threads, Path(work))
    print(f"{'case':<72} {'glmv':>10} {peer:>12}  glmv is")
    for name, (ours, samples) in measured.items():
        case, _, error = cases[name]
        theirs = row(case, peer, samples, error)
        rows += [ours, theirs]
        if theirs["status"] != "ok" or ours["status"] == "INVALID":
            print(f"{name:<72} {peer} {theirs['status']} ({theirs['max_err']:.2f} of allowed), glmv {ours['status']}")
            continue
        a, b = (statistics.median(s for r in side["samples_ns"] for s in r) / 1e3 for side in (ours, theirs))
        print(f"{name:<72} {a:>8.1f}us {b:>10.1f}us  {b / a:.2f}x as fast")
    if args.output:
        Path(args.output).write_text(json.dumps(result(rows, args.threads, {"peer": f"{peer} {version}"}), indent=1) + "\n")


if __name__ == "__main__":
    main()
