"""What the two checks of machine code share: names of kernels, and the table of their numbers beside these scripts."""
import json
import re
import subprocess


def short_name(demangled, namespaces):
    """'linear_dense_kernel<128, 128, 32, 4>' of a kernel's whole signature; `namespaces`: a pattern of what is dropped."""
    name = demangled.replace("(anonymous namespace)::", "")
    name = re.sub(namespaces, "", name)
    name = re.sub(r"^void ", "", name)
    depth = 0
    for at, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0 and at > 0:
            return name[:at]
    return name


def demangle(names):
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def read(path, compiler, release):
    return json.loads(path.read_text()) if path.exists() else {compiler: release, "kernels": {}}


def of_files(entries, files):
    """(entries of these files, the others); a key is 'file: kernel'."""
    mine = {k: v for k, v in entries.items() if k.split(":")[0] in files}
    return mine, {k: v for k, v in entries.items() if k not in mine}


def write(path, compiler, release, measures, found, old, others, by_hand):
    """Numbers of a target are None where there is nothing to measure. Others: entries of files that were not compiled.
    New numbers of what is `by_hand` (spills, scratch) are not written: where some are to be allowed, somebody puts them
    into the table by hand."""
    for kernel, measured in found.items():
        for target, numbers in measured.items():
            allowed = dict(zip(measures, old.get(kernel, {}).get(target) or [0] * len(measures)))
            for what in by_hand if numbers else ():
                numbers[what] = min(numbers[what], allowed[what])
    entries = {k: {t: n and [n[m] for m in measures] for t, n in measured.items()} for k, measured in found.items()}
    lines = [f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted({**others, **entries}.items())]
    path.write_text('{\n  "schema": "glmv.isa/1",\n' + f'  "{compiler}": "{release}",\n' +
                    f'  "columns": {json.dumps(measures)},\n' + '  "kernels": {\n' + ",\n".join(lines) + "\n  }\n}\n")
