"""Dumps what vLLM computes for one prompt on the CPU: every hooked stage, through dump_torch.Recorder.

    glmv preprocess --model DIR --image picture.png --prompt "..." -o inputs.safetensors
    python vllm_cpu.py DIR inputs.safetensors vllm.safetensors --image picture.png
    glmv crosscheck --model DIR --against vllm.safetensors --inputs inputs.safetensors

vLLM does its own preprocessing: give it the same pictures. README.md says how its CPU build installs.
Exit code 77 where vLLM is not installed.
"""

import argparse
import importlib.util
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
SETTINGS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1",
            "VLLM_ALLOW_INSECURE_SERIALIZATION": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
IMAGE = "<|begin_of_image|><|image|><|end_of_image|>"


def ids_with_one_placeholder(ids, config):
    """vLLM expands placeholders itself: runs of the image token become a single one."""
    image = config["image_token_id"]
    return [token for i, token in enumerate(ids) if token != image or i == 0 or ids[i - 1] != image]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("inputs", help="what glmv preprocess wrote")
    parser.add_argument("out")
    parser.add_argument("--image", action="append", default=[])
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--keep", help="keep only names in which this regular expression is found")
    args = parser.parse_args()
    if importlib.util.find_spec("vllm") is None:
        print("not available: vllm is not installed", file=sys.stderr)
        return 77
    os.environ.update(SETTINGS)
    import json

    from PIL import Image
    from vllm import LLM, SamplingParams

    sys.path.insert(0, str(HERE.parent))
    from dump_torch import Recorder, read_safetensors

    config = json.loads((args.model / "config.json").read_text())
    ids = ids_with_one_placeholder(read_safetensors(args.inputs)["input_ids"].tolist(), config)
    llm = LLM(model=str(args.model), dtype=args.dtype, enforce_eager=True, max_model_len=1024, skip_mm_profiling=True,
              limit_mm_per_prompt={"image": max(1, len(args.image)), "video": 0}, enable_prefix_caching=False)
    recorders = []

    def start(model):
        recorders.append(Recorder(model, "vllm", keep=args.keep).__enter__())

    llm.apply_model(start)
    pictures = [Image.open(path).convert("RGB") for path in args.image]
    prompt = {"prompt_token_ids": ids}
    if pictures:
        prompt["multi_modal_data"] = {"image": pictures}
    llm.generate(prompt, SamplingParams(temperature=0, max_tokens=1), use_tqdm=False)
    recorders[0].__exit__()
    print(recorders[0].write(args.out), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
