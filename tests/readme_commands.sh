#!/usr/bin/env bash
# Runs every line of the README's `console` blocks that begins with "$ ", in a scratch folder, and expects exit code 0
# unless the line ends in "# exit N". Lines that CI runs elsewhere (./run, ./run test, cmake) are not repeated here.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

commands() { awk '/^```console/{on=1;next} /^```/{on=0} on && /^\$ /{print substr($0,3)}' README.md; }

count=0
while read -r line; do
  wanted=0
  if [[ $line =~ \#\ exit\ ([0-9]+)$ ]]; then wanted=${BASH_REMATCH[1]}; fi
  case $line in ./run* | cmake* | pip* | python*) continue ;; esac
  got=0
  (cd "$scratch" && ln -sfn "$root/data" data && ln -sfn "$root/tests" tests && ln -sfn "$root/build" build && eval "$line") \
    > "$scratch/out.log" 2>&1 < /dev/null || got=$?
  if [[ $got != "$wanted" ]]; then
    printf 'README command: %s\n  exit code %s, expected %s\n' "$line" "$got" "$wanted" >&2
    cat "$scratch/out.log" >&2
    exit 1
  fi
  count=$((count + 1))
done < <(commands)
((count > 0))
printf '%s commands of the README behave as it says\n' "$count"
