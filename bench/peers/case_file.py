"""A dumped case (glmv cases --dump NAME -o F.safetensors): inputs, gold, allowed error; and a result in glmv's shape.

    case = Case("F.safetensors")
    x = case.torch("x")                         an input as torch tensor; case.numpy("input/x"): bf16 as f32
    error = case.judge({"out": out})            largest error of all outputs as a share of what is allowed
    seconds = rounds_of(call)                   samples in rounds
    json.dumps(result([row(case, "mine", seconds, error)], threads, {}))    glmv bench's JSON

`glmv cases NAME --describe` says what a case has.
"""

import json
import platform
import statistics
import subprocess
import sys
import time

import numpy as np


class Case:
    def __init__(self, path):
        with open(path, "rb") as f:
            size = int.from_bytes(f.read(8), "little")
            self.header = json.loads(f.read(size))
            self.data = memoryview(f.read())
        self.meta = self.header.pop("__metadata__")
        self.name = self.meta["case"]
        self.op = self.name.split("/")[0]
        self.arguments = {k[len("argument/"):]: v for k, v in self.meta.items() if k.startswith("argument/")}

    def names(self, kind):
        return [n[len(kind) + 1:] for n in self.header if n.startswith(kind + "/")]

    def numpy(self, name):
        """f64, f32, integers as they are; bf16 as f32."""
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        raw = self.data[begin:end]
        types = {"F64": np.float64, "F32": np.float32, "I64": np.int64, "I32": np.int32, "F16": np.float16}
        if entry["dtype"] == "BF16":
            wide = np.frombuffer(raw, np.uint16).astype(np.uint32) << 16
            return wide.view(np.float32).reshape(entry["shape"])
        return np.frombuffer(raw, types[entry["dtype"]]).reshape(entry["shape"])

    def torch(self, name, device="cpu"):
        import torch

        entry = self.header["input/" + name]
        begin, end = entry["data_offsets"]
        types = {"F64": torch.float64, "F32": torch.float32, "I64": torch.int64, "I32": torch.int32,
                 "BF16": torch.bfloat16, "F16": torch.float16, "F8_E4M3": torch.float8_e4m3fn}
        flat = torch.frombuffer(bytearray(self.data[begin:end]), dtype=types[entry["dtype"]])
        return flat.reshape(entry["shape"]).to(device)

    def number(self, name):
        return float(self.arguments[name])

    def judge(self, outputs):
        """Largest |got - gold| / allowed over all outputs; infinity for a NaN. Above 1 is wrong."""
        worst = 0.0
        for name in self.names("gold"):
            if "allowed/" + name not in self.header:
                continue
            got = np.asarray(outputs[name], np.float64)
            if "sampled_rows" in self.header:
                if not np.isfinite(got).all():
                    return float("inf")
                got = got[self.numpy("sampled_rows")]
            error = np.abs(got - self.numpy("gold/" + name)) / self.numpy("allowed/" + name)
            worst = max(worst, float("inf") if np.isnan(error).any() else float(error.max(initial=0)))
        return worst


def rounds_of(call, rounds=3, samples=10, between=lambda: None, clock=time.perf_counter):
    """Seconds of single calls, warmed up, `between` called before each outside of the timing."""
    for _ in range(3):
        call()
    out = []
    for _ in range(rounds):
        times = []
        for _ in range(samples):
            between()
            start = clock()
            call()
            times.append(clock() - start)
        out.append(times)
    return out


def rounds_of_events(call, rounds=3, samples=10, between=lambda: None):
    """As rounds_of, in the time of a CUDA device between two events."""
    import torch

    for _ in range(3):
        call()
    out = []
    for _ in range(rounds):
        pairs = []
        for _ in range(samples):
            between()
            pairs.append((torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)))
            pairs[-1][0].record()
            call()
            pairs[-1][1].record()
        torch.cuda.synchronize()
        out.append([1e-3 * begin.elapsed_time(end) for begin, end in pairs])
    return out


def row(case, backend, seconds, error, l2="cold"):
    """One line of glmv bench's JSON (bench/README.md)."""
    name = f"{case.name}/backend:{backend}/l2:{l2}"
    out = {"name": name, "run_name": name, "run_type": "iteration", "case": case.name, "op": case.op,
           "backend": backend, "l2": l2, "status": "ok" if error <= 1 else "INVALID", "max_err": min(error, 1e30),
           "samples_ns": [[1e9 * s for s in r] for r in seconds] if error <= 1 else []}
    if error > 1:
        out.update(error_occurred=True, error_message=f"INVALID: error is {error:.3g} of what is allowed", why=f"error is {error:.3g} of allowed")
        return out
    flat = [s for r in seconds for s in r]
    out.update(iterations=len(flat), real_time=1e6 * statistics.fmean(flat), cpu_time=1e6 * statistics.fmean(flat),
               time_unit="us", median_us=1e6 * statistics.median(flat))
    return out


def result(rows, threads, extra):
    command = " ".join(sys.argv)
    cpu = platform.processor()
    try:
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                cpu = line.split(":")[1].strip()
    except OSError:
        pass
    try:
        commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True).stdout.strip()
    except OSError:
        commit = ""
    ours = {"schema": "glmv.bench/1", "version": extra.pop("version", ""), "commit": commit, "command": command, "cpu": cpu,
            "threads": threads, "ceilings": [], **extra}
    return {"context": {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "host_name": platform.node(), "glmv": ours},
            "benchmarks": rows}
