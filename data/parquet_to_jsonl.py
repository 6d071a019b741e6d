#!/usr/bin/env python3
"""Turns Parquet files of a data set into JSON lines and a folder of media, the layout that `glmv eval` reads.

usage: parquet_to_jsonl.py OUT.jsonl FILE.parquet... [--set COLUMN=TEXT]... [--columns A,B,...]

Needs pyarrow. Each row becomes a line. A picture (a struct of bytes and path, or bytes alone) is written into media/
beside OUT.jsonl, once however often it appears (the name is its sha256), and its place in the row becomes that path.
Other values stay what they are; numbers that JSON does not have become null. --set adds a column, say the split.
"""

import argparse
import hashlib
import json
import math
import os
import sys

MAGIC = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"RIFF", "webp"), (b"BM", "bmp"), (b"%PDF", "pdf"))
ROWS_AT_ONCE = 64  # rows hold pictures


def suffix_of(data):
    return next((name for magic, name in MAGIC if data.startswith(magic)), "bin")


class Media:
    """The folder of media beside the output."""

    def __init__(self, out):
        self.folder = os.path.join(os.path.dirname(os.path.abspath(out)), "media")

    def keep(self, data):
        name = f"{hashlib.sha256(data).hexdigest()}.{suffix_of(data)}"
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            os.makedirs(self.folder, exist_ok=True)
            with open(path + ".tmp", "wb") as f:
                f.write(data)
            os.rename(path + ".tmp", path)
        return f"media/{name}"


def plain(value, media):
    """A value as JSON has it, pictures as paths."""
    if isinstance(value, bytes):
        return media.keep(value)
    if isinstance(value, dict):
        if set(value) == {"bytes", "path"}:
            return media.keep(value["bytes"]) if value["bytes"] is not None else value["path"]
        return {key: plain(one, media) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one, media) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)  # dates and decimals


def rows_of(path, columns):
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
            yield from batch.to_pylist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("parquet", nargs="+")
    parser.add_argument("--set", action="append", default=[], metavar="COLUMN=TEXT")
    parser.add_argument("--columns", type=lambda text: text.split(","))
    args = parser.parse_args()
    media, count = Media(args.out), 0
    extra = dict(one.split("=", 1) for one in args.set)
    with open(args.out + ".tmp", "w", encoding="utf-8") as out:
        for path in args.parquet:
            for row in rows_of(path, args.columns):
                out.write(json.dumps({**plain(row, media), **extra}, ensure_ascii=False, allow_nan=False) + "\n")
                count += 1
    os.rename(args.out + ".tmp", args.out)
    print(f"{count} rows of {len(args.parquet)} files: {args.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
