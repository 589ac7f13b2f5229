"""The six variants of a photo, beside the same variants by sharp and by pyvips, which both use libvips.

Each runs in a fresh process on one core, with the same encoder settings: the edges of what is no JPEG stay sharp. A
round takes the lowest CPU time of two runs, and the peak memory of the whole process.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import ExifTags, Image, ImageChops

from bench import peers
from bench.row import Row, Unmeasured, turns
from sandbox.settings import ROOT

_ROUNDS = 5
_RUNS = 2


_TIME = (
    "The same native libraries as sharp's. Of the CPU time of the phone's JPEG, libwebp's encoder takes 53 %, libjpeg "
    "18 %, and the scaling and turning 17 %. Of that of the 24 MP JPEG, they take 35 %, 35 % and 11 %. Most of the "
    "rest is the kernel, which gives memory and reads the file."
)
_MEMORY = (
    "Pillow decodes every WebP with libwebp's decoder for animations. Of the memory, its two canvases of the whole "
    "picture take 44 %, the copy of the frame 22 %, Pillow's image of it 22 %, and Python with its packages 10 %. "
    "It would be 1.3 times the memory of sharp if they were freed before that image is made, which Pillow cannot do."
)
_CORE = str(max(os.sched_getaffinity(0)))

_TIMED = f"""
import re, sys, time
best = float("inf")
for _ in range({_RUNS}):
    started = time.process_time()
    variants(sys.argv[1])
    best = min(best, (time.process_time() - started) * 1000)
print(best, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
_OURS = """
from chalicelib import images
def variants(original):
    with open(original, "rb") as file:
        for _ in images.variants(file, (320, 640, 1280)):
            pass
"""
_PYVIPS = """
import pyvips
pyvips.cache_set_max(0)
def variants(original):
    sharp = not original.endswith(".jpg")
    jpeg = {"Q": 80, "optimize_coding": True, "subsample_mode": "off" if sharp else "on", "keep": "none"}
    webp = {"Q": 80, "effort": 4, "smart_subsample": sharp, "keep": "none"}
    image = pyvips.Image.thumbnail(original, 1280, height=100_000, size="down").copy_memory()
    for width in (1280, 640, 320):
        if width < image.width:
            image = image.thumbnail_image(width, height=100_000).copy_memory()
        image.jpegsave_buffer(**jpeg)
        image.webpsave_buffer(**webp)
"""

type _Result = tuple[float, float]
"""CPU time in ms, and peak memory in MB."""

_AIMS = {"JPEG": (0.9, 0.5), "PNG": (1.1, 1.1), "WebP": (1.1, 1.1)}
"""At most these ratios of time and memory to sharp's."""


def rows() -> Iterator[Row]:
    """Yield time and memory for each original, beside both peers. Raises Unmeasured."""
    if not Path("/proc/self/status").exists() or not hasattr(os, "sched_getaffinity"):
        raise Unmeasured("needs Linux, which tells the peak memory of a process")
    node, tools = peers.node_packages(), peers.packages("tools")
    with tempfile.TemporaryDirectory() as folder:
        for title, original in _originals(Path(folder)).items():
            results = turns(
                _ROUNDS,
                partial(_python, _OURS, original, ROOT / "blog-app", ROOT),
                partial(_sharp, node, original),
                partial(_python, _PYVIPS, original, tools),
            )
            (time, memory), *others = ([list(column) for column in zip(*each, strict=True)] for each in results)
            what = f"the variants of a {title}"
            aims = next((aims for form, aims in _AIMS.items() if form in title), (None, None))
            for peer, its, (most_time, most_memory) in (
                ("sharp", others[0], aims),
                ("pyvips", others[1], (None, None)),
            ):
                short = peer == "sharp" and "24 MP" in title
                yield Row(what, time, peer, its[0], "CPU ms", at_most=most_time, binds=_TIME, short=short)
                yield Row(what, memory, peer, its[1], "MB at most", at_most=most_memory, binds=_MEMORY, short=short)


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
        "phone's JPEG of 12 MP, lying on its side": folder / "phone.jpg",
    }
    jpeg, png, webp, avif, phone = originals.values()
    image.save(jpeg, quality=90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.crop((0, 0, 4032, 3024)).save(phone, quality=93, exif=exif)
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
    milliseconds, kilobytes = map(float, done.stdout.split())
    return milliseconds, kilobytes / 1024
