"""Files that SGLang's debug tools write, without SGLang's runtime: both tools are given the Hugging Face model.

    pip download --no-deps sglang==0.5.23 && unzip sglang-*.whl 'sglang/srt/debug_utils/*' -d WHEEL
    python sglang_debug.py WHEEL DIR inputs.safetensors OUT      (writes OUT/dumper and OUT/hooks)
    glmv crosscheck --model DIR --against OUT/dumper --inputs inputs.safetensors --map sglang

What is compared is the format, not the engine: the numbers are the library's. The tools import parts of the runtime
that they do not need for this; empty modules stand in for them. Exit code 77 without the wheel.
"""

import importlib.util
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    module.__file__ = f"<stand-in for {name}>"
    module.__getattr__ = lambda member: type(member, (), {})
    module.__path__ = []
    sys.modules[name] = module


def load(wheel, name):
    path = wheel / "sglang/srt/debug_utils" / f"{name}.py"
    if not path.exists():
        print(f"not available: no {path}", file=sys.stderr)
        sys.exit(77)
    spec = importlib.util.spec_from_file_location(f"sglang.srt.debug_utils.{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main(wheel, folder, inputs_file, out):
    wheel, out = pathlib.Path(wheel), pathlib.Path(out)
    for name in ("zmq", "sglang", "sglang.srt", "sglang.srt.debug_utils", "sglang.srt.managers",
                 "sglang.srt.managers.io_struct", "sglang.srt.runtime_context", "sglang.srt.layers",
                 "sglang.srt.layers.logits_processor", "sglang.srt.model_executor",
                 "sglang.srt.model_executor.forward_batch_info"):
        stand_in(name)
    stand_in("sglang.srt.utils", get_device=lambda: "cpu")
    dumper = load(wheel, "dumper").dumper
    hooks = load(wheel, "tensor_dump_forward_hook")
    import torch
    from dump_torch import read_safetensors
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = read_safetensors(inputs_file)
    batch = {name: t[None] if name in ("input_ids", "mm_token_type_ids") else t for name, t in inputs.items()
             if name in ("input_ids", "mm_token_type_ids", "pixel_values", "image_grid_thw")}

    dumper.configure(enable=True, dir=str(out / "dumper"))
    handles = []
    for i, layer in enumerate(model.model.language_model.layers):
        handles.append(layer.register_forward_hook(
            lambda _m, _a, output, i=i: dumper.dump(f"layer{i}_out", output, layer_id=i)))
    with torch.no_grad():
        model(**batch)
    dumper.step()
    for handle in handles:
        handle.remove()

    text = torch.nn.Module()
    text.model = model.model.language_model  # the tool looks for .model.layers
    hooks.register_forward_hook_for_model(text, out / "hooks", None, 1, 0, 0)
    with torch.no_grad():
        model(**batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
