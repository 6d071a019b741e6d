"""Writes the small files of tensors that tests/adapters_test.cc reads: what torch and numpy themselves write.

    python tests/crosscheck_peers/make_samples.py      (torch 2.15.0, numpy of tests/golden/requirements.txt)
"""

import collections
import pathlib

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent


def main():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    torch.save({
        "f32": base, "transposed": base.t(), "part": base[1:3, 2:4], "expanded": torch.arange(3).expand(2, 3),
        "bf16": torch.tensor([1.5, -2.0], dtype=torch.bfloat16), "i16": torch.tensor([-3, 4], dtype=torch.int16),
        "bool": torch.tensor([True, False]), "scalar": torch.tensor(7), "empty": torch.zeros(0, 4),
        "nested": {"list": [torch.tensor([1.0]), (torch.tensor([2.0]),)]},
        "parameter": torch.nn.Parameter(torch.ones(2)), "ordered": collections.OrderedDict(x=torch.tensor([3.0])),
        "size": torch.Size([4, 6]), "step": 3, "name": "a run", "ratio": 0.5, "nothing": None,
    }, HERE / "values.pt")
    numbers = (torch.tensor([1.0, -2.0]) * 1j).conj().imag  # negated lazily: its storage holds 1 and -2
    whole = [3, 40000]
    torch.save({
        "negated": numbers, "part": (torch.tensor([1.0, 2.0, -4.0]) * 1j).conj().imag[2:],
        "u16": torch.tensor(whole, dtype=torch.uint16), "u32": torch.tensor(whole, dtype=torch.uint32),
        "u64": torch.tensor(whole, dtype=torch.uint64), "f8": torch.ones(2).to(torch.float8_e4m3fn),
    }, HERE / "lazy.pt")
    torch.save(torch.nn.Linear(2, 2, bias=False).state_dict(), HERE / "state_dict.pt")
    torch.save(base, HERE / "legacy.pt", _use_new_zipfile_serialization=False)
    arrays = {"rows": np.arange(6, dtype=np.float32).reshape(2, 3), "columns": np.asfortranarray(
        np.arange(6, dtype=np.float64).reshape(2, 3)), "ids": np.array([3, -1], dtype=np.int16),
        "large": np.array([2**32 - 1], dtype=np.uint32), "scalar": np.float32(2.5), "zeros": np.zeros((64, 64))}
    np.savez(HERE / "stored.npz", **arrays)
    np.savez_compressed(HERE / "deflated.npz", **arrays)
    np.save(HERE / "one.npy", arrays["rows"])


if __name__ == "__main__":
    main()
