#!/usr/bin/env bash
# How often does `glmv compare` call two runs of one program different? Not part of CI: a busy machine decides nothing.
#   tests/bench_false_alarms.sh [build/release/glmv] [repetitions] [what to bench...]
set -euo pipefail
glmv=${1:-build/release/glmv}
repetitions=${2:-20}
what=("${@:3}")
((${#what[@]} > 0)) || what=(rmsnorm,mrope,silu_mul --tokens "1,64")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

alarms=0 unstable=0 same=0
"$glmv" bench "${what[@]}" --backend cpu -q -o "$work/before.json" > /dev/null 2>&1
for ((i = 1; i <= repetitions; ++i)); do
  "$glmv" bench "${what[@]}" --backend cpu -q -o "$work/after.json" > /dev/null 2>&1
  verdicts=$("$glmv" compare "$work/before.json" "$work/after.json" --exit-zero)
  grep -E 'SLOWER|FASTER' <<< "$verdicts" | sed "s/^/run $i: /" || true
  alarms=$((alarms + ($(grep -cE 'SLOWER|FASTER' <<< "$verdicts" || true) > 0)))
  unstable=$((unstable + $(grep -c 'UNSTABLE' <<< "$verdicts" || true)))
  same=$((same + $(grep -c 'SAME' <<< "$verdicts" || true)))
  mv "$work/after.json" "$work/before.json"
done
printf '%s repetitions: %s with a false alarm; %s pairs SAME, %s UNSTABLE\n' "$repetitions" "$alarms" "$same" "$unstable"
((alarms <= 1))
