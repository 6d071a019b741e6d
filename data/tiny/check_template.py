#!/usr/bin/env python3
"""Checks that the snapshot's chat template renders the known prompts of GLM-4.5V byte for byte.

    python3 data/tiny/check_template.py data/tiny/glm45v

The expected strings were produced by the published template. Exit status 1 if any differs.
"""
import sys

from transformers import AutoProcessor

IMAGE, VIDEO = {"type": "image"}, {"type": "video"}
IMAGE_TEXT = "<|begin_of_image|><|image|><|end_of_image|>"
VIDEO_TEXT = "<|begin_of_video|><|video|><|end_of_video|>"
HEAD = "[gMASK]<sop>"
OFF = {"enable_thinking": False}


def text(value):
    return {"type": "text", "text": value}


def system(value):
    return {"role": "system", "content": value}


def user(*parts):
    """A user turn of one string or of parts."""
    return {"role": "user", "content": parts[0] if len(parts) == 1 and isinstance(parts[0], str) else list(parts)}


def assistant(value, **more):
    return {"role": "assistant", "content": value, **more}


def call(name, **arguments):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


TWO_TURNS = HEAD + "<|user|>\nQ1<|assistant|>\n<think></think>\nA1<|user|>\nQ2<|assistant|>\n"
ONE_QUIET = HEAD + "<|user|>\nQ1/nothink<|assistant|>\n<think></think>\n"

# (name, messages, template options, expected text)
CONVERSATIONS = [
    (
        "system and user",
        [system("You are helpful."), user("Hi")],
        {},
        HEAD + "<|system|>\nYou are helpful.<|user|>\nHi<|assistant|>\n",
    ),
    (
        "image, text",
        [user(IMAGE, text("Describe."))],
        {},
        HEAD + f"<|user|>\n{IMAGE_TEXT}Describe.<|assistant|>\n",
    ),
    (
        "text, image, text",
        [user(text("a"), IMAGE, text("b"))],
        {},
        HEAD + f"<|user|>\na{IMAGE_TEXT}b<|assistant|>\n",
    ),
    (
        "text, two images",
        [user(text("Compare"), IMAGE, IMAGE)],
        {},
        HEAD + f"<|user|>\nCompare{IMAGE_TEXT}{IMAGE_TEXT}<|assistant|>\n",
    ),
    (
        "video, text",
        [user(VIDEO, text("Describe."))],
        {},
        HEAD + f"<|user|>\n{VIDEO_TEXT}Describe.<|assistant|>\n",
    ),
    (
        "history with tagged reasoning",
        [user("Q1"), assistant("<think>\nplan\n</think>\nA1"), user("Q2")],
        {},
        TWO_TURNS,
    ),
    (
        "history with reasoning_content",
        [user("Q1"), assistant("A1", reasoning_content="plan"), user("Q2")],
        {},
        TWO_TURNS,
    ),
    ("history without reasoning", [user("Q1"), assistant("A1"), user("Q2")], {}, TWO_TURNS),
    (
        "assistant last keeps its reasoning",
        [user("Q1"), assistant("<think>plan</think>A1")],
        {"add_generation_prompt": False},
        HEAD + "<|user|>\nQ1<|assistant|>\n<think>plan</think>\nA1",
    ),
    ("thinking undefined", [user("Q1")], {}, HEAD + "<|user|>\nQ1<|assistant|>\n"),
    ("thinking on", [user("Q1")], {"enable_thinking": True}, HEAD + "<|user|>\nQ1<|assistant|>\n"),
    ("thinking off", [user("Q1")], OFF, ONE_QUIET),
    ("thinking null", [user("Q1")], {"enable_thinking": None}, ONE_QUIET),
    ("thinking the word false", [user("Q1")], {"enable_thinking": "false"}, HEAD + "<|user|>\nQ1<|assistant|>\n"),
    ("suffix not doubled", [user("Q1/nothink")], OFF, ONE_QUIET),
    (
        "suffix followed by an image is doubled",
        [user(text("Q/nothink"), IMAGE)],
        OFF,
        HEAD + f"<|user|>\nQ/nothink{IMAGE_TEXT}/nothink<|assistant|>\n<think></think>\n",
    ),
    (
        "thinking off in every turn",
        [system("S"), user("Q1"), assistant("<think>p</think>A1"), user(IMAGE, text("Q2"))],
        OFF,
        HEAD
        + "<|system|>\nS<|user|>\nQ1/nothink<|assistant|>\n<think></think>\nA1"
        + f"<|user|>\n{IMAGE_TEXT}Q2/nothink<|assistant|>\n<think></think>\n",
    ),
    ("empty user text", [user("")], {}, HEAD + "<|user|>\n<|assistant|>\n"),
]

WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "查询天气 <b>",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}

TOOL_PREAMBLE = """[gMASK]<sop><|system|>
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "get_weather", "description": "查询天气 <b>", "parameters": \
{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}}}
</tools>

For each function call, output the function name and arguments within the following XML format:
<tool_call>{function-name}
<arg_key>{arg-key-1}</arg_key>
<arg_value>{arg-value-1}</arg_value>
<arg_key>{arg-key-2}</arg_key>
<arg_value>{arg-value-2}</arg_value>
...
</tool_call><|system|>
S<|user|>
Weather?<|assistant|>
"""

TOOL_ROUND_TRIP = """<think>call it</think>
<tool_call>get_weather
<arg_key>city</arg_key>
<arg_value>北京</arg_value>
<arg_key>days</arg_key>
<arg_value>2</arg_value>
</tool_call>
<tool_call>get_weather
<arg_key>city</arg_key>
<arg_value>Rome</arg_value>
<arg_key>days</arg_key>
<arg_value>1</arg_value>
<arg_key>opts</arg_key>
<arg_value>{"a": [1, true, null]}</arg_value>
</tool_call><|observation|>
<tool_response>
sunny
</tool_response>
<tool_response>
rain
</tool_response><|assistant|>
"""

TWO_CALLS = [
    call("get_weather", city="北京", days=2),
    call("get_weather", city="Rome", days=1, opts={"a": [1, True, None]}),
]
TOOL_CONVERSATIONS = [
    ("tool preamble", [system("S"), user("Weather?")], {"tools": [WEATHER_TOOL]}, TOOL_PREAMBLE),
    (
        "tool round trip",
        [
            system("S"),
            user("Weather?"),
            assistant("", reasoning_content="call it", tool_calls=TWO_CALLS),
            {"role": "tool", "content": "sunny"},
            {"role": "tool", "content": "rain"},
        ],
        {"tools": [WEATHER_TOOL]},
        TOOL_PREAMBLE + TOOL_ROUND_TRIP,
    ),
    (
        "call without arguments",
        [user("Q"), assistant("", tool_calls=[call("f")])],
        {"add_generation_prompt": False},
        HEAD + "<|user|>\nQ<|assistant|>\n<think></think>\n<tool_call>f\n</tool_call>",
    ),
    (
        "tool message with a list",
        [user("Q"), {"role": "tool", "content": [{"output": "a"}, {"output": "b"}]}],
        {},
        HEAD
        + "<|user|>\nQ<|observation|>\n<tool_response>\na\n</tool_response>"
        + "\n<tool_response>\nb\n</tool_response><|assistant|>\n",
    ),
]


def main(folder):
    processor = AutoProcessor.from_pretrained(folder)
    wrong = 0
    for name, messages, options, expected in CONVERSATIONS + TOOL_CONVERSATIONS:
        options = {"add_generation_prompt": True, **options}
        rendered = processor.apply_chat_template(messages, tokenize=False, **options)
        if rendered != expected:
            wrong += 1
            print(f"DIFFERS {name}\n  expected {expected!r}\n  rendered {rendered!r}")
    print(f"{len(CONVERSATIONS + TOOL_CONVERSATIONS)} prompts, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
