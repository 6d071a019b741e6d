"""Random configurations and prompts for fuzzing: every constant that a config.json may change, changed."""

from . import configs
from .catalogue import Case
from .prompts import Clip, Picture, Text

# (head_dim, partial_rotary_factor): the rotated width must be even and have room for three sections.
ROTARY = ((8, 0.75), (8, 1.0), (12, 0.5), (16, 0.5), (16, 0.75), (24, 0.5), (32, 0.25), (32, 0.5))


def split(random, total, parts):
    """`parts` positive integers with the sum `total`."""
    cuts = sorted(random.sample(range(1, total), parts - 1))
    return tuple(high - low for low, high in zip([0] + cuts, cuts + [total]))


def rope(random, head_dim, partial):
    """Arguments of configs.rope_keys."""
    return {"theta": random.choice((100.0, 10000.0, 500000, 1000000.0)), "partial": partial,
            "sections": split(random, int(head_dim * partial) // 2, 3)}


def experts(random, layers):
    """The expert part of a MoE text_config."""
    groups, size = random.choice((1, 1, 2, 4)), random.randint(2, 5)
    kept = random.randint(1, groups)
    return {"n_group": groups, "topk_group": kept, "n_routed_experts": groups * size,
            "num_experts_per_tok": random.randint(1, kept * size), "n_shared_experts": random.randint(1, 2),
            "moe_intermediate_size": 8 * random.randint(1, 3), "norm_topk_prob": random.random() < 0.5,
            "routed_scaling_factor": random.choice((0.5, 1.0, 1.7, 2.5)),
            "first_k_dense_replace": random.randint(0, layers)}


def text(random, moe, head_dim):
    """The sizes of a text_config. Dense attention insists on hidden_size = heads * head_dim."""
    kv_heads, ratio, layers = random.randint(1, 2), random.choice((1, 2, 3, 5, 12, 16)), random.randint(1, 4)
    heads = kv_heads * ratio
    sizes = {"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
             "intermediate_size": random.randint(5, 60), "rms_norm_eps": random.choice((1e-6, 1e-5, 1e-4))}
    if moe:
        return sizes | experts(random, layers) | {"hidden_size": 8 * random.randint(2, 8), "head_dim": head_dim}
    return sizes | {"hidden_size": heads * head_dim}


def vision(random):
    """The sizes of a vision_config. Merge and frame-pair sizes are 2 in every GLM-V."""
    heads, patch = random.randint(1, 3), random.choice((2, 4, 6, 14))
    return {"depth": random.randint(1, 3), "num_heads": heads, "hidden_size": heads * random.choice((4, 8, 12, 20)),
            "intermediate_size": random.randint(5, 60), "patch_size": patch, "image_size": patch * random.randint(1, 9),
            "rms_norm_eps": random.choice((1e-6, 1e-5, 1e-4))}


def config(random):
    """A whole random config.json."""
    kind = random.choice(("glm4v_moe", "glm4v"))
    head_dim, partial = random.choice(ROTARY)
    return configs.model_config(kind, random.choice(("old", "new")), rope(random, head_dim, partial),
                                text(random, kind == "glm4v_moe", head_dim), vision(random))


def even(random):
    """An even number of patches."""
    return 2 * random.randint(1, 4)


def parts(random):
    """Text, up to three pictures and up to two clips, in any order; text at both ends."""
    visual = [Picture(even(random), even(random)) for _ in range(random.choice((0, 1, 1, 2, 3)))]
    visual += [Clip(random.randint(1, 3), even(random), even(random)) for _ in range(random.choice((0, 0, 0, 1, 2)))]
    random.shuffle(visual)
    out = [Text(random.randint(1, 6))]
    for item in visual:
        out += [item, Text(random.randint(1, 3))]
    return tuple(out)


def case(random, name, length_of):
    """A prompt, in one piece or up to three, and up to three greedy steps. length_of(parts) counts its tokens."""
    prompt = parts(random)
    tokens = length_of(prompt)
    pieces = min(random.choice((1, 1, 2, 3)), tokens)
    return Case(name, prompt, chunks=split(random, tokens, pieces) if pieces > 1 else (), steps=random.choice((0, 0, 1, 3)))
