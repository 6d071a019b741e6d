#!/usr/bin/env bash
# What only a machine with a GPU can show: every case and whole passes on the device, and on NVIDIA's the cases under
# compute-sanitizer. Prints a line per check; logs and a summary lie in the folder.
#
#     tests/on_device.sh [FOLDER [BACKEND...]]      build/on_device and every rung of the device if not given
#
# Backends that are named need no GPU: cuda-emulated tries the script itself. GLMV_PRESET: what to build, native if unset;
# GLMV_CASES: a pattern of cases, all if unset.
# Exit code 0: all of it passed; 1: something did not; 77: there is no GPU. compute-sanitizer is skipped, and counted,
# where it is not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-build/on_device}
wanted=("${@:2}")
preset=${GLMV_PRESET:-native}
cases=(cases ${GLMV_CASES:+"$GLMV_CASES"} -q)
passed=0 failed=0 skipped=0

# check <name> <command...>: its output goes to a log, its verdict to the summary.
check() {
  local name=$1 start=$SECONDS verdict=passed
  shift
  if "$@" > "$out/$name.log" 2>&1; then passed=$((passed + 1)); else verdict=FAILED failed=$((failed + 1)); fi
  printf '%-8s %-44s %4s s\n' "$verdict" "$name" $((SECONDS - start)) | tee -a "$out/summary.txt"
}

skip() {
  skipped=$((skipped + 1))
  printf '%-8s %-44s (%s)\n' skipped "$1" "$2" | tee -a "$out/summary.txt"
}

mkdir -p "$out"
: > "$out/summary.txt"
if ((${#wanted[@]} == 0)); then
  if nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader > "$out/summary.txt" 2> /dev/null; then
    wanted=(cuda-naive cuda cuda-wgmma cuda-cublaslt)
  elif rocminfo 2> /dev/null | grep -E 'Marketing Name|Name: *gfx' > "$out/summary.txt"; then
    wanted=(hip-naive hip)
  else
    echo "skipped: there is no GPU here that nvidia-smi or rocminfo knows"
    exit 77
  fi
  cat "$out/summary.txt"
fi
git rev-parse HEAD 2> /dev/null | tee -a "$out/summary.txt" || true

cmake --preset "$preset" > "$out/configure.log"
cmake --build --preset "$preset" --target glmv > "$out/build.log" || { tail -40 "$out/build.log"; exit 1; }
glmv=build/$preset/glmv

# A rung that this card has not is told by its exit code.
backends=()
for backend in "${wanted[@]}"; do
  if "$glmv" cases add --backend $backend -q > "$out/absent.log" 2>&1; then
    backends+=("$backend")
  else
    skip "$backend" "$(tail -1 "$out/absent.log")"
  fi
done

twin=(crosscheck --image data/tiny/glm45v/heldout/objects-003-0.png --prompt "List the objects." --steps 3)
for backend in "${backends[@]}"; do
  check "cases-$backend" "$glmv" "${cases[@]}" --large --backend "$backend"
  for dtype in f32 bf16; do
    check "twin-$backend-$dtype" "$glmv" "${twin[@]}" --against-backend "$backend" --dtype $dtype -v
    check "twin-fused-$backend-$dtype" "$glmv" "${twin[@]}" --against-backend "$backend" --dtype $dtype --fused -v
  done
done

# The same tokens as on the CPU, with decode steps as graphs.
tokens() { "$glmv" generate --prompts tests/prompts.jsonl --batch 4 --no-think --backend "$1" | grep -o '"id":[^,]*\|"token_ids":\[[^]]*\]' | sort; }
same_tokens() { diff <(tokens cpu) <(tokens "$1"); }
for backend in "${backends[@]}"; do check "tokens-$backend" same_tokens "$backend"; done

# Small cases only: memory, barriers and races of every kernel of the tuned rungs.
if command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck synccheck; do
    for backend in "${backends[@]}"; do
      [[ $backend == cuda-cublaslt || $backend == hip* ]] && continue
      check "$tool-$backend" compute-sanitizer --tool $tool --error-exitcode 1 "$glmv" "${cases[@]}" --backend "$backend"
    done
  done
else
  skip compute-sanitizer "not installed"
fi

printf '%s passed, %s failed, %s skipped\n' $passed $failed $skipped | tee -a "$out/summary.txt"
((failed == 0))
