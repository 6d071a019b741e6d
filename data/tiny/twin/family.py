"""What differs between the two families a twin is made of: GLM-4.5V with experts, GLM-4.1V dense.

GLM-4.1V has other added tokens in another order, always thinks (its template has no switch), and writes its answer
into a block of its own whose end is one of the stop tokens.
"""
from dataclasses import dataclass

COMMON = """<|endoftext|> [MASK] [gMASK] [sMASK] <sop> <eop> <|system|> <|user|> <|assistant|> <|observation|>
<|begin_of_image|> <|end_of_image|> <|begin_of_video|> <|end_of_video|>""".split()
AUDIO_AND_CODE = """<|begin_of_audio|> <|end_of_audio|> <|begin_of_transcription|> <|end_of_transcription|>
<|code_prefix|> <|code_middle|> <|code_suffix|>""".split()
THINK_AND_TOOLS = """<think> </think> <tool_call> </tool_call> <tool_response> </tool_response>
<arg_key> </arg_key> <arg_value> </arg_value>""".split()


def flagged(tokens, special):
    return tuple((token, special) for token in tokens)


@dataclass(frozen=True)
class Family:
    """`added`: (token, special) in order of their ids; "special" ones vanish when decoding with skip_special_tokens."""

    name: str
    template: str  # file beside this one
    added: tuple
    stops: tuple  # tokens that end an answer; the first one also pads
    thinking_switch: bool
    largest_video: int  # px of all frames together

    @property
    def special(self):
        return [token for token, special in self.added if special]

    def written(self, question, thinking):
        """What follows the question: the rest of the prompt, the reasoning and the answer the model is to write."""
        box = f"<|begin_of_box|>{question.answer}<|end_of_box|>"
        if not self.thinking_switch:
            reasoning = f"<think>{question.reasoning or ''}</think>"
            return "<|assistant|>\n", reasoning, f"<answer>{box}</answer>"
        if thinking:
            return "<|assistant|>\n", f"<think>{question.reasoning}</think>\n", box + "<|user|>"
        return "/nothink<|assistant|>\n<think></think>\n", "", box + "<|user|>"


MOE = Family(
    name="glm45v",
    template="chat_template.jinja",
    added=flagged(COMMON + AUDIO_AND_CODE, True)
    + flagged(THINK_AND_TOOLS, False)
    + (("/nothink", True),)
    + flagged(["<|begin_of_box|>", "<|end_of_box|>", "<|image|>", "<|video|>"], False),
    stops=("<|endoftext|>", "<|user|>", "<|observation|>"),
    thinking_switch=True,
    largest_video=47040000,
)

# Boxes vanish with skip_special_tokens, as they do with the published model; think and answer blocks do not.
DENSE = Family(
    name="glm41v",
    template="chat_template_glm41v.jinja",
    added=flagged(COMMON + ["<|image|>", "<|video|>"], True)
    + flagged(["<think>", "</think>", "<answer>", "</answer>"], False)
    + flagged(["<|begin_of_box|>", "<|end_of_box|>"], True),
    stops=("<|endoftext|>", "<|user|>", "<|observation|>", "</answer>"),
    thinking_switch=False,
    largest_video=47040000,
)

FAMILIES = {family.name: family for family in (MOE, DENSE)}
