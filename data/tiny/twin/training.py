"""What both phases share: two processes that sum their gradients, the learning rate, checkpoints and the log."""
import json
import math
import os
import time

import torch
import torch.distributed as dist


class Ranks:
    """The processes of one training run, one thread each; gradients meet in one flat all-reduce.

    Two processes use two cores fully; two threads in one process gained 15 % at this model size.
    """

    def __init__(self, rank, count, work):
        self.rank, self.count, self.work = rank, count, work
        torch.set_num_threads(1)
        if count > 1:
            store = f"file://{os.path.abspath(work)}/meeting-point-{os.getppid()}"
            dist.init_process_group("gloo", init_method=store, rank=rank, world_size=count)

    @property
    def first(self):
        return self.rank == 0

    def wait(self):
        if self.count > 1:
            dist.barrier()

    def add_up(self, tensors):
        """Replace every tensor by its sum over the ranks; the same bits on every rank."""
        if self.count == 1:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors])):
            tensor.copy_(part.view_as(tensor))

    def gather(self, value):
        """The values of all ranks, as a list on every rank."""
        values = [value]
        if self.count > 1:
            values = [None] * self.count
            dist.all_gather_object(values, value)
        return values

    def share(self, parts):
        """This rank's part of a mix given as one list per rank; a single process does them all."""
        return parts[self.rank] if self.count > 1 else sum(parts, [])


def cosine(step, steps, warm, final):
    """Factor of the learning rate: linear over `warm` steps, then a cosine that ends at `final`."""
    falling = final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return min(1.0, (step + 1) / warm) * falling


def fill_missing_gradients(parameters):
    """Zero gradients where a rank's scenes did not reach a parameter, so that all ranks sum the same list."""
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    return [p.grad for p in parameters]


class Checkpoint:
    """All state of a phase in one file, written beside and renamed, so that a cut run leaves a whole one."""

    def __init__(self, ranks, name, twin, heads, optimiser=None):
        self.ranks, self.path = ranks, os.path.join(ranks.work, name + ".pt")
        parts = {"twin": twin, "heads": heads, "optimiser": optimiser}
        self.parts = {part: value for part, value in parts.items() if value}

    def save(self, step):
        if self.ranks.first:
            state = {name: part.state_dict() for name, part in self.parts.items()}
            torch.save({"step": step, **state}, self.path + ".part")
            os.replace(self.path + ".part", self.path)

    def load(self):
        """Restore what the file holds; returns the step to go on with, 0 without a file."""
        if not os.path.exists(self.path):
            return 0
        state = torch.load(self.path)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return state["step"]


class Log:
    """Running means of named numbers, printed and appended to log.jsonl by the first rank."""

    def __init__(self, ranks, phase):
        self.ranks, self.phase, self.sums = ranks, phase, {}
        self.begin, self.begin_cpu = time.time(), time.process_time()

    def add(self, name, value):
        total, n = self.sums.get(name, (0.0, 0))
        self.sums[name] = total + float(value), n + 1

    def write(self, step, **more):
        """Means since the last call over all ranks, plus wall and CPU seconds of this run of the phase."""
        merged = {}
        for sums in self.ranks.gather(self.sums):
            for name, (total, n) in sums.items():
                old, m = merged.get(name, (0.0, 0))
                merged[name] = old + total, m + n
        cpu = sum(self.ranks.gather(time.process_time() - self.begin_cpu))
        self.sums = {}
        if self.ranks.first:
            means = {name: round(total / n, 4) for name, (total, n) in sorted(merged.items())}
            line = {"phase": self.phase, "step": step, "wall_s": round(time.time() - self.begin), "cpu_s": round(cpu)}
            text = json.dumps({**line, **means, **more})
            print(text, flush=True)
            with open(os.path.join(self.ranks.work, "log.jsonl"), "a") as f:
                f.write(text + "\n")
