#!/usr/bin/env bash
# What needs Python packages (tests/golden/requirements.txt, matplotlib): a few random models and prompts against the
# Hugging Face library, and the notebooks. A part whose packages are missing is skipped and says so.
# GLMV_PYTHON names the interpreter, python3 if it is not set. The argument is the glmv program.
set -euo pipefail
cd "$(dirname "$0")/.."
glmv=$PWD/${1:-build/release/glmv}
python=${GLMV_PYTHON:-python3}
export GLMV_CROSSCHECK=$PWD/build/crosscheck.jsonl GLMV_BENCH=$PWD/build/bench.json MPLBACKEND=agg
skipped=0

# part <what it is> <modules it needs, comma-separated> <command...>
part() {
  local what=$1 modules=$2
  shift 2
  if ! "$python" -c "import $modules" 2> /dev/null; then
    printf 'skipped: %s (needs %s)\n' "$what" "$modules"
    skipped=$((skipped + 1))
    return
  fi
  printf '%s\n' "$what"
  "$@"
}

hugging_face=torch,torchvision,transformers,safetensors
part "random models against Hugging Face, f32" $hugging_face "$python" tests/golden/fuzz_hf.py --glmv "$glmv" --n 4 --seed 101
part "random models against Hugging Face, bf16" $hugging_face "$python" tests/golden/fuzz_hf.py --glmv "$glmv" --n 2 --seed 102 --dtype bf16
part "random models against Hugging Face, bf16 with sdpa and eager experts" $hugging_face "$python" tests/golden/fuzz_hf.py \
  --glmv "$glmv" --n 4 --seed 108 --dtype bf16 --attention sdpa --experts eager
part "random conversations against Jinja templates" transformers,jinja2 "$python" tests/golden/fuzz_templates.py --glmv "$glmv" --n 60 --seed 105
part "sampling against the library's processors" torch,transformers "$python" tests/golden/sampling/make_sampling_golden.py --check
part "random prompts against Hugging Face" $hugging_face "$python" tests/golden/fuzz_preprocess.py --glmv "$glmv" --n 25 --seed 103
part "random prompts against Hugging Face, Pillow backend" $hugging_face "$python" tests/golden/fuzz_preprocess.py --glmv "$glmv" --n 25 --seed 104 \
  --image-backend pillow

for family in glm45v glm46v; do
  part "random prompts with video files against Hugging Face, $family" $hugging_face,torchcodec "$python" \
    tests/golden/fuzz_preprocess.py --glmv "$glmv" --n 15 --seed 107 --video-files --family $family
done

# What check_tokenizer.py --fetch obtained, in the folder that GLMV_TOKENIZER_MATERIAL names.
material=${GLMV_TOKENIZER_MATERIAL:-build/tokenizer-material}
if [[ -d $material ]]; then
  part "published vocabularies against the tokenizers library" tokenizers "$python" tests/golden/check_tokenizer.py \
    --tool "$(dirname "$glmv")/tests/tokenize_tool" --material "$material" --strings 20000
else
  printf 'skipped: published vocabularies against the tokenizers library (no folder %s)\n' "$material"
  skipped=$((skipped + 1))
fi

part "Python's text functions against CPython" json "$python" tests/eval/compare_python.py \
  --probe "$(dirname "$glmv")/eval_score_probe"

# The trace that crosscheck/README.md promises of any engine.
trace_with_hooks() {
  local model=data/tiny/glm45v
  "$glmv" preprocess --model $model --image $model/heldout/objects-003-0.png --prompt "List the objects." \
    -o build/inputs.safetensors
  "$python" crosscheck/examples/trace_with_hooks.py $model build/inputs.safetensors build/hooked.safetensors 2> /dev/null
  "$glmv" crosscheck --model $model --against build/hooked.safetensors
}
part "crosscheck/examples/trace_with_hooks.py" $hugging_face trace_with_hooks
part "crosscheck/dump_torch.py on a toy engine" torch "$python" tests/dump_torch_check.py

# The same prompt through the recorder that knows engines.
dump_torch() {
  "$python" crosscheck/dump_torch.py data/tiny/glm45v build/inputs.safetensors build/dumped.safetensors 2> /dev/null
  "$glmv" crosscheck --model data/tiny/glm45v --against build/dumped.safetensors
}
part "crosscheck/dump_torch.py" torch,transformers dump_torch

# Decode steps of generate(), whose decoder is given rows and no ids.
dump_generate() {
  local family dtype
  for family in glm45v glm41v; do
    "$glmv" preprocess --model data/tiny/$family --image data/tiny/$family/heldout/objects-003-0.png \
      --prompt "List the objects." -o build/inputs.safetensors
    for dtype in f32 bf16; do
      "$python" crosscheck/dump_torch.py data/tiny/$family build/inputs.safetensors build/dumped.safetensors --steps 3 \
        --dtype $dtype 2> /dev/null
      "$glmv" crosscheck --model data/tiny/$family --against build/dumped.safetensors
    done
  done
}
part "crosscheck/dump_torch.py, generate()" torch,transformers dump_generate

# A pack with the library's own noise, and its trace of that prompt judged by it.
golden_pack() {
  local model=data/tiny/glm45v
  rm -rf build/pack
  "$glmv" golden make -q --model $model --image $model/heldout/objects-003-0.png --prompt "List the objects." -o build/pack
  "$python" crosscheck/golden_hf.py build/pack $model 2> /dev/null
  "$glmv" golden verify -q build/pack --model $model
  "$glmv" crosscheck --golden build/pack --against build/hooked.safetensors
}
part "crosscheck/golden_hf.py" $hugging_face golden_pack

"$glmv" crosscheck --model tests/golden/moe_a --against tests/golden/moe_a/traces/one_image.safetensors \
  --isolate -q --jsonl "$GLMV_CROSSCHECK"
part "crosscheck --isolate in one layer's memory" numpy "$python" tests/isolate_memory.py "$glmv"
"$glmv" bench rmsnorm,mrope --backend cpu --quick --tokens 1,8 -q -o "$GLMV_BENCH"

# A kernel in Python, judged and timed on a dumped case; and torch beside glmv.
peers() {
  "$glmv" cases --dump rmsnorm/bf16_hf_T64_H4096 -o build/case.safetensors
  "$python" bench/peers/example_torch.py build/case.safetensors > build/peer.json
  "$glmv" compare build/peer.json build/peer.json > /dev/null
  "$python" bench/peers/torch_cpu.py --glmv "$glmv" --cases rmsnorm,silu_mul --tokens 8
}
part "bench/peers" torch,numpy peers
part "Parquet files through data/parquet_to_jsonl.py" pyarrow "$python" tests/eval_parquet.py "$glmv"

# A small run of the twin, for the notebook.
export GLMV_EVAL_RUN=$PWD/build/eval_run
rm -rf "$GLMV_EVAL_RUN"
"$glmv" eval --tasks twin_choice,twin_bars --limit 4 --exit-zero -o "$GLMV_EVAL_RUN" > /dev/null 2>&1
for notebook in notebooks/*.ipynb; do
  part "$notebook" matplotlib "$python" -c '
import json, sys
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), sys.argv[1], "exec"))' "$notebook"
done
printf '%s parts skipped\n' "$skipped"
