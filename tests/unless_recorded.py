#!/usr/bin/env python3
"""Runs a long check of source files, unless it passed on these very files with this very compiler before.

    unless_recorded.py NAME --compiler PROGRAM --with FILE... --sources FILE... -- COMMAND...

What a compiler makes of a file follows from the file, from what it includes, from the compiler and from the command: a
hash over them (`--with`: scripts and tables of the check itself) is looked up in recorded.json beside this script. If it
is there the check is over; otherwise the command runs, and its exit code is passed on. With GLMV_RECORD=1 in the
environment the command always runs, and if it passes, its hash is kept.
"""
import argparse
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORD = pathlib.Path(__file__).with_name("recorded.json")
INCLUDE = re.compile(rb'^\s*#\s*include\s+["<]([^">]+)[">]', re.M)


def with_includes(sources):
    """The files, and those of this repository that they include, in any depth. An include is looked for beside the file
    and from the root; what is in neither place is the compiler's own."""
    found, waiting = set(), [source.resolve() for source in sources]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in INCLUDE.findall(path.read_bytes()):
            candidates = [folder / os.fsdecode(name) for folder in (path.parent, ROOT)]
            waiting += [candidate.resolve() for candidate in candidates if candidate.is_file()]
    return found


def version_of(compiler):
    """What it says of itself, or None where it is missing."""
    program = shutil.which(compiler)
    if program is None:
        return None
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


def hash_of(files, version, command):
    digest = hashlib.sha256(version.encode())
    digest.update("\0".join(part.replace(str(ROOT), ".") for part in command).encode())
    for path in sorted(files):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def keep(name, value):
    """Several checks may end at the same time."""
    with open(RECORD, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        record = json.loads(file.read() or "{}")
        record[name] = value
        file.truncate(0)
        file.write(json.dumps(record, indent=1, sort_keys=True) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--with", dest="own", nargs="+", type=pathlib.Path, default=[])
    parser.add_argument("--sources", nargs="+", type=pathlib.Path, required=True)
    at = sys.argv.index("--") if "--" in sys.argv else parser.error("-- COMMAND is missing")
    wishes, command = parser.parse_args(sys.argv[1:at]), sys.argv[at + 1:]
    version = version_of(wishes.compiler)
    if version is None:  # the check itself says what it then leaves out
        return subprocess.run(command).returncode
    # A build folder is no part of what is checked.
    stable = [part for part in command if "/build/" not in part]
    now = hash_of(with_includes(wishes.sources) | {path.resolve() for path in wishes.own}, version, stable)
    recording = os.environ.get("GLMV_RECORD") == "1"
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if not recording and known.get(wishes.name) == now:
        name_of_it = re.search(r".*(?:version|release).*", version) or [version]
        print(f"{wishes.name}: passed before on these very sources with this very compiler ({name_of_it[0].strip()})")
        return 0
    code = subprocess.run(command).returncode
    if recording and code == 0:
        keep(wishes.name, now)
    return code


if __name__ == "__main__":
    sys.exit(main())
