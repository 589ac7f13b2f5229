"""Photos for the demo posts: landscapes drawn by code. Each run draws the same ones."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

_SIZE = (1600, 1067)
_FINE = 2
"""The factor by which images are drawn larger, for smooth edges."""
_WIDTH, _HEIGHT = _SIZE[0] * _FINE, _SIZE[1] * _FINE

type _Point = tuple[float, float]


def draw(name: str) -> bytes:
    """Return the photo called ``edge``, ``mail``, ``thumbnails`` or ``tables`` as a JPEG. Raises KeyError."""
    scene = _SCENES[name]
    image = scene(Random(name)).resize(_SIZE, Image.Resampling.LANCZOS)  # noqa: S311 # scenery
    file = io.BytesIO()
    _grain(image, Random(name)).save(file, "JPEG", quality=88, progressive=True)  # noqa: S311
    return file.getvalue()


def _edge(random: Random) -> Image.Image:
    """A coast at sunset: headlands that end in the sea."""
    image = _gradient("#2b2158", "#6d2f70", "#d9605a", "#f7b06b", "#ffdca0", split=0.62)
    horizon = int(_HEIGHT * 0.62)
    _glow(image, (_WIDTH * 0.36, horizon - 90), 1100, "#ffe9b8", 0.75)
    _disc(image, (_WIDTH * 0.36, horizon - 150), 118, "#fff3d1")
    sea = _gradient("#f0a56c", "#9c4a6b", "#3b2560", "#1d1540").resize((_WIDTH, _HEIGHT - horizon))
    image.paste(sea, (0, horizon))
    _glitter(image, random, _WIDTH * 0.36, horizon)
    coast = (("#8d4a72", 0, 260, 0.62), ("#5b2f63", 60, 420, 0.72), ("#2c1a48", 190, 700, 0.8))
    for colour, base, rise, start in coast:
        _headland(image, random, horizon + base, rise, start, colour)
    return image


def _mail(random: Random) -> Image.Image:
    """A lighthouse on a headland at night."""
    image = _gradient("#0c1030", "#16245a", "#2f4d86", "#7f8fb3", "#e7c6b4", split=0.85)
    _stars(image, random, 320, 0.45)
    for level, rise, colour in ((0.74, 120, "#5a6f9f"), (0.80, 150, "#34497c"), (0.88, 90, "#1c2a55")):
        _ridge(image, random, _HEIGHT * level, rise, colour)
    lamp = (_WIDTH * 0.76, _HEIGHT * 0.4)
    _beam(image, lamp, (-_WIDTH, _HEIGHT * 0.10), (-_WIDTH, _HEIGHT * 0.34))
    _beam(image, lamp, (_WIDTH * 2, _HEIGHT * 0.36), (_WIDTH * 2, _HEIGHT * 0.56))
    _lighthouse(image, lamp)
    _headland(image, random, _HEIGHT, 640, 0.46, "#0d1330")
    _glow(image, lamp, 420, "#fff0c2", 0.95)
    return image


def _thumbnails(random: Random) -> Image.Image:
    """Ridges in the morning mist, each smaller than the one before."""
    image = _gradient("#a9cfd6", "#d5e6dc", "#f6ead2", "#f3d6b4", split=0.75)
    _glow(image, (_WIDTH * 0.68, _HEIGHT * 0.3), 900, "#fff8e4", 0.9)
    _disc(image, (_WIDTH * 0.68, _HEIGHT * 0.3), 105, "#fffbee")
    far, near = (158, 190, 190), (18, 52, 58)
    steps = 7
    for step in range(steps):
        part = step / (steps - 1)
        mixed = tuple(round(a + (b - a) * part) for a, b in zip(far, near, strict=True))
        colour = "#{:02x}{:02x}{:02x}".format(*mixed)
        _ridge(image, random, _HEIGHT * (0.44 + 0.08 * step), 110 + 70 * step, colour)
        _mist(image, _HEIGHT * (0.52 + 0.08 * step), "#f6ead2", 0.42 * (1 - part))
    _pines(image, random)
    return image


def _tables(random: Random) -> Image.Image:
    """Mountains under the stars and their reflection in a lake."""
    shore = int(_HEIGHT * 0.56)
    image = _gradient("#080b26", "#141c4f", "#3b2a72", "#a0467d", "#f08f6d", split=0.56)
    _stars(image, random, 620, 0.42)
    _disc(image, (_WIDTH * 0.24, _HEIGHT * 0.2), 84, "#f6efdd")
    for level, rise, colour in ((0.50, 430, "#4b2d6c"), (0.53, 300, "#2f1f55"), (0.555, 130, "#191338")):
        _ridge(image, random, _HEIGHT * level, rise, colour)
    mirrored = image.crop((0, 2 * shore - _HEIGHT, _WIDTH, shore)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = Image.blend(mirrored.filter(ImageFilter.GaussianBlur(5)), Image.new("RGB", mirrored.size, "#0d1238"), 0.28)
    image.paste(water, (0, shore))
    _ripples(image, random, shore)
    return image


_SCENES: dict[str, Callable[[Random], Image.Image]] = {
    "edge": _edge,
    "mail": _mail,
    "thumbnails": _thumbnails,
    "tables": _tables,
}


def _gradient(*colours: str, split: float = 1.0) -> Image.Image:
    """Colours from top to bottom, evenly spread over the upper *split* of the image."""
    column = Image.new("RGB", (1, len(colours)))
    for row, colour in enumerate(colours):
        column.paste(colour, (0, row, 1, row + 1))
    image = Image.new("RGB", (_WIDTH, _HEIGHT), colours[-1])
    image.paste(column.resize((_WIDTH, int(_HEIGHT * split)), Image.Resampling.BICUBIC), (0, 0))
    return image


def _outline(random: Random, rise: float, roughness: float = 0.5) -> list[float]:
    """Heights from left to right by midpoint displacement, 0 to *rise*."""
    heights = [random.random() for _ in range(5)]
    scale = roughness
    while len(heights) < 1200:
        middles = [(a + b) / 2 + (random.random() - 0.5) * scale for a, b in pairwise(heights)]
        heights = [h for pair in zip(heights, middles, strict=False) for h in pair] + heights[-1:]
        scale *= roughness
    low, high = min(heights), max(heights)
    return [(h - low) / (high - low) * rise for h in heights]


def _ridge(image: Image.Image, random: Random, base: float, rise: float, colour: str) -> None:
    heights = _outline(random, rise)
    points = [(x * _WIDTH / (len(heights) - 1), base - h) for x, h in enumerate(heights)]
    _land(image, points, colour)


def _headland(image: Image.Image, random: Random, base: float, rise: float, start: float, colour: str) -> None:
    """Land that begins at *start* of the width, and climbs to the right."""
    heights = _outline(random, rise * 0.35, 0.55)
    points: list[_Point] = [(_WIDTH * start, base)]
    for x, h in enumerate(heights):
        part = x / (len(heights) - 1)
        points.append((_WIDTH * (start + (1 - start) * part), base - (rise * 0.75 + h) * math.sin(part * 1.7) ** 0.6))
    ImageDraw.Draw(image).polygon([*points, (_WIDTH, base)], fill=colour)


def _land(image: Image.Image, points: Sequence[_Point], colour: str) -> None:
    ImageDraw.Draw(image).polygon([*points, (_WIDTH, _HEIGHT), (0, _HEIGHT)], fill=colour)


def _disc(image: Image.Image, centre: _Point, radius: float, colour: str) -> None:
    ImageDraw.Draw(image).ellipse(_around(centre, radius), fill=colour)


def _glow(image: Image.Image, centre: _Point, radius: int, colour: str, strength: float) -> None:
    """Draw light that fades with the square of the distance."""
    faded = ImageChops.invert(Image.radial_gradient("L"))
    light = faded.point(lambda v: int(max(0, v - 75) ** 2 / 180**2 * 255 * strength))
    image.paste(colour, _around(centre, radius), light.resize((2 * radius, 2 * radius), Image.Resampling.BICUBIC))


def _around(centre: _Point, radius: float) -> tuple[int, int, int, int]:
    x, y = centre
    return int(x - radius), int(y - radius), int(x - radius) + int(2 * radius), int(y - radius) + int(2 * radius)


def _beam(image: Image.Image, lamp: _Point, upper: _Point, lower: _Point) -> None:
    light = Image.new("L", image.size)
    ImageDraw.Draw(light).polygon([lamp, upper, lower], fill=70)
    image.paste("#fff0c2", (0, 0), light.filter(ImageFilter.GaussianBlur(26)))


def _lighthouse(image: Image.Image, lamp: _Point) -> None:
    x, y = lamp
    pen = ImageDraw.Draw(image)
    foot = y + 860
    pen.polygon([(x - 46, y + 60), (x + 46, y + 60), (x + 84, foot), (x - 84, foot)], fill="#e9e2e4")
    for top, bottom in ((0.14, 0.3), (0.48, 0.66)):
        upper, lower = y + 60 + 800 * top, y + 60 + 800 * bottom
        left, right = 46 + 38 * top, 46 + 38 * bottom
        pen.polygon([(x - left, upper), (x + left, upper), (x + right, lower), (x - right, lower)], fill="#a8324f")
    pen.rectangle((x - 66, y + 44, x + 66, y + 64), fill="#1a1c3c")
    pen.rectangle((x - 36, y - 40, x + 36, y + 44), fill="#ffe7a6")
    pen.polygon([(x - 50, y - 40), (x + 50, y - 40), (x, y - 100)], fill="#1a1c3c")


def _stars(image: Image.Image, random: Random, count: int, depth: float) -> None:
    pen = ImageDraw.Draw(image, "RGBA")
    for _ in range(count):
        centre = (random.random() * _WIDTH, random.random() ** 1.4 * depth * _HEIGHT)
        radius = random.choice((1.6, 1.6, 2.4, 2.4, 3.6))
        pen.ellipse(_around(centre, radius), fill=(255, 247, 232, random.randint(90, 240)))


def _mist(image: Image.Image, level: float, colour: str, strength: float) -> None:
    band = Image.new("L", image.size)
    ImageDraw.Draw(band).rectangle((0, level - 90, _WIDTH, level + 90), fill=int(255 * strength))
    image.paste(colour, (0, 0), band.filter(ImageFilter.GaussianBlur(90)))


def _pines(image: Image.Image, random: Random) -> None:
    """A dark wood along the lower edge, taller at the sides."""
    pen = ImageDraw.Draw(image)
    for x in range(-60, _WIDTH + 60, 46):
        side = abs(x / _WIDTH - 0.45)
        height = 110 + 620 * side**1.5 + random.random() * 150
        for tier in _tiers(x + random.random() * 40, _HEIGHT + 40, height):
            pen.polygon(tier, fill="#0b262c")


def _tiers(x: float, foot: float, height: float) -> Iterator[list[_Point]]:
    for tier in range(6):
        top = foot - height * (1 - tier * 0.15)
        width = height * (0.05 + 0.03 * tier)
        yield [(x, top), (x + width, top + height * 0.3), (x - width, top + height * 0.3)]


def _glitter(image: Image.Image, random: Random, x: float, horizon: int) -> None:
    """The reflection of the sun on the water."""
    pen = ImageDraw.Draw(image, "RGBA")
    for _ in range(420):
        depth = random.random() ** 1.6
        y = horizon + 6 + depth * (_HEIGHT - horizon)
        middle = x + random.gauss(0, 60 + 260 * depth)
        length = (30 + 150 * depth) * random.random()
        pen.rounded_rectangle(
            (middle - length, y, middle + length, y + 3 + 7 * depth), 4, fill=(255, 226, 170, random.randint(50, 150))
        )


def _ripples(image: Image.Image, random: Random, shore: int) -> None:
    pen = ImageDraw.Draw(image, "RGBA")
    pen.line((0, shore, _WIDTH, shore), fill=(255, 200, 180, 60), width=4)
    for _ in range(260):
        depth = random.random()
        y = shore + 12 + depth**1.5 * (_HEIGHT - shore)
        x, length = random.random() * _WIDTH, 60 + 300 * depth
        pen.line((x, y, x + length, y), fill=(255, 214, 196, random.randint(10, 34)), width=int(2 + 4 * depth))


def _grain(image: Image.Image, random: Random) -> Image.Image:
    """Add a little noise, which prevents bands in the JPEG's gradients."""
    noise = Image.frombytes("L", image.size, random.randbytes(image.width * image.height))
    return ImageChops.add(image, noise.point(lambda v: v // 20).convert("RGB"), offset=-6)
