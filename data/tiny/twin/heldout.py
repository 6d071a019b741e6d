"""The held-out prompts: draws them, has them answered in all modes, writes scores and the committed part.

The world is redrawn from a seed of its own that training never uses. Questions share pictures, so that a few
pictures serve all kinds.
"""
import dataclasses
import json
import os
import platform
import shutil
from dataclasses import dataclass

import numpy as np
import torch
import transformers
from PIL import Image

from . import questions as ask
from . import world
from .family import FAMILIES
from .score import FRAMES_PER_SECOND, MODES, Scorer, is_right, overlap

SEED = 2_000_000_000
KINDS = {
    "objects": list(ask.THING_KINDS),
    "number": ["number"],
    "bars": ["bar", "barmax"],
    "compare": ["compare"],
    "video": ["motion", "vcolor", "vshape"],
    "resized": ["resized"],
}
WITH_REASONING = {"count", "relation", "choice", "number", "bar", "barmax", "compare"}
SAFE_MARGIN = 0.02  # f32 logits: committed answers are at least this far from another token
COMMITTED, COMMITTED_THINKING = 6, 3  # prompts per kind
REFERENCE = "f32-sdpa"


@dataclass
class Prompt:
    """A question about the picture(s) or clip `picture` (a name), asked with or without thinking.

    `switched`: the family lets one choose, and "+t" names the kinds asked with thinking.
    """

    picture: str
    frames: list
    is_video: bool
    question: ask.Question
    thinking: bool
    switched: bool = True

    @property
    def kind(self):
        return self.question.kind + ("+t" if self.thinking and self.switched else "")

    @property
    def id(self):
        return f"{self.picture}-{self.kind}"


def one_of_each(scene, index):
    """One scene and at most one question of each of its kinds."""
    key = [SEED, list(KINDS).index(scene), index]
    if scene not in ("objects", "resized"):
        made = world.generate(scene, key, 1, 12)[0][0]
        return made, list({q.kind: q for q in reversed(made.questions)}.values())
    rng = np.random.default_rng(key)
    sizes = [world.RESIZED[0]] if scene == "resized" else world.SIZES[scene]
    height, width = sizes[rng.integers(len(sizes))]
    made = world.objects_scene(rng, height, width, 1, {"list": 1.0})
    if scene == "resized":
        asker = ask.ask_shape if index % 2 else ask.ask_color
        question = asker(rng, made.things, height, width)
        return made, [dataclasses.replace(question, kind="resized")] if question else []
    found = [ask.ASKERS[kind](rng, made.things, height, width) for kind in KINDS[scene]]
    return made, [q for q in found if q]


def wanted_of(kinds, per_kind, switched):
    """(kind, thinking) -> prompts: half as many with thinking where the kind has a reasoning, or all with thinking."""
    if not switched:
        return {(kind, True): per_kind for kind in kinds}
    wanted = {(kind, False): per_kind for kind in kinds}
    return wanted | {(kind, True): -(-per_kind // 2) for kind in kinds if kind in WITH_REASONING}


def draw(per_kind, family):
    """`per_kind` prompts of every kind, the same pictures for every family."""
    prompts, switched = [], family.thinking_switch
    for scene, kinds in KINDS.items():
        missing = wanted_of(kinds, per_kind, switched)
        index = 0
        while any(count > 0 for count in missing.values()):
            made, found = one_of_each(scene, index)
            for question in found:
                for thinking in (False, True):
                    wanted = missing.get((question.kind, thinking), 0) > 0
                    if wanted and (question.reasoning or not thinking or not switched):
                        missing[question.kind, thinking] -= 1
                        name = f"{scene}-{index:03d}"
                        prompts.append(Prompt(name, made.frames, made.is_video, question, thinking, switched))
            index += 1
    return prompts


def answer_all(ranks, folder, prompts):
    """mode -> answers in the order of the prompts; every rank answers a part."""
    answers = {}
    for mode in MODES:
        scorer = Scorer(folder, mode)
        mine = [scorer.answer(p) for p in prompts[ranks.rank :: ranks.count]]
        merged = [None] * len(prompts)
        for rank, part in enumerate(ranks.gather(mine)):
            merged[rank :: ranks.count] = part
        answers[mode] = merged
        if ranks.first:
            print(mode, json.dumps(score_kinds(prompts, merged)), flush=True)
    return answers


def score_kinds(prompts, answers):
    """kind -> [share of right answers, prompts]."""
    tally = {}
    for prompt, answer in zip(prompts, answers):
        tally.setdefault(prompt.kind, []).append(is_right(prompt.question, answer.boxed))
    return {kind: [round(sum(r) / len(r), 4), len(r)] for kind, r in sorted(tally.items())}


def versions():
    return {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__}


def scores_file(prompts, answers, seed):
    """The whole set's scores per mode, and how many answers have other ids than in the reference mode."""
    boxes = [(p, a) for p, a in zip(prompts, answers[REFERENCE]) if p.question.kind == "point"]
    return {
        "schema": "glmv.scores/1",
        "what": "greedy answers of the Hugging Face model to held-out prompts, exact match of the boxed answer "
        "(point: IoU >= 0.5 with the true box): [share right, prompts] per kind, +t = thinking mode",
        "versions": versions(),
        "training_seed": seed,
        "heldout_seed": SEED,
        "scores": {mode: score_kinds(prompts, found) for mode, found in answers.items()},
        "point_mean_iou": round(float(np.mean([overlap(a.boxed, p.question.answer) for p, a in boxes])), 4),
        "point_exact": round(float(np.mean([a.boxed == p.question.answer for p, a in boxes])), 4),
        "other_ids_than_" + REFERENCE: {
            mode: sum(a.ids != b.ids for a, b in zip(found, answers[REFERENCE])) for mode, found in answers.items()
        },
        "prompts": len(prompts),
    }


def chosen(prompts, answers):
    """Indices of the committed prompts: per kind the first drawn whose f32 answer is stable, right or wrong.

    The resized pictures are there to check a port's resizing, so of these only right answers are taken.
    """
    left, found = {}, []
    for i, prompt in enumerate(prompts):
        reference = answers[REFERENCE][i]
        stable = reference.margin >= SAFE_MARGIN and reference.ids == answers["f32-eager"][i].ids
        left.setdefault(prompt.kind, COMMITTED_THINKING if prompt.kind.endswith("+t") else COMMITTED)
        useful = prompt.kind != "resized" or is_right(prompt.question, reference.boxed)
        if stable and useful and left[prompt.kind] > 0:
            left[prompt.kind] -= 1
            found.append(i)
    return found


def save_media(folder, prompt):
    """Write the prompt's pictures as PNG; returns the "media" entry with paths relative to the folder."""
    names = [f"{prompt.picture}-{i}.png" for i in range(len(prompt.frames))]
    for name, frame in zip(names, prompt.frames):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            Image.fromarray(frame).save(path, optimize=True)
    if prompt.is_video:
        indices = list(range(len(names)))
        return [{"type": "video", "frames": names, "fps": FRAMES_PER_SECOND, "frames_indices": indices}]
    return [{"type": "image", "path": name} for name in names]


def router_margin(answer):
    """The smallest gaps of the routers; nothing for a model without any."""
    if answer.expert_margin == float("inf"):
        return {}
    return {"router_margin": {"expert": round(answer.expert_margin, 6), "group": round(answer.group_margin, 6)}}


def entry(folder, prompt, index, answers):
    """The committed record of one prompt."""
    reference = answers[REFERENCE][index]
    record = {
        "id": prompt.id,
        "kind": prompt.kind,
        "media": save_media(folder, prompt),
        "question": prompt.question.text,
        "thinking": prompt.thinking,
        "gold": prompt.question.answer,
        "answer": reference.boxed,
        "right": is_right(prompt.question, reference.boxed),
        "text": reference.text,
        "ids": reference.ids,
        "prompt_tokens": reference.prompt_tokens,
        "margin": round(reference.margin, 4),
        **router_margin(reference),
        "same_ids": {mode: answers[mode][index].ids == reference.ids for mode in MODES},
    }
    if prompt.question.kind == "point":
        record["iou"] = round(overlap(reference.boxed, prompt.question.answer), 4)
    return record


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=1)
        f.write("\n")


def write_heldout(path, head, records):
    """The records one a line, so that a changed answer is a changed line."""
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    with open(path, "w", encoding="utf-8") as f:
        f.write(json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}"))
        f.write(',\n "prompts": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n")


def family_of(folder):
    """By the snapshot's model_type."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        return FAMILIES["glm41v" if json.load(f)["model_type"] == "glm4v" else "glm45v"]


def write(ranks, folder, per_kind, seed):
    """Score the snapshot in `folder` and write its SCORES.json and heldout/."""
    prompts = draw(per_kind, family_of(folder))
    answers = answer_all(ranks, folder, prompts)
    if ranks.first:
        media = os.path.join(folder, "heldout")
        shutil.rmtree(media, ignore_errors=True)
        os.makedirs(media)
        records = [entry(media, prompts[i], i, answers) for i in chosen(prompts, answers)]
        head = {
            "schema": "glmv.heldout/1",
            "reference": REFERENCE,
            "safe_margin": SAFE_MARGIN,
            "versions": versions(),
            "heldout_seed": SEED,
        }
        write_heldout(os.path.join(media, "heldout.json"), head, records)
        write_json(os.path.join(folder, "SCORES.json"), scores_file(prompts, answers, seed))
    ranks.wait()
