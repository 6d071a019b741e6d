"""The synthetic world: pictures of objects, numbers, bar charts, pairs of pictures and clips, each with questions.

Every side is a multiple of 28 px (one merged vision token covers a 28x28 cell) and every area is at least 6272 px,
so the GLM image processor never resizes; pictures of the sizes RESIZED are the exception. Everything is drawn from one
numpy generator, in a fixed order.
"""
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import resize

from . import questions as ask
from .raster import COLOR_NAMES, SHAPE_NAMES, blank_canvas, draw_shape, draw_text, shade_of

CELL = 28  # px, side of the square one merged vision token sees
LATTICE = 7  # px, object centres lie on this lattice so that a coordinate takes few values
RADII = (8, 12)  # px

# (height, width) of the pictures of each scene.
SIZES = {
    "objects": [(112, 112), (112, 140), (140, 112), (84, 140), (140, 84), (112, 84), (84, 112)],
    "number": [(56, 112), (56, 112), (84, 112), (56, 140), (112, 112)],
    "bars": [(112, 112), (112, 140), (140, 112)],
    "compare": [(84, 84), (56, 112), (112, 56), (84, 112)],
    "video": [(84, 84), (84, 112), (112, 84)],
}
FRAME_COUNTS = [4, 4, 6, 8]
# Sizes of objects pictures that the processor does resize, to the nearest multiples of 28.
RESIZED = [(100, 130), (130, 100), (98, 116), (120, 96), (104, 104)]


@dataclass
class Thing:
    """One object of a picture: centre and radius in px, `cell` the row-major index of its 28-px cell."""

    shape: str
    color: str
    x: int
    y: int
    radius: int
    cell: int

    @property
    def name(self):
        return f"{self.color} {self.shape}"


@dataclass
class Scene:
    """Pictures (or the frames of one clip) with questions and, per vision token, the labels phase V learns.

    frames: uint8 [H, W, 3] each. cells: one dict per picture (per pair of frames of a clip) of label arrays
    over the row-major cells; a class label 0 means "nothing here".
    """

    frames: list
    is_video: bool
    cells: list
    questions: list = field(default_factory=list)
    things: list = field(default_factory=list)  # of an objects scene


def place_things(rng, height, width, count):
    """Up to `count` things, one per cell, inside the picture and not touching; reading order."""
    columns = width // CELL
    things = []
    for cell in rng.permutation((height // CELL) * columns)[:count]:
        radius = RADII[rng.integers(len(RADII))]
        for _ in range(10):
            x = int(cell % columns) * CELL + 14 + LATTICE * int(rng.integers(-1, 2))
            y = int(cell // columns) * CELL + 14 + LATTICE * int(rng.integers(-1, 2))
            inside = radius <= x < width - radius and radius <= y < height - radius
            clear = all(max(abs(x - t.x), abs(y - t.y)) > radius + t.radius + 1 for t in things)
            if inside and clear:
                shape = SHAPE_NAMES[rng.integers(len(SHAPE_NAMES))]
                color = COLOR_NAMES[rng.integers(len(COLOR_NAMES))]
                things.append(Thing(shape, color, x, y, radius, int(cell)))
                break
    return sorted(things, key=lambda t: t.cell)


def draw_things(rng, height, width, things):
    """The picture of the things on a light background."""
    picture = blank_canvas(rng, height, width)
    for t in things:
        draw_shape(picture, t.shape, shade_of(rng, t.color), t.x, t.y, t.radius)
    return picture


def thing_labels(things, height, width, cells=None):
    """Per cell: colour class, shape class and the box of the thing, x1 y1 x2 y2 in -1..1 of the picture."""
    n = cells or (height // CELL) * (width // CELL)
    labels = {"color": np.zeros(n, int), "shape": np.zeros(n, int), "box": np.zeros((n, 4), np.float32)}
    for t in things:
        labels["color"][t.cell] = 1 + COLOR_NAMES.index(t.color)
        labels["shape"][t.cell] = 1 + SHAPE_NAMES.index(t.shape)
        x1, y1, x2, y2 = ask.box_of(t, height, width)
        labels["box"][t.cell] = [v / 500 - 1 for v in (x1, y1, x2, y2)]
    return labels


def objects_scene(rng, height, width, count, kinds=None, most=6):
    """1..most things with `count` questions whose kinds are drawn from `kinds` (name -> weight)."""
    while True:
        things = place_things(rng, height, width, int(rng.integers(1, most + 1)))
        picture = draw_things(rng, height, width, things)
        found = ask.about_things(rng, things, height, width, kinds or ask.THING_KINDS, count)
        if len(found) == count:
            return Scene([picture], False, [thing_labels(things, height, width)], found, things)


def number_scene(rng, height, width, count):
    """A number of 2 or 3 digits, one digit per 28-px cell of one row, the whole moved by up to 4 px."""
    rows, columns = height // CELL, width // CELL
    digits = int(rng.integers(2, 4))
    text = str(rng.integers(1, 10)) + "".join(str(d) for d in rng.integers(0, 10, digits - 1))
    scale = int(rng.integers(3, 5))
    row, first = int(rng.integers(0, rows)), int(rng.integers(0, columns - digits + 1))
    shift_x, shift_y = (int(v) for v in rng.integers(-4, 5, 2))
    picture = blank_canvas(rng, height, width)
    ink = shade_of(rng, ["red", "green", "blue", "purple", "black"][rng.integers(5)])  # yellow is too faint
    y = min(max(row * CELL + 14 - 7 * scale // 2 + shift_y, 0), height - 7 * scale)
    labels = np.zeros(rows * columns, int)
    for i, digit in enumerate(text):
        x = min(max((first + i) * CELL + 14 - 5 * scale // 2 + shift_x, 0), width - 5 * scale)
        draw_text(picture, digit, x, y, scale, ink)
        labels[row * columns + first + i] = 1 + int(digit)
    return Scene([picture], False, [{"digit": labels}], [ask.about_number(text)] * count)


def draw_axes(picture, base, unit):
    """Axes, ticks at 0..9, the labels 0 and 5, and pale grid lines; `base` is the row of value 0."""
    width = picture.shape[1]
    picture[4 : base + 1, 24:26] = 60
    picture[base : base + 2, 24 : width - 2] = 60
    for value in range(10):
        y = base - value * unit
        picture[y, 20:24] = 60
        if value in (0, 5):
            draw_text(picture, str(value), 12, y - 3, 1, 60)
        if value:
            picture[y, 26 : width - 2] = np.minimum(picture[y, 26 : width - 2], 205)


def bars_scene(rng, height, width, count):
    """A chart with one bar per 28-px column right of the axis, named A, B, C, D, values 1..9."""
    picture = blank_canvas(rng, height, width)
    base, unit = height - 18, (height - 22) // 10
    draw_axes(picture, base, unit)
    values = rng.integers(1, 10, width // CELL - 1)
    for i, value in enumerate(values):
        x = CELL * (i + 1) + 4
        picture[base - int(value) * unit : base, x : x + 18] = shade_of(rng, COLOR_NAMES[rng.integers(6)])
        draw_text(picture, "ABCD"[i], x + 4, height - 15, 2, 40)
    column_values = np.concatenate([[0], values])
    columns = np.arange((height // CELL) * (width // CELL)) % (width // CELL)
    found = ask.about_bars(rng, values, count)
    return Scene([picture], False, [{"value": column_values[columns]}], found)


def compare_scene(rng, height, width, count):
    """Two pictures with unequal numbers of things."""
    while True:
        pair = [place_things(rng, height, width, int(rng.integers(1, 6))) for _ in range(2)]
        if len(pair[0]) != len(pair[1]):
            break
    frames = [draw_things(rng, height, width, things) for things in pair]
    cells = [thing_labels(things, height, width) for things in pair]
    return Scene(frames, False, cells, ask.about_pair(rng, pair, count))


def video_scene(rng, height, width, count, frames=4):
    """One thing moving 3..6 px per frame in one of four directions; the clip plays at 2 frames per second."""
    shape, color = SHAPE_NAMES[rng.integers(5)], COLOR_NAMES[rng.integers(6)]
    radius, direction = int(rng.integers(8, 12)), int(rng.integers(4))
    step_x, step_y = [(-1, 0), (1, 0), (0, -1), (0, 1)][direction]
    room = (min(height, width) - 2 * radius - 2) // (frames - 1)
    speed = int(rng.integers(3, max(4, min(7, room + 1))))
    travel = speed * (frames - 1)
    x = int(rng.integers(radius + travel * (step_x < 0), width - radius - travel * (step_x > 0)))
    y = int(rng.integers(radius + travel * (step_y < 0), height - radius - travel * (step_y > 0)))
    background, ink = blank_canvas(rng, height, width), shade_of(rng, color)
    clip, cells = [], []
    for f in range(frames):
        picture = background.copy()
        draw_shape(picture, shape, ink, x + step_x * speed * f, y + step_y * speed * f, radius)
        clip.append(picture)
    for f in range(0, frames, 2):  # one vision token per two frames: the label sits where the thing is between them
        middle_x = x + step_x * (speed * f + speed // 2)
        middle_y = y + step_y * (speed * f + speed // 2)
        cells.append(moving_labels(height, width, middle_x, middle_y, color, shape, direction))
    return Scene(clip, True, cells, ask.about_clip(rng, direction, color, shape, count))


def moving_labels(height, width, x, y, color, shape, direction):
    """Per cell: colour, shape and direction of the moving thing, 0 elsewhere."""
    columns = width // CELL
    cell = min(y // CELL, height // CELL - 1) * columns + min(x // CELL, columns - 1)
    labels = {name: np.zeros((height // CELL) * columns, int) for name in ("color", "shape", "motion")}
    labels["color"][cell] = 1 + COLOR_NAMES.index(color)
    labels["shape"][cell] = 1 + SHAPE_NAMES.index(shape)
    labels["motion"][cell] = 1 + direction
    return labels


def as_processed(scene, height, width):
    """The scene with its picture and cells as they are after the image processor's resize to multiples of 28."""
    rows, columns = round(height / CELL), round(width / CELL)
    picture = torch.from_numpy(scene.frames[0]).permute(2, 0, 1)
    picture = resize(picture, [rows * CELL, columns * CELL], InterpolationMode.BICUBIC, antialias=True)
    things = [replace(t, cell=(t.y * rows // height) * columns + t.x * columns // width) for t in scene.things]
    # Questions and boxes are about the picture as it was; only the cells are new.
    labels = thing_labels(things, height, width, rows * columns)
    return replace(scene, frames=[picture.permute(1, 2, 0).numpy()], cells=[labels], things=things)


MAKERS = {
    "objects": objects_scene,
    "number": number_scene,
    "bars": bars_scene,
    "compare": compare_scene,
    "video": video_scene,
}


def generate(scene, key, pictures, count, size=None, **options):
    """`pictures` scenes of one size with `count` questions each; the same key gives the same scenes.

    Returns the scenes and the generator, whose state goes on to decide which questions are asked with thinking.
    """
    rng = np.random.default_rng(key)
    sizes = SIZES[scene]
    height, width = size or sizes[rng.integers(len(sizes))]
    if scene == "video":
        options["frames"] = FRAME_COUNTS[rng.integers(len(FRAME_COUNTS))]
    scenes = [MAKERS[scene](rng, height, width, count, **options) for _ in range(pictures)]
    if height % CELL or width % CELL:
        scenes = [as_processed(s, height, width) for s in scenes]
    return scenes, rng
