"""Random conversations: does glmv render what transformers renders with the Jinja templates, byte for byte?

    python fuzz_templates.py --glmv build/glmv --n 100 --seed 1 [--published DIR]

Systems, several turns, pictures and clips, reasoning in both spellings, tools, calls, tools' answers, the thinking
switch; strings with blanks, tags and control tokens. The templates are the twin's for GLM-4.5V and those of templates/
for GLM-4.6V and GLM-4.1V. --published names a folder with the published files glm45v.jinja, glm46v.jinja, glm41v.jinja:
then those are rendered too, glmv must recognise each as the snapshot's own, and all must agree.
"""

import json
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from oracle import fuzzing, settings

settings.stay_quiet()

from transformers.utils.chat_template_utils import _compile_jinja_template  # noqa: E402

HERE = Path(__file__).parent
TWIN = HERE.parents[1] / "data/tiny/glm45v"
SOURCES = {"glm45v": TWIN / "chat_template.jinja", "glm46v": HERE / "templates/glm46v.jinja",
           "glm41v": HERE.parents[1] / "data/tiny/glm41v/chat_template.jinja"}
WORDS = ("a", "Hello", " ", "\n", "\t", "\u00a0", "\u3000", "\x1f", "<think>", "</think>", "/nothink", "/no", "think", "<b>", "\u4f60\u597d", "\u00e9",
         "\U0001F600", "<|user|>", "{{ x }}", "{% if %}", "'", '"', "\\", "image", "video", "<|begin_of_box|>", "\\n", "&amp;", "[1, 2]")


def text(rng, most=6):
    return "".join(rng.choice(WORDS) for _ in range(rng.randrange(most + 1)))


def value(rng, depth=0):
    """Something that JSON can hold."""
    kinds = ["text", "int", "float", "bool", "null"] + (["list", "dict"] if depth < 3 else [])
    kind = rng.choice(kinds)
    if kind == "text":
        return text(rng)
    if kind == "int":
        return rng.choice((0, -1, 7, 2 ** 53 + 1, -2 ** 63, 2 ** 64 - 1, rng.randrange(10 ** 6)))
    if kind == "float":
        return rng.choice((0.0, -0.0, 1.0, 1e15, 1e16, 1e-4, 1e-5, 1e300, 5e-324, rng.random(), rng.gauss(0, 1e8)))
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "null":
        return None
    if kind == "list":
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return dictionary(rng, depth + 1)


def dictionary(rng, depth=0):
    return {text(rng, 2) + str(i): value(rng, depth) for i in range(rng.randrange(4))}


def parts(rng, media=True):
    kinds = ["text", "text", "image", "video"] if media else ["text"]
    made = []
    for _ in range(rng.randrange(5)):
        kind = rng.choice(kinds)
        made.append({"type": "text", "text": text(rng)} if kind == "text" else {"type": kind, "path": "x"})
    return made


def tool_message(rng, name):
    kind = rng.choice(("text", "outputs", "strings") + (("parts",) if name == "glm46v" else ()))
    if kind == "text":
        return {"role": "tool", "content": text(rng)}
    if kind == "parts":
        return {"role": "tool", "content": parts(rng)}
    items = [text(rng) for _ in range(rng.randrange(4))]
    return {"role": "tool", "content": items if kind == "strings" else [{"output": one} for one in items]}


def assistant(rng, name):
    message = {"role": "assistant", "content": text(rng)}
    if name != "glm41v" and rng.random() < 0.2:
        message["content"] = parts(rng)
    if rng.random() < 0.4:
        message["reasoning_content"] = text(rng)
    if name == "glm41v":
        return message | ({"metadata": text(rng)} if rng.random() < 0.3 else {})
    if rng.random() < 0.4:
        calls = [{"name": text(rng, 2) + "f", "arguments": dictionary(rng)} for _ in range(rng.randrange(3))]
        message["tool_calls"] = [call if rng.random() < 0.3 else {"type": "function", "function": call} for call in calls]
    return message


def conversation(rng, name):
    messages = []
    for _ in range(rng.randrange(1, 8)):
        role = rng.choice(("system", "user", "user", "assistant", "assistant") + (() if name == "glm41v" else ("tool", "tool")))
        if role == "assistant":
            messages.append(assistant(rng, name))
        elif role == "tool":
            messages.append(tool_message(rng, name))
        else:
            listed = rng.random() < 0.5 and (role == "user" or name != "glm41v")
            messages.append({"role": role, "content": parts(rng) if listed else text(rng)})
    tools = [dictionary(rng) for _ in range(rng.randrange(3))] if name != "glm41v" and rng.random() < 0.5 else []
    return messages, tools


def glmv_renders(args, folder, flags):
    command = [args.glmv, "preprocess", "--messages", str(folder / "chat.json"), "--text", *flags]
    done = subprocess.run(command, capture_output=True, timeout=60)
    return done.stdout.decode() if done.returncode == 0 else f"exit {done.returncode}: {done.stderr.decode()}"


def snapshot(folder, source):
    """The twin with another template."""
    copy = folder / "model"
    copy.mkdir()
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json", "video_preprocessor_config.json"):
        shutil.copy(TWIN / name, copy / name)
    shutil.copy(source, copy / "chat_template.jinja")
    return copy


def one(args, index):
    rng = random.Random(f"{args.seed}/{index}")
    name = rng.choice(list(SOURCES))
    messages, tools = conversation(rng, name)
    think = name == "glm41v" or rng.random() < 0.6
    given = {"messages": messages, "tools": tools, "add_generation_prompt": True}
    if not think:
        given["enable_thinking"] = False
    expected = _compile_jinja_template(SOURCES[name].read_text()).render(**given)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary)
        folder.mkdir(exist_ok=True)
        (folder / "chat.json").write_text(json.dumps({"messages": messages, "tools": tools}, ensure_ascii=False))
        switch = [] if think else ["--no-think"]
        answers = {"glmv": glmv_renders(args, folder, ["--chat-template", name, *switch])}
        if args.published:
            source = Path(args.published) / f"{name}.jinja"
            answers["the published template"] = _compile_jinja_template(source.read_text()).render(**given)
            answers["glmv, recognising it"] = glmv_renders(args, folder, ["--model", str(snapshot(Path(temporary), source)), *switch])
    wrong = {who: what for who, what in answers.items() if what != expected}
    for who, what in wrong.items():
        fuzzing.say_failure(args, index, f"FAIL {name}: {who} renders\n  {what!r}\n  not {expected!r}",
                            ("--published", args.published) if args.published else ())
    return not wrong


def main():
    parser = fuzzing.parser(__doc__, 100)
    parser.add_argument("--published", help="a folder with glm45v.jinja, glm46v.jinja and glm41v.jinja")
    args = parser.parse_args()
    fuzzing.run(args, lambda index: one(args, index), "conversations")


if __name__ == "__main__":
    main()
