"""What the library's generate() takes from a generation_config.json, with and without arguments.

    python make_generation_config.py

Writes generation/configs.json: for each file the values after the model's own preparation step, the one that merges the
caller's arguments, the file and the library's defaults.
"""

import json
import tempfile
from pathlib import Path

from oracle import settings

settings.pin_cpu()

import transformers  # noqa: E402
from transformers import AutoModelForImageTextToText, GenerationConfig  # noqa: E402

HERE = Path(__file__).resolve().parent
TWIN = HERE.parents[1] / "data" / "tiny" / "glm45v"
TAKEN = ("do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens")
FILES = {
    "nothing": {},
    "as GLM-4.5V": {"do_sample": True, "temperature": 1.0, "top_k": 1, "top_p": 0.0001},
    "as GLM-4.6V": {"do_sample": True, "temperature": 0.8, "top_k": 2, "top_p": 0.6},
    "sampling alone": {"do_sample": True},
    "greedy with a penalty": {"do_sample": False, "repetition_penalty": 1.1},
    "values without do_sample": {"temperature": 0.5, "top_p": 0.9},
    "all of them": {"do_sample": True, "temperature": 1.5, "top_k": 7, "top_p": 0.95, "min_p": 0.05,
                    "repetition_penalty": 1.2, "max_new_tokens": 33},
    "top_k for all": {"do_sample": True, "top_k": 0},
}


def prepared(model, content):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "generation_config.json").write_text(json.dumps(content))
        model.generation_config = GenerationConfig.from_pretrained(folder)
    config = model._prepare_generation_config(None)
    config = config[0] if isinstance(config, tuple) else config
    return {key: getattr(config, key) for key in TAKEN}


def main():
    model = AutoModelForImageTextToText.from_pretrained(TWIN)
    rows = [{"name": name, "file": content, "taken": prepared(model, content)} for name, content in FILES.items()]
    out = {"schema": "glmv.golden.generation_config/1", "versions": {"transformers": transformers.__version__}, "rows": rows}
    folder = HERE / "generation"
    folder.mkdir(exist_ok=True)
    (folder / "configs.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
