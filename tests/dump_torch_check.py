"""crosscheck/dump_torch.py on a toy engine: chunks, packed sequences, decode steps, buffers written again, silence.

    python tests/dump_torch_check.py
"""

import contextlib
import io
import pathlib
import subprocess
import sys
import tempfile

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "crosscheck"))
import dump_torch  # noqa: E402
from dump_torch import Recorder, read_safetensors  # noqa: E402


class Layer(torch.nn.Module):
    """Returns (hidden, residual) like vLLM's, and writes into the buffer of its input like a fused norm."""

    def forward(self, hidden):
        residual = hidden.clone()
        hidden.mul_(2)
        return hidden, residual


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Layer(), Layer()])
        self.norm = torch.nn.Identity()

    def forward(self, input_ids=None, positions=None):
        hidden = input_ids.float()[:, None] + torch.zeros(1, 4)
        for layer in self.layers:
            hidden, residual = layer(hidden)
            hidden = hidden + residual
        return self.norm(hidden)


class Engine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.language_model = torch.nn.Module()
        self.language_model.model = Decoder()

    def run(self, *ids):
        tokens = torch.tensor(ids)
        return self.language_model.model(input_ids=tokens, positions=torch.arange(len(ids)).expand(3, -1))


class EmbeddingDecoder(torch.nn.Module):
    """A decoder that is given rows only, as the Hugging Face library's is."""

    def __init__(self):
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(16, 4)
        self.layers = torch.nn.ModuleList([torch.nn.Identity()])
        self.norm = torch.nn.Identity()

    def forward(self, inputs_embeds=None):
        return self.norm(self.layers[0](inputs_embeds))


class EmbeddingEngine(torch.nn.Module):
    """Splices pictures into rows: its embedding is asked for 0 where a placeholder (15) stands."""

    def __init__(self):
        super().__init__()
        self.model = torch.nn.Module()
        self.model.language_model = EmbeddingDecoder()

    def forward(self, input_ids=None):
        decoder = self.model.language_model
        return decoder(inputs_embeds=decoder.embed_tokens(input_ids.where(input_ids != 15, 0)))


def record(passes, **options):
    engine = Engine()
    with Recorder(engine, "vllm", **options) as recorder:
        for ids in passes:
            engine.run(*ids)
    return written(recorder)


def written(recorder):
    """(tensors, what was said)"""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
        path = recorder.write(pathlib.Path(folder) / "dump.safetensors")
        return read_safetensors(path), said.getvalue()


def check_ids_outside():
    """The ids of a pass whose decoder sees none: the whole model's, or the embedding's if only that was given them."""
    engine = EmbeddingEngine()
    decoder = engine.model.language_model
    with torch.no_grad(), Recorder(engine, "transformers") as recorder:
        engine(input_ids=torch.tensor([[1, 15, 3]]))
        engine(torch.tensor([[7]]))
        decoder(inputs_embeds=decoder.embed_tokens(torch.tensor([[8]])))
        decoder(inputs_embeds=torch.zeros(1, 1, 4))
    seen, _ = written(recorder)
    ids = {name: tensor.tolist() for name, tensor in seen.items() if name.endswith("input_ids")}
    assert ids == {"input_ids": [[1, 15, 3]], "step.1/input_ids": [[7]], "step.2/input_ids": [[8]]}, ids
    assert "step.3/inputs_embeds" in seen, "ids of a pass before are no ids of this one"


def check_usage():
    script = pathlib.Path(dump_torch.__file__)
    for arguments, code in (([], 2), (["--help"], 0), (["only_one"], 2)):
        done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code, (arguments, done)
        assert (done.stdout if code == 0 else done.stderr).startswith("usage:"), (arguments, done)
        assert "Traceback" not in done.stderr, done.stderr


def main():
    check_ids_outside()
    check_usage()
    layer = "language_model.model.layers.0"
    whole, _ = record([(1, 2, 3, 4)])
    assert whole[f"{layer}.0"][:, 0].tolist() == [2, 4, 6, 8], whole[f"{layer}.0"]
    assert whole[f"{layer}.1"][:, 0].tolist() == [1, 2, 3, 4], "a buffer that was written again"
    assert whole["position_ids"].shape == (3, 4)

    chunks, _ = record([(1, 2), (3, 4)])
    for name in (f"{layer}.0", f"{layer}.1", "input_ids"):
        assert torch.equal(chunks[name], whole[name]), name
    assert chunks["position_ids"].shape == (3, 4)

    steps, _ = record([(1, 2, 3), (7,), (8,)])
    assert steps["step.2/input_ids"].tolist() == [8] and steps[f"step.1/{layer}.1"].shape == (1, 4)

    packed, _ = record([(9, 9, 1, 2, 3, 4, 9)], tokens=(2, 6))
    for name in (f"{layer}.0", "input_ids"):
        assert torch.equal(packed[name], whole[name]), name

    kept, _ = record([(1, 2)], keep=r"layers\.1")
    assert all("layers.1" in name for name in kept), list(kept)

    engine = Engine()
    with Recorder(engine, "vllm") as silent:
        pass
    try:
        silent.write("never.safetensors")
        raise AssertionError("a dump without a single hook was written")
    except RuntimeError as error:
        assert "enforce_eager" in str(error)
    with Recorder(engine, "vllm") as partial:
        engine.language_model.model.norm(torch.ones(1))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
        partial.write(pathlib.Path(folder) / "dump.safetensors")
    assert "PARTIAL" in said.getvalue(), said.getvalue()
    for engine_name, model in (("nobody", engine), ("sglang", torch.nn.Linear(1, 1))):
        try:
            Recorder(model, engine_name).__enter__()
            raise AssertionError(engine_name)
        except ValueError:
            pass
    print("dump_torch: chunks, packed sequences, steps, ids, buffers, silence and usage as they should be")


if __name__ == "__main__":
    main()
