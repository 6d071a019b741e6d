"""Dumps what llama.cpp computes for one prompt with at most one picture: every named node of its graphs.

    glmv preprocess --model DIR --image picture.png --prompt "..." -o inputs.safetensors
    python llamacpp.py DIR inputs.safetensors llama.safetensors --source LLAMA.CPP --build BUILD [--image picture.png]
    glmv crosscheck --model DIR --against llama.safetensors --inputs inputs.safetensors

LLAMA.CPP is its source tree and BUILD where its libraries `mtmd` and `llama` were built (README.md). The snapshot is
converted to GGUF in f32 with its own converter, the dump program is compiled, and both are kept beside the output.
Needs torch and transformers for the converter. Exit code 77 where the source or the libraries are missing.
"""

import argparse
import json
import pathlib
import re
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def not_available(why):
    print(f"not available: {why}", file=sys.stderr)
    sys.exit(77)


def convert(source, model, out, projector):
    """Its converter knows tokenizers by a hash and refuses others; which one it takes does not matter here."""
    if out.exists():
        return
    code = ("import sys, runpy; sys.path[:0] = sys.argv[1:3]; import conversion.base; "
            "conversion.base.TextModel.get_vocab_base_pre = lambda self, tokenizer: 'glm4'; "
            "script = sys.argv[3]; sys.argv = sys.argv[3:]; runpy.run_path(script, run_name='__main__')")
    subprocess.run([sys.executable, "-c", code, source, source / "gguf-py", source / "convert_hf_to_gguf.py", model,
                    "--outtype", "f32", "--outfile", out, *(["--mmproj"] if projector else [])],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def compile_dump(source, build, program):
    if program.exists():
        return
    folders = sorted({str(path.parent) for path in build.rglob("lib*.so")})
    subprocess.run(["c++", "-std=c++17", "-O1", HERE / "llamacpp_dump.cc", "-o", program,
                    *(f"-I{source / folder}" for folder in ("include", "ggml/include", "tools/mtmd")),
                    *(f"-L{folder}" for folder in folders), *(f"-Wl,-rpath,{folder}" for folder in folders),
                    "-lmtmd", "-lllama", "-lggml", "-lggml-base"], check=True)


def prompt_ids(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        begin, end = header["input_ids"]["data_offsets"]
        file.seek(begin, 1)
        return struct.unpack(f"<{(end - begin) // 8}q", file.read(end - begin))


def keep_only(path, pattern):
    sys.path.insert(0, str(HERE.parent))
    from dump_torch import read_safetensors, write_safetensors
    kept = {name: tensor for name, tensor in read_safetensors(path).items() if re.search(pattern, name)}
    write_safetensors(path, kept, {"names": "llamacpp", "dtype": "f32", "producer": "llama.cpp"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("inputs")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--source", type=pathlib.Path, default=pathlib.Path("llama.cpp"))
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("llama.cpp/build"))
    parser.add_argument("--image")
    parser.add_argument("--keep", default="", help="keep only names in which this regular expression is found")
    args = parser.parse_args()
    if not (args.source / "convert_hf_to_gguf.py").exists():
        not_available(f"no llama.cpp in {args.source} (--source)")
    if not list(args.build.rglob("libmtmd.so")):
        not_available(f"no libmtmd.so in {args.build} (--build)")
    work = args.out.with_suffix(".work")
    work.mkdir(exist_ok=True)
    convert(args.source, args.model, work / "text.gguf", False)
    compile_dump(args.source, args.build, work / "llamacpp_dump")
    command = [work / "llamacpp_dump", work / "text.gguf", args.out, ",".join(map(str, prompt_ids(args.inputs)))]
    if args.image:
        from PIL import Image
        convert(args.source, args.model, work / "mmproj.gguf", True)
        picture = Image.open(args.image).convert("RGB")
        (work / "picture.rgb").write_bytes(picture.tobytes())
        token = json.loads((args.model / "config.json").read_text())["image_token_id"]
        command += [work / "mmproj.gguf", str(token), work / "picture.rgb", *map(str, picture.size)]
    status = subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    if status == 0 and args.keep:
        keep_only(args.out, args.keep)
    return status


if __name__ == "__main__":
    sys.exit(main())
