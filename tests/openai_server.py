#!/usr/bin/env python3
"""A small server that speaks chat completions, for tests: answers from a table, and misbehaves when told to.

usage: openai_server.py PORT_FILE HELDOUT.json [MISCHIEF]

A request is found in the held-out questions by its text and the bytes of its pictures, so a wrong picture or a changed
word gets no answer (HTTP 400). MISCHIEF is a comma list, applied by request number: "429" (first try of every third
request), "500", "slow" (sleeps), "broken" (cuts the JSON), "nochoices", "drop" (closes the connection), "refuse" (401),
"echo" (answers with the request's key), "scold" (400 that repeats the key and the address).
"""

import base64
import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_SECONDS = 0.3


def digest(data):
    return hashlib.sha256(data).hexdigest()


def load_table(path):
    """(question, hashes of the pictures in order, thinking) -> the held-out entry: text and ids of the Hugging Face model."""
    folder = os.path.dirname(path)
    table = {}
    with open(path, encoding="utf-8") as f:
        prompts = json.load(f)["prompts"]
    for p in prompts:
        files = [name for m in p["media"] for name in m.get("frames", [m.get("path")])]
        pictures = []
        for name in files:
            with open(os.path.join(folder, name), "rb") as f:
                pictures.append(digest(f.read()))
        table[(p["question"], tuple(pictures), p["thinking"])] = dict(p, text=p["text"].removesuffix("<|user|>"))
    return table


def question_of(body):
    text, pictures = "", []
    for part in body["messages"][-1]["content"]:
        if part["type"] == "text":
            text += part["text"]
        elif part["type"] == "image_url":
            head, data = part["image_url"]["url"].split(",", 1)
            assert head == "data:image/png;base64", head
            pictures.append(digest(base64.b64decode(data)))
    thinking = body.get("chat_template_kwargs", {}).get("enable_thinking", True)
    return text, tuple(pictures), thinking


def reveal(shown, known, reply, choice):
    """What OPENAI_SERVER_REVEAL names: "count" and "ids" as they are, "stripped" an answer without the tokens of its box,
    "unexpanded" and "wrong" as a broken engine has them, "other" another answer than the question's,
    "no_reasoning" what follows the reasoning. "raw:BODY" is the whole reply."""
    if "stripped" in shown:
        for mark in ("<|begin_of_box|>", "<|end_of_box|>"):
            choice["message"]["content"] = choice["message"]["content"].replace(mark, "")
    if "other" in shown:
        choice["message"]["content"] = "yes"
    if "no_reasoning" in shown:
        choice["message"]["content"] = choice["message"]["content"].partition("</think>")[2].lstrip()
    if "count" in shown:
        reply["usage"]["prompt_tokens"] = known["prompt_tokens"]
    if "unexpanded" in shown:
        reply["usage"]["prompt_tokens"] = known["prompt_tokens"] - int(os.environ["OPENAI_SERVER_VISUAL"]) + len(known["media"])
    if "ids" in shown or "wrong" in shown:
        ids = list(known["ids"])
        if "wrong" in shown:
            ids[1] += 1
        choice["token_ids"] = ids


class Handler(BaseHTTPRequestHandler):
    table, mischief = {}, []
    tries, lock = {}, threading.Lock()

    def log_message(self, *arguments):
        pass

    def send(self, code, body, headers=()):
        data = body.encode()
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def misbehaves(self, which):
        if which == "429":
            self.send(429, '{"error": {"message": "slow down"}}', [("Retry-After", "0")])
        elif which == "500":
            self.send(500, "Internal Server Error")
        elif which == "refuse":
            self.send(401, '{"error": {"message": "who are you"}}')
        elif which == "echo":
            message = {"role": "assistant", "content": "I was sent " + self.headers.get("Authorization", "nothing")}
            self.send(200, json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
        elif which == "scold":
            self.send(400, "no: " + self.headers.get("Authorization", "") + " at " + self.path + " " * 300)
        elif which == "broken":
            self.send(200, '{"choices": [{"mess')
        elif which == "nochoices":
            self.send(200, '{"choices": []}')
        elif which == "drop":
            self.close_connection = True
            self.connection.close()
        elif which == "slow":
            time.sleep(SLOW_SECONDS)
            return False
        return True

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(raw)
        key = digest(raw)
        with self.lock:
            first = key not in self.tries
            self.tries[key] = self.tries.get(key, 0) + 1
            number = len(self.tries)
        # Every first try of a request meets one of the mischiefs, in turn.
        if self.mischief and (first or self.mischief == ["always"] or "refuse" in self.mischief):
            which = self.mischief[number % len(self.mischief)]
            if which == "always":
                which = "500"
            if self.misbehaves(which):
                return
        known = self.table.get(question_of(body))
        shown = os.environ.get("OPENAI_SERVER_REVEAL", "").split(",")
        whole = os.environ.get("OPENAI_SERVER_REVEAL", "")
        if whole.startswith("raw:"):
            self.send(200, whole.removeprefix("raw:"))
            return
        strict = "strict" in shown and "return_token_ids" in body
        if self.path != "/v1/chat/completions" or known is None or strict:
            self.send(400, json.dumps({"error": {"message": "not a question I know"}}))
            return
        text = known["text"]
        message = {"role": "assistant", "content": text}
        if "reasoning" in os.environ.get("OPENAI_SERVER_SPLIT", "") and "</think>" in text:
            thought, answer = text.split("</think>", 1)
            message = {"role": "assistant", "content": answer.lstrip("\n"), "reasoning_content": thought.removeprefix("<think>")}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
        reveal(shown, known, reply, choice)
        self.send(200, json.dumps(reply))


def main():
    port_file, heldout = sys.argv[1:3]
    Handler.table = load_table(heldout)
    Handler.mischief = [m for m in (sys.argv[3] if len(sys.argv) > 3 else "").split(",") if m]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with open(port_file + ".tmp", "w", encoding="ascii") as f:
        f.write(str(server.server_address[1]))
    os.rename(port_file + ".tmp", port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
