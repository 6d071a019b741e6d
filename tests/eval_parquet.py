#!/usr/bin/env python3
"""A Parquet file as the Hugging Face libraries write it -> data/parquet_to_jsonl.py -> glmv eval. Needs pyarrow.

usage: eval_parquet.py GLMV

MathVista's columns of the published parquet: nested lists and structs, a float64 precision, picture bytes. The score is
worked out by hand: 5.9 truncates to 5 (right), 1.30 rounds to 1.3 (right), "red" is not the gold green.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as parquet

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def picture():
    with open(os.path.join(ROOT, "data/samples/mathvista/images/1.png"), "rb") as f:
        return {"bytes": f.read(), "path": "images/1.png"}


def row(pid, answer, question_type, answer_type, choices, precision):
    return {
        "pid": pid, "question": "How much?", "image": "images/1.jpg", "decoded_image": picture(), "choices": choices, "unit": None,
        "precision": precision, "answer": answer, "question_type": question_type, "answer_type": answer_type,
        "metadata": {"task": "figure question answering", "img_height": 8, "skills": ["arithmetic reasoning"]}, "query": "Question: How much?",
    }


def main():
    glmv = os.path.abspath(sys.argv[1])
    rows = [
        row("1", "5", "free_form", "integer", None, float("nan")),
        row("2", "1.3", "free_form", "float", None, 1.0),
        row("3", "green", "multi_choice", "text", ["red", "green"], float("nan")),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for compression in ("snappy", "zstd"):
            path = os.path.join(folder, f"testmini-{compression}.parquet")
            parquet.write_table(pa.Table.from_pylist(rows), path, compression=compression)
            out = os.path.join(folder, "mathvista.jsonl")
            subprocess.run([sys.executable, os.path.join(ROOT, "data/parquet_to_jsonl.py"), out, path], check=True)
            replies = os.path.join(folder, "replies.jsonl")
            with open(replies, "w", encoding="utf-8") as f:
                for sample, text in (("1", "5.9"), ("2", "1.30"), ("3", "red")):
                    f.write(json.dumps({"sample": sample, "text": text}) + "\n")
            run = os.path.join(folder, "run-" + compression)
            subprocess.run([glmv, "eval", "--tasks", "mathvista", "--data", folder, "--replies", replies, "-o", run], check=True, stdout=subprocess.DEVNULL)
            with open(glob.glob(run + "/*_results.json")[0], encoding="utf-8") as f:
                score = json.load(f)["results"]["mathvista"]["score,official"]
            assert abs(score - 200 / 3) < 1e-9, score
            assert len(os.listdir(os.path.join(folder, "media"))) == 1, "one picture, however often it appears"
            os.remove(out)
    print("Parquet with snappy and zstd pages: read, asked and scored as worked out by hand")


if __name__ == "__main__":
    main()
