"""What the scripts that make random cases share: flags, the line that reproduces a case, the loop and its summary."""

import argparse
import shlex
import sys


def parser(doc, cases):
    """Flags of such a script, whose docstring is `doc` and which makes `cases` cases if nothing is said."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--glmv", required=True, help="the glmv program")
    made.add_argument("--n", type=int, default=cases, help="number of cases")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--only", type=int, help="run this case alone")
    made.add_argument("--keep", help="keep the files under this folder")
    return made


def say_failure(args, index, what, flags=()):
    """What went wrong with a case, and the command that makes it again; `flags` are the script's own."""
    again = shlex.join([sys.argv[0], "--glmv", args.glmv, *flags, "--seed", str(args.seed), "--only", str(index)])
    print(f"     {what}\n     reproduce: python {again} --keep DIR", flush=True)


def run(args, one, things, label=""):
    """one(index) for every case, True where both sides agree; prints the summary, exits with 1 if any failed."""
    indices = range(args.n) if args.only is None else [args.only]
    failed = [index for index in indices if not one(index)]
    print(f"{len(indices) - len(failed)} of {len(indices)} {things} agree (seed {args.seed}{label})"
          + (f"; not: {' '.join(map(str, failed))}" if failed else ""))
    sys.exit(1 if failed else 0)
