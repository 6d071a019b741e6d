"""Integer rasterisation of flat shapes and 5x7 glyphs: no antialiasing, so the bytes are the same on every machine.

A picture is uint8 [H, W, 3]. Lengths are pixels; x runs right, y runs down.
"""
import numpy as np

COLORS = {
    "red": (215, 40, 40),
    "green": (40, 165, 60),
    "blue": (45, 80, 220),
    "yellow": (235, 200, 30),
    "purple": (150, 50, 180),
    "black": (25, 25, 25),
}
COLOR_NAMES = list(COLORS)
SHAPE_NAMES = ["circle", "square", "triangle", "cross", "diamond"]

# Seven rows of five dots per glyph, top row first.
GLYPH_ROWS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00010 00100 01000 11111",
    "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "D": "11110 10001 10001 10001 10001 10001 11110",
}
GLYPHS = {c: np.array([[d == "1" for d in row] for row in rows.split()]) for c, rows in GLYPH_ROWS.items()}


def blank_canvas(rng, height, width):
    """A picture of one light flat colour, every channel in 225..255."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = rng.integers(225, 256, 3)
    return picture


def shade_of(rng, color):
    """The named colour with +-15 per channel, so that a colour is a region and not a single value."""
    return np.clip(np.array(COLORS[color]) + rng.integers(-15, 16, 3), 0, 255).astype(np.uint8)


def shape_mask(shape, radius):
    """bool [2r+1, 2r+1]: the dots of a shape around its centre."""
    d = np.arange(-radius, radius + 1)
    dx, dy = np.meshgrid(d, d)
    if shape == "circle":
        return dx * dx + dy * dy <= radius * radius
    if shape == "square":
        return np.ones_like(dx, bool)
    if shape == "triangle":
        return 2 * abs(dx) <= dy + radius
    if shape == "diamond":
        return abs(dx) + abs(dy) <= radius
    arm = radius // 3  # cross
    return (abs(dx) <= arm) | (abs(dy) <= arm)


def draw_shape(picture, shape, color, cx, cy, radius):
    """Paint a shape whose centre dot is (cx, cy); it must lie wholly inside the picture."""
    window = picture[cy - radius : cy + radius + 1, cx - radius : cx + radius + 1]
    window[shape_mask(shape, radius)] = color


def draw_text(picture, text, x, y, scale, color):
    """Paint glyphs with their top left corner at (x, y), 5*scale wide, 7*scale high, 6*scale apart."""
    for char in text:
        dots = np.kron(GLYPHS[char], np.ones((scale, scale), bool))
        picture[y : y + 7 * scale, x : x + 5 * scale][dots] = color
        x += 6 * scale
