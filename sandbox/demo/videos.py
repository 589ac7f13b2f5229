"""The demo films of video-app, drawn by code and encoded once: `python -m sandbox.demo.videos` encodes them again.

Only this needs ffmpeg. A film is one H.264 stream, in an MP4 file that plays while it loads and, cut but not encoded
again, as HLS with segments of fragmented MP4 (RFC 8216, section 3.3).
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from sandbox.settings import ROOT

FOLDER = ROOT / "video-app" / "videos"
WIDTH, HEIGHT = 640, 360
RATE = 24
"""Frames a second."""
SEGMENT = 3
"""Seconds of each HLS segment, which starts with a key frame."""

_FINE = 2
"""The factor by which images are drawn larger, for smooth edges."""
_W, _H = WIDTH * _FINE, HEIGHT * _FINE

type _Point = tuple[float, float]


@dataclass(frozen=True)
class Film:
    """A film: its description in the shop, its drawing, and the second of its poster."""

    title: str
    description: str
    price: int
    duration: int
    poster: float
    scene: Callable[[float, int], Image.Image]


def main() -> None:
    for name, film in FILMS.items():
        _make(FOLDER / name, film)
        print(f"{name}: {sum(file.stat().st_size for file in (FOLDER / name).rglob('*') if file.is_file()):,} bytes")


def _make(folder: Path, film: Film) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "hls").mkdir(parents=True)
    about = {
        "title": film.title,
        "description": film.description,
        "price": film.price,
        "currency": "usd",
        "duration": film.duration,
    }
    (folder / "video.json").write_text(json.dumps(about, indent=2) + "\n")
    _picture(film, film.poster).save(folder / "poster.jpg", quality=82, optimize=True, progressive=True)
    mp4 = folder / "video.mp4"
    raw = ("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{WIDTH}x{HEIGHT}", "-framerate", str(RATE))
    keys = ("-g", str(RATE * SEGMENT), "-keyint_min", str(RATE * SEGMENT), "-sc_threshold", "0")
    h264 = ("-c:v", "libx264", "-preset", "veryslow", "-tune", "animation", "-crf", "34", "-pix_fmt", "yuv420p", *keys)
    plain = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact")
    frames = (_picture(film, number / RATE).tobytes() for number in range(film.duration * RATE))
    _ffmpeg(*raw, "-i", "-", *h264, *plain, "-movflags", "+faststart", str(mp4), frames=frames)
    hls = ("-f", "hls", "-hls_time", str(SEGMENT), "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4")
    names = ("-hls_segment_filename", str(folder / "hls" / "%03d.m4s"))
    _ffmpeg("-i", str(mp4), "-c", "copy", *plain, *hls, *names, str(folder / "hls" / "index.m3u8"))


def _ffmpeg(*arguments: str, frames: Iterable[bytes] = ()) -> None:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin
        for frame in frames:
            encoder.stdin.write(frame)
    if encoder.returncode:
        raise SystemExit(f"ffmpeg failed with status {encoder.returncode}")


def _picture(film: Film, second: float) -> Image.Image:
    return film.scene(second, film.duration).resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def _ferry(second: float, duration: int) -> Image.Image:
    """A ferry goes home across the bay while the sun sets."""
    part = second / duration
    image = _sky("#3d2a63", "#b34d6b", "#f59a5b", "#ffd08a").copy()
    draw = ImageDraw.Draw(image)
    _disc(draw, (_W * 0.3, _H * (0.36 + 0.3 * part)), 92, "#fff0c4")
    draw.polygon(_wave(0.565, 26, 0.9, 2.1, shift=0.3), "#6d3f6d")
    draw.polygon(_wave(0.60, 14, 2.3, 0.2, shift=-0.4), "#7d4468")
    for level, colour, speed in ((0.63, "#8a4a6a", 0.32), (0.70, "#6d3c66", 0.5)):
        draw.polygon(_wave(level, 5, 9, second * speed * 2), colour)
    _ship(draw, (_W * (-0.15 + 1.3 * part), _H * 0.735 + 5 * math.sin(second * 1.3)), second)
    for level, colour, speed in ((0.755, "#532f5d", 0.8), (0.83, "#3c234f", 1.1), (0.91, "#281a40", 1.5)):
        draw.polygon(_wave(level, 8, 6, second * speed * 1.6, shift=level), colour)
    for gull in range(3):
        x = (_W * (0.2 * gull + 1.1) - second * (46 + 9 * gull)) % (_W * 1.2) - _W * 0.1
        _gull(draw, (x, _H * (0.2 + 0.07 * gull) + 12 * math.sin(second + gull)), math.sin(second * 5 + gull * 2))
    return image


def _ship(draw: ImageDraw.ImageDraw, at: _Point, second: float) -> None:
    x, y = at
    for puff in range(4):
        age = (second * 0.4 + puff / 4) % 1
        _disc(draw, (x - 24 - 130 * age, y - 122 - 50 * age), 7 + 20 * age, "#8d5a6c")
    draw.rectangle((x - 34, y - 116, x - 12, y - 70), "#d8503f")
    draw.rectangle((x - 90, y - 78, x + 64, y - 44), "#fdf3e3")
    draw.polygon([(x - 150, y - 44), (x + 160, y - 44), (x + 118, y + 24), (x - 128, y + 24)], "#2b2348")
    draw.line((x - 150, y - 42, x + 158, y - 42), "#d8503f", 7)
    for window in range(6):
        draw.rectangle((x - 78 + window * 23, y - 68, x - 65 + window * 23, y - 55), "#ffca6e")


def _gull(draw: ImageDraw.ImageDraw, at: _Point, flap: float) -> None:
    (x, y), up = at, 12 * flap
    draw.line([(x - 22, y - up), (x - 8, y - 7), (x, y), (x + 8, y - 7), (x + 22, y - up)], "#2b2348", 5, joint="curve")


def _train(second: float, duration: int) -> Image.Image:
    """The last train of the night, seen from the side: near things pass fast, far things stay."""
    image = _sky("#081028", "#15254d", "#2d4a78", "#6c86a6").copy()
    draw = ImageDraw.Draw(image)
    random = Random("night")  # noqa: S311 # scenery
    for _ in range(70):
        x, y = random.uniform(0, _W), random.uniform(0, _H * 0.5)
        _disc(draw, (x, y), random.uniform(1.2, 2.6), "#dbe6f5")
    _disc(draw, (_W * 0.76, _H * 0.22), 58, "#f6efd8")
    _disc(draw, (_W * 0.76 + 22, _H * 0.22 - 12), 50, "#15254d")
    for level, height, waves, colour, speed in (
        (0.62, 70, 1.3, "#2a4166", 0.12),
        (0.70, 46, 2.1, "#1e3152", 0.3),
        (0.78, 26, 3.2, "#14233f", 0.7),
    ):
        draw.polygon(_wave(level, height, waves, second * speed), colour)
    _carriages(draw, second, duration)
    draw.rectangle((0, _H * 0.86, _W, _H), "#0b1428")
    draw.line((0, _H * 0.868, _W, _H * 0.868), "#55698c", 5)
    for pole in range(3):
        x = (_W * 1.1 - (second * 320 + pole * _W * 0.5)) % (_W * 1.5) - _W * 0.2
        draw.line((x, _H * 0.3, x, _H), "#060c1a", 14)
        draw.line((x - 34, _H * 0.36, x + 34, _H * 0.36), "#060c1a", 8)
    return image


def _carriages(draw: ImageDraw.ImageDraw, second: float, duration: int) -> None:
    """Four carriages come in from the left, run beside us, and draw ahead."""
    part = second / duration
    x = _W * (-1.25 + 1.15 * _eased(part * 2.4) + 1.35 * _eased(part * 2.4 - 1.4))
    y = _H * 0.855
    for carriage in range(4):
        left = x + carriage * 318
        right = left + 306
        draw.rectangle((left, y - 128, right, y - 22), "#b8432f" if carriage < 3 else "#8f2f25")
        draw.rectangle((left, y - 62, right, y - 48), "#f3e2c4")
        for window in range(5):
            lit = "#ffd98a" if (carriage * 5 + window) % 7 else "#33405e"
            draw.rectangle((left + 20 + window * 56, y - 110, left + 60 + window * 56, y - 74), lit)
        for wheel in (60, 110, 200, 250):
            _disc(draw, (left + wheel, y - 14), 15, "#050a14")
    nose = x + 4 * 318 - 12
    draw.polygon([(nose, y - 128), (nose + 62, y - 66), (nose + 74, y - 22), (nose, y - 22)], "#8f2f25")
    for reach, colour in ((330, "#182b4d"), (210, "#243c66")):
        draw.polygon(
            [(nose + 66, y - 44), (nose + reach, y - 44 - reach / 12), (nose + reach, y - 44 + reach / 8)], colour
        )
    _disc(draw, (nose + 62, y - 44), 9, "#fff3c9")


def _planets(second: float, duration: int) -> Image.Image:
    """Five small planets around a star. A comet comes by once."""
    image = _sky("#0b0b22", "#141236", "#1d1847", "#141236").copy()
    draw = ImageDraw.Draw(image)
    random = Random("stars")  # noqa: S311 # scenery
    for _ in range(90):
        _disc(draw, (random.uniform(0, _W), random.uniform(0, _H)), random.uniform(1.2, 2.8), "#8f8fc4")
    centre = (_W * 0.5, _H * 0.52)
    orbits = (
        (150, 13, 5, "#e8a15c"),
        (228, 20, 8, "#7fd4b3"),
        (318, 25, 12, "#6aa6e8"),
        (428, 40, 18, "#e88f8f"),
        (548, 30, 36, "#b79cf0"),
    )
    for radius, *_ in orbits:
        draw.ellipse(
            (*_shifted(centre, -radius, -radius * 0.42), *_shifted(centre, radius, radius * 0.42)), None, "#2c2760", 3
        )
    bodies = []
    for radius, size, period, colour in orbits:
        angle = 2 * math.pi * (second / period + radius / 90)
        bodies.append(
            (math.sin(angle), _shifted(centre, radius * math.cos(angle), radius * 0.42 * math.sin(angle)), size, colour)
        )
    for depth, at, size, colour in sorted([*bodies, (0.0, centre, 74, "#ffd873")]):
        scaled = size * (1 + 0.22 * depth)
        _disc(draw, at, scaled, colour)
        if size == 74:
            _disc(draw, at, 60 + 2 * math.sin(second * 2), "#ffeeb0")
        if size == 40:
            draw.ellipse(
                (*_shifted(at, -scaled * 1.7, -scaled * 0.5), *_shifted(at, scaled * 1.7, scaled * 0.5)),
                None,
                "#ffd1c2",
                6,
            )
    _comet(draw, second / duration)
    return image


def _comet(draw: ImageDraw.ImageDraw, part: float) -> None:
    along = part * 3 - 1
    head = (_W * (1.1 - 1.3 * along), _H * (0.06 + 0.42 * along**2))
    for step in range(14):
        trail = along - step * 0.018
        at = (_W * (1.1 - 1.3 * trail), _H * (0.06 + 0.42 * trail**2))
        _disc(draw, at, 11 - step * 0.7, "#cfe6ff" if step < 4 else "#5f6fae")
    _disc(draw, head, 12, "#ffffff")


def _sky(*colours: str) -> Image.Image:
    """Return a gradient of the colours from top to bottom."""
    if colours not in _skies:
        strip = Image.new("RGB", (1, len(colours)))
        for row, colour in enumerate(colours):
            strip.paste(colour, (0, row, 1, row + 1))
        _skies[colours] = strip.resize((_W, _H), Image.Resampling.BICUBIC)
    return _skies[colours]


_skies: dict[tuple[str, ...], Image.Image] = {}


def _wave(level: float, height: float, waves: float, phase: float, shift: float = 0) -> list[_Point]:
    """Everything below a wave at *level* of the picture, with so many *waves* across it."""
    points: list[_Point] = [(0, _H), (_W, _H)]
    for x in range(_W, -1, -8):
        angle = 2 * math.pi * waves * x / _W + phase
        y = _H * level + height * (math.sin(angle + shift) + 0.4 * math.sin(2.3 * angle + 1 + shift))
        points.append((x, y))
    return points


def _disc(draw: ImageDraw.ImageDraw, centre: _Point, radius: float, colour: str) -> None:
    draw.ellipse((*_shifted(centre, -radius, -radius), *_shifted(centre, radius, radius)), colour)


def _shifted(point: _Point, x: float, y: float) -> _Point:
    return point[0] + x, point[1] + y


def _eased(part: float) -> float:
    """From 0 to 1, slow at both ends."""
    part = min(max(part, 0), 1)
    return part * part * (3 - 2 * part)


FILMS = {
    "the-ferry": Film(
        "The ferry home", "The last crossing of the day, and a sun that does not wait for it.", 299, 30, 15, _ferry
    ),
    "the-last-train": Film(
        "The last train", "Four lit carriages, a crescent moon, and nobody at the stations.", 399, 30, 17, _train
    ),
    "small-planets": Film(
        "Small planets", "Five worlds keep their time around one star. A comet is late.", 499, 30, 14, _planets
    ),
}


if __name__ == "__main__":
    main()
