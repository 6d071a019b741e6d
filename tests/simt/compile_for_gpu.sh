#!/usr/bin/env bash
# compile_for_gpu.sh <compiler> <folder of objects> <flags...> -- <kernel files...>
# The test kernels are GPU programs too: compiles each with the vendor's compiler, prints what fails.
set -euo pipefail
compiler=$1 objects=$2
shift 2
flags=()
while [[ $1 != -- ]]; do flags+=("$1"); shift; done
shift
mkdir -p "$objects"
failed=0
for kernel; do
  "$compiler" "${flags[@]}" -c "$kernel" -o "$objects/$(basename "$kernel").o" || { echo "failed: $kernel"; failed=1; }
done
echo "$# kernel files"
exit $failed
