"""The variants of a photo, compared with the same variants by sharp and by pyvips, which both use libvips.

Each runs in a fresh process on one core, in turns, with the same encoder settings: the edges of what is no JPEG stay
sharp. The benchmark reports the lowest CPU time of several runs and the peak memory of the whole process.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops

from sandbox.settings import ROOT

_ROUNDS = 5
_RUNS = 3
_CORE = str(max(os.sched_getaffinity(0)))

_TIMED = f"""
import re, sys, time
best = float("inf")
for _ in range({_RUNS}):
    started = time.process_time()
    size = variants(sys.argv[1])
    best = min(best, (time.process_time() - started) * 1000)
print(best, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], size)
"""
_OURS = """
from chalicelib import images
def variants(original):
    with open(original, "rb") as file:
        return sum(len(image.content) for image in images.variants(file, (320, 640, 1280)))
"""
_PYVIPS = """
import pyvips
pyvips.cache_set_max(0)
def variants(original):
    sharp = not original.endswith(".jpg")
    jpeg = {"Q": 80, "optimize_coding": True, "subsample_mode": "off" if sharp else "on", "keep": "none"}
    webp = {"Q": 80, "effort": 4, "smart_subsample": sharp, "keep": "none"}
    size, image = 0, pyvips.Image.thumbnail(original, 1280, height=100_000, size="down").copy_memory()
    for width in (1280, 640, 320):
        if width < image.width:
            image = image.thumbnail_image(width, height=100_000).copy_memory()
        size += len(image.jpegsave_buffer(**jpeg)) + len(image.webpsave_buffer(**webp))
    return size
"""

type _Result = tuple[float, float, float]
"""CPU time in ms, peak memory in kB, bytes of all variants."""


def run() -> None:
    """Print time and peak memory for each original, and the ratios to both peers. Installs the peers temporarily."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _install(folder)
        contestants: dict[str, Callable[[Path], _Result]] = {
            "ours": lambda original: _python(_OURS, original, ROOT / "blog-app", ROOT),
            "sharp": lambda original: _sharp(folder, original),
            "pyvips": lambda original: _python(_PYVIPS, original, folder),
        }
        for title, original in _originals(folder).items():
            rounds = [{name: measure(original) for name, measure in contestants.items()} for _ in range(_ROUNDS)]
            for name in contestants:
                _print(title, name, [(each["ours"], each[name]) for each in rounds])


def _print(title: str, name: str, pairs: list[tuple[_Result, _Result]]) -> None:
    its = [statistics.median(column) for column in zip(*(its for _, its in pairs), strict=True)]
    line = f"variants of a {title:18} {name:6} {its[0]:5.0f} ms {its[1] / 1024:4.0f} MB"
    if name != "ours":
        time, memory, size = ([ours[i] / its[i] for ours, its in pairs] for i in range(3))
        line += (
            f"   ours / {name}: time {statistics.median(time):.2f} ({min(time):.2f} to {max(time):.2f}), "
            f"memory {statistics.median(memory):.2f}, bytes {statistics.median(size):.2f}"
        )
    print(line)


def _install(folder: Path) -> None:
    npm = ["npm", "install", "--no-audit", "--no-fund", "sharp"]
    pip = [sys.executable, "-m", "pip", "install", "--target", str(folder), "pyvips[binary]"]
    for command in (npm, pip):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _originals(folder: Path) -> dict[str, Path]:
    """Draw images that compress like photos: noise of every size."""
    noise = random.Random(1)  # noqa: S311
    image = Image.new("RGB", (6000, 4000))
    for cells, weight in ((4, 1), (16, 0.3), (64, 0.2), (256, 0.1), (1024, 0.06)):
        layer = Image.frombytes("RGB", (cells, cells), noise.randbytes(3 * cells * cells))
        image = Image.blend(image, layer.resize(image.size, Image.Resampling.BICUBIC), weight)
    image = ImageChops.add(image, Image.effect_noise(image.size, 12).convert("RGB"), 1, -128)
    originals = {
        "24 MP JPEG": folder / "original.jpg",
        "2 000 px PNG": folder / "original.png",
        "4 000 px WebP": folder / "original.webp",
        "4 000 px AVIF": folder / "original.avif",
    }
    jpeg, png, webp, avif = originals.values()
    image.save(jpeg, quality=90)
    image.crop((0, 0, 2000, 1333)).save(png)
    image.crop((0, 0, 4000, 3000)).save(webp, quality=85)
    image.crop((0, 0, 4000, 3000)).save(avif, quality=85, speed=8)
    return originals


def _python(variants: str, original: Path, *path: Path) -> _Result:
    environment = {"PYTHONPATH": os.pathsep.join(map(str, path)), "VIPS_CONCURRENCY": "1"}
    return _measured([sys.executable, "-c", variants + _TIMED, str(original)], environment)


def _sharp(folder: Path, original: Path) -> _Result:
    script = Path(__file__).with_name("sharp.mjs")
    return _measured(["node", str(script), str(folder), str(original), str(_RUNS)], {})


def _measured(command: list[str], environment: dict[str, str]) -> _Result:
    pinned = ["taskset", "--cpu-list", _CORE, *command]
    done = subprocess.run(pinned, env=os.environ | environment, check=True, capture_output=True, text=True)
    milliseconds, kilobytes, size = map(float, done.stdout.split())
    return milliseconds, kilobytes, size
