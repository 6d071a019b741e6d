"""The tiny snapshot with a larger tokenizer, so that a wrong split or merge shows in the ids.

The twin's own 204 merges come from its questions: in most scripts every byte is a token of its own there, and a piece
cut in the wrong place gives the same ids.
"""

import json

from tokenizers import Tokenizer
from tokenizers.trainers import BpeTrainer
from tokenizers.pre_tokenizers import ByteLevel

BASE_TOKENS = 4000
ID_KEYS = ("image_start_token_id", "image_end_token_id", "video_start_token_id", "video_end_token_id",
           "image_token_id", "video_token_id")


def trained(document, texts):
    """tokenizer.json with merges learned from the texts; the added tokens follow the base tokens as before."""
    tokenizer = Tokenizer.from_str(json.dumps({**document, "added_tokens": []}))
    trainer = BpeTrainer(vocab_size=BASE_TOKENS, initial_alphabet=sorted(ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    new = json.loads(tokenizer.to_str())
    base = len(new["model"]["vocab"])
    new["added_tokens"] = [{**token, "id": base + i} for i, token in enumerate(document["added_tokens"])]
    return new


def shifted(ids, by):
    return [i + by for i in ids] if isinstance(ids, list) else ids + by


def write(snapshot, texts, folder):
    """All files of the snapshot that stages 0 to 3 read, with the other tokenizer; the folder."""
    for name in ("chat_template.jinja", "preprocessor_config.json", "video_preprocessor_config.json"):
        (folder / name).write_bytes((snapshot / name).read_bytes())
    old = json.loads((snapshot / "tokenizer.json").read_text())
    new = trained(old, texts)
    by = new["added_tokens"][0]["id"] - old["added_tokens"][0]["id"]
    config = json.loads((snapshot / "config.json").read_text())
    config |= {key: config[key] + by for key in ID_KEYS}
    text = config["text_config"]
    text |= {key: shifted(text[key], by) for key in ("pad_token_id", "eos_token_id")}
    text["vocab_size"] += by
    names = json.loads((snapshot / "tokenizer_config.json").read_text())
    names["added_tokens_decoder"] = {str(int(i) + by): token for i, token in names["added_tokens_decoder"].items()}
    for name, value in (("tokenizer.json", new), ("config.json", config), ("tokenizer_config.json", names)):
        (folder / name).write_text(json.dumps(value))
    return folder
