"""Questions about the synthetic pictures. Only unambiguous ones are asked: unique referents, clear gaps.

A reasoning text, where a kind has one, is what the model writes between <think> and </think> in thinking mode.
"""
from dataclasses import dataclass

import numpy as np

from .raster import COLOR_NAMES, SHAPE_NAMES

LETTERS = "ABCD"
CLEAR_GAP = 8  # px, positions closer than this are not compared

# Kinds asked about a picture of things, with the weights of a held-out draw (training uses its own schedule).
THING_KINDS = {k: 1.0 for k in ("shape", "color", "count", "exist", "extreme", "relation", "choice", "point", "list")}


@dataclass(frozen=True)
class Question:
    kind: str
    text: str
    reasoning: str | None
    answer: str


def pick(rng, items):
    """One item, or None of an empty list."""
    return items[rng.integers(len(items))] if items else None


def unique_by(things, key):
    """The things whose key no other thing shares."""
    return [t for t in things if sum(key(o) == key(t) for o in things) == 1]


def thousandths(value, side):
    """A position in px as thousandths of the side, in steps of ten and below 1000: always three digits."""
    return min(int(value * 100 / side + 0.5) * 10, 990)


def box_of(thing, height, width):
    """x1, y1, x2, y2 of a thing in thousandths of the picture, in steps of ten."""
    t, r = thing, thing.radius
    return (
        thousandths(t.x - r, width),
        thousandths(t.y - r, height),
        thousandths(t.x + r + 1, width),
        thousandths(t.y + r + 1, height),
    )


def ask_shape(rng, things, height, width):
    t = pick(rng, unique_by(things, lambda o: o.color))
    return t and Question("shape", f"What shape is the {t.color} object?", None, t.shape)


def ask_color(rng, things, height, width):
    t = pick(rng, unique_by(things, lambda o: o.shape))
    return t and Question("color", f"What color is the {t.shape}?", None, t.color)


def ask_count(rng, things, height, width):
    """How many objects, of a shape or of a colour; three times in ten a random one, so that 0 occurs."""
    form, present = rng.integers(3), pick(rng, things)
    if form == 0:
        chosen, what = things, "objects"
    elif form == 1:
        shape = pick(rng, SHAPE_NAMES) if rng.random() < 0.3 else present.shape
        chosen, what = [t for t in things if t.shape == shape], shape + ("es" if shape == "cross" else "s")
    else:
        color = pick(rng, COLOR_NAMES) if rng.random() < 0.3 else present.color
        chosen, what = [t for t in things if t.color == color], color + " objects"
    reasoning = ", ".join(t.name for t in chosen) or "none"
    return Question("count", f"How many {what} are there?", reasoning, str(len(chosen)))


def ask_exist(rng, things, height, width):
    """Half the names exist; of the others most share the colour or the shape with something in the picture."""
    present = pick(rng, things)
    color, shape = present.color, present.shape
    if rng.random() < 0.5:
        change = rng.random()  # 0.3 another shape, 0.3 another colour, 0.4 both
        if not 0.3 <= change < 0.6:
            shape = pick(rng, SHAPE_NAMES)
        if change >= 0.3:
            color = pick(rng, COLOR_NAMES)
    exists = any((t.color, t.shape) == (color, shape) for t in things)
    return Question("exist", f"Is there a {color} {shape}?", None, "yes" if exists else "no")


def ask_extreme(rng, things, height, width):
    """Which object lies furthest in a direction; the runner-up must be clearly behind."""
    word, key = [
        ("left-most", lambda t: t.x),
        ("right-most", lambda t: -t.x),
        ("highest", lambda t: t.y),
        ("lowest", lambda t: -t.y),
    ][rng.integers(4)]
    order = sorted(things, key=key)
    if len(order) < 2 or key(order[1]) - key(order[0]) < CLEAR_GAP:
        return None
    return Question("extreme", f"Which object is {word}?", None, order[0].name)


def ask_relation(rng, things, height, width):
    """Is A left of / right of / above / below B; the reasoning names both and where each lies on that axis."""
    known = unique_by(things, lambda o: o.name)
    if len(known) < 2:
        return None
    a, b = (known[i] for i in rng.permutation(len(known))[:2])
    word, sign, axis = [("left of", 1, "x"), ("right of", -1, "x"), ("above", 1, "y"), ("below", -1, "y")][
        rng.integers(4)
    ]
    gap = sign * (getattr(b, axis) - getattr(a, axis))
    if abs(gap) < CLEAR_GAP:
        return None
    side = width if axis == "x" else height
    reasoning = ", ".join(f"{t.name} {thousandths(getattr(t, axis), side):03d}" for t in (a, b))
    return Question("relation", f"Is the {a.name} {word} the {b.name}?", reasoning, "yes" if gap > 0 else "no")


def with_options(rng, text, answer, pool, options):
    """The question followed by lettered options, one of which is the answer; returns text and letter."""
    wrong = [v for v in pool if v != answer]
    shown = [wrong[i] for i in rng.permutation(len(wrong))[: options - 1]]
    place = int(rng.integers(options))
    shown.insert(place, answer)
    return text + "".join(f"\n{LETTERS[i]}. {v}" for i, v in enumerate(shown)), LETTERS[place]


def ask_choice(rng, things, height, width, options=4):
    """A shape or colour question with lettered options; the reasoning is the value itself."""
    base = (ask_color if rng.random() < 0.5 else ask_shape)(rng, things, height, width)
    if base is None:
        return None
    pool = COLOR_NAMES if base.kind == "color" else SHAPE_NAMES
    text, letter = with_options(rng, base.text, base.answer, pool, options)
    return Question("choice", text, base.answer, letter)


def ask_choice_easy(rng, things, height, width):
    return ask_choice(rng, things, height, width, options=2)


def ask_lookup(rng, things, height, width):
    """Training only: the letter of a given word, for which no picture is needed."""
    pool = COLOR_NAMES if rng.random() < 0.5 else SHAPE_NAMES
    answer = pick(rng, pool)
    text, letter = with_options(rng, f"Which letter is {answer}?", answer, pool, int(rng.integers(2, 5)))
    return Question("lookup", text, None, letter)


def ask_point(rng, things, height, width):
    t = pick(rng, unique_by(things, lambda o: o.name))
    if t is None:
        return None
    box = ",".join(f"{v:03d}" for v in box_of(t, height, width))
    return Question("point", f"Locate the {t.name}.", None, f"[{box}]")


def ask_list(rng, things, height, width):
    return Question("list", "List the objects.", None, ", ".join(t.name for t in things))


ASKERS = {
    "shape": ask_shape,
    "color": ask_color,
    "count": ask_count,
    "exist": ask_exist,
    "extreme": ask_extreme,
    "relation": ask_relation,
    "choice": ask_choice,
    "choice_easy": ask_choice_easy,
    "lookup": ask_lookup,
    "point": ask_point,
    "list": ask_list,
}


def about_things(rng, things, height, width, kinds, count):
    """Up to `count` questions of kinds drawn by weight; fewer if the picture allows too few."""
    names = list(kinds)
    weights = np.array([kinds[k] for k in names], float)
    found = []
    for _ in range(60):
        if len(found) == count or not things:
            break
        question = ASKERS[names[rng.choice(len(names), p=weights / weights.sum())]](rng, things, height, width)
        if question:
            found.append(question)
    return found


def about_number(text):
    return Question("number", "What number is written?", " ".join(text), text)


def about_bars(rng, values, count):
    """Values and extremes of a bar chart; the reasoning reads all the bars."""
    reasoning = ", ".join(f"{LETTERS[i]} {v}" for i, v in enumerate(values))
    order = np.argsort(values)
    found = []
    while len(found) < count:
        form = rng.integers(5)
        if form < 3:
            i = rng.integers(len(values))
            found.append(Question("bar", f"What is the value of bar {LETTERS[i]}?", reasoning, str(values[i])))
        elif form == 3 and values[order[-1]] > values[order[-2]]:
            found.append(Question("barmax", "Which bar is the tallest?", reasoning, LETTERS[order[-1]]))
        elif form == 4 and values[order[0]] < values[order[1]]:
            found.append(Question("barmax", "Which bar is the shortest?", reasoning, LETTERS[order[0]]))
    return found


def about_pair(rng, pair, count):
    """Which of two pictures has more or fewer objects, or has a given thing; `pair` is two lists of things."""
    return [ask_amount(rng, pair) if rng.random() < 0.5 else ask_owner(rng, pair) for _ in range(count)]


def ask_amount(rng, pair):
    more, first, second = rng.random() < 0.5, len(pair[0]), len(pair[1])
    answer = "first" if (first > second) == more else "second"
    text = f"Which picture has {'more' if more else 'fewer'} objects?"
    return Question("compare", text, f"first {first}, second {second}", answer)


def ask_owner(rng, pair):
    t, form = pick(rng, pair[0] + pair[1]), rng.integers(3)
    key = [lambda o: o.name, lambda o: o.color, lambda o: o.shape][form]
    what = [t.name, t.color + " object", t.shape][form]
    first, second = (any(key(o) == key(t) for o in things) for things in pair)
    answer = "both" if first and second else "first" if first else "second"
    return Question("compare", f"Which picture has a {what}?", None, answer)


def about_clip(rng, direction, color, shape, count):
    """Up to three questions about a clip, in random order."""
    found = [
        Question("motion", "Which way does the object move?", None, ["left", "right", "up", "down"][direction]),
        Question("vcolor", "What color is the moving object?", None, color),
        Question("vshape", "What shape is the moving object?", None, shape),
    ]
    return [found[i] for i in rng.permutation(3)[:count]]
