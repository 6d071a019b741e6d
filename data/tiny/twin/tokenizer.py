"""The twins' tokenizer: a small byte-level BPE with GLM's split rule and the family's added tokens in their order.

256 bytes + 204 merges learned from the twins' own questions = 460 base tokens, then ids from 460 for the added tokens
(36 of GLM-4.5V, 22 of GLM-4.1V). The texts are learned without digits: then no merge contains one, and every digit
stays one token.
"""
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

from . import world

BASE_TOKENS = 460
VOCABULARY = 512  # rows of the embedding; those behind the added tokens are never used

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def training_texts(pictures=700):
    """Questions, reasonings and answers of the world without their digits."""
    all_kinds = dict.fromkeys(world.ask.ASKERS, 1.0)
    for scene in world.MAKERS:
        options = {"kinds": all_kinds} if scene == "objects" else {}
        scenes, _ = world.generate(scene, [1, len(scene)], pictures, 3, size=(112, 112), **options)
        for question in (q for s in scenes for q in s.questions):
            for text in (question.text, question.reasoning or "", question.answer):
                yield "".join(c for c in text if not c.isdigit())


def build(family):
    """Train the family's tokenizer; the same in every run."""
    tokenizer = Tokenizer(BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = Sequence(
        [Split(Regex(SPLIT), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=BASE_TOKENS, initial_alphabet=ByteLevel.alphabet(), special_tokens=[], show_progress=False
    )
    tokenizer.train_from_iterator(training_texts(), trainer)
    if tokenizer.get_vocab_size() != BASE_TOKENS:
        raise ValueError(f"the texts gave {tokenizer.get_vocab_size()} base tokens, not {BASE_TOKENS}")
    tokenizer.add_tokens([AddedToken(t, special=special, normalized=False) for t, special in family.added])
    return tokenizer
