"""The pixels that the blog decodes from images of other encoders, compared with those that Chromium shows.

The images are made by sharp, libvips (pyvips), ImageMagick and libavif (avifenc), as far as they are installed, and
by hand: containers that are unusual or damaged. `python -m bench web_images` compares them all. With folders,
`PYTHONPATH=. python -m bench.web_images FOLDER...` compares the images in these too.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageDraw
from playwright.sync_api import Page, sync_playwright

from sandbox.settings import ROOT

_FORMATS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "avif")
_SAME = 3
"""Largest difference of a channel, of 255, by which two decoders may round."""

_CLOSE = 4
"""Largest mean difference, of 255, of images that differ only by how chroma is scaled up or colours are converted."""

_SHOW = """
async source => {
  const image = new Image();
  image.src = source;
  try { await image.decode(); } catch { return null; }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", {colorSpace: "srgb"});
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let text = "";
  for (let at = 0; at < pixels.length; at += 32768) text += String.fromCharCode(...pixels.subarray(at, at + 32768));
  return [canvas.width, canvas.height, btoa(text)];
}
"""

_PYVIPS = """
import sys, pyvips
picture, into = sys.argv[1:]
image = pyvips.Image.new_from_file(picture)
opaque = image.flatten(background=255)
wide = image.colourspace("rgb16")
for name, source, options in (
    ("baseline.jpg", opaque, {"Q": 90}), ("progressive.jpg", opaque, {"Q": 90, "interlace": True}),
    ("trellis.jpg", opaque, {"Q": 90, "trellis_quant": True, "optimize_scans": True, "interlace": True}),
    ("grey.jpg", opaque.colourspace("b-w"), {}), ("4:4:4.jpg", opaque, {"Q": 95, "subsample_mode": "off"}),
    ("restart markers.jpg", opaque, {"Q": 90, "restart_interval": 2}),
    ("alpha.png", image, {}), ("interlaced.png", image, {"interlace": True}),
    ("grey.png", opaque.colourspace("b-w"), {}), ("16 bits.png", wide, {}),
    ("16 bits of grey.png", opaque.colourspace("grey16"), {}),
    ("palette.png", image, {"palette": True}), ("2 bits.png", opaque, {"palette": True, "bitdepth": 2}),
    ("1 bit.png", opaque.colourspace("b-w"), {"bitdepth": 1}),
    ("4 bits of grey.png", opaque.colourspace("b-w"), {"bitdepth": 4}),
    ("p3.png", image, {"profile": "p3"}),
    ("lossy.webp", image, {"Q": 90}), ("lossless.webp", image, {"lossless": True}),
    ("plain.gif", image, {}), ("interlaced.gif", image, {"interlace": True}),
    ("8 bits.avif", opaque, {"Q": 90, "compression": "av1"}), ("alpha.avif", image, {"Q": 90, "compression": "av1"}),
    ("10 bits.avif", opaque.colourspace("rgb16"), {"Q": 90, "compression": "av1", "bitdepth": 10}),
    ("12 bits.avif", opaque.colourspace("rgb16"), {"Q": 90, "compression": "av1", "bitdepth": 12}),
    ("lossless.avif", opaque, {"lossless": True, "compression": "av1"}),
):
    try:
        source.write_to_file(f"{into}/{name}", **options)
    except pyvips.Error as error:
        print(name, error, file=sys.stderr)
"""

_IMAGEMAGICK: dict[str, str] = {
    **{
        f"sampling {factors}.jpg": f"-flatten -quality 92 -sampling-factor {factors}"
        for factors in ("4:4:4", "4:2:2", "4:2:0", "4:1:1", "4:4:0", "4:1:0")
    },
    "progressive.jpg": "-flatten -interlace JPEG",
    "grey.jpg": "-flatten -colorspace Gray",
    "cmyk.jpg": "-flatten -colorspace CMYK -quality 95",
    "arithmetic.jpg": "-flatten -define jpeg:arithmetic-coding=true",
    "8.png": "PNG8:",
    "24.png": "-flatten PNG24:",
    "32.png": "PNG32:",
    "48.png": "-flatten PNG48:",
    "64.png": "PNG64:",
    "1 bit.png": "-flatten -monochrome",
    "2 bits of grey.png": "-flatten -colorspace Gray -depth 2",
    "4 bits of grey.png": "-flatten -colorspace Gray -depth 4",
    "16 bits of grey.png": "-flatten -colorspace Gray -depth 16 -define png:bit-depth=16 -define png:color-type=0",
    "grey and alpha.png": "-colorspace Gray -define png:color-type=4",
    "interlaced.png": "-interlace PNG",
    "gamma 1.png": "-flatten -set gamma 1.0 PNG24:",
    "gamma 0.5.png": "-flatten -gamma 0.5 PNG24:",
    "linear.png": "-flatten -colorspace RGB PNG24:",
    "plain.gif": "-flatten",
    "transparent.gif": "",
    "1987.gif": "-flatten GIF87:",
    "interlaced.gif": "-interlace GIF",
    "1.bmp": "-flatten -monochrome BMP3:",
    "4.bmp": "-flatten -colors 16 -type Palette BMP3:",
    "8.bmp": "-flatten -colors 200 -type Palette BMP3:",
    "8 run lengths.bmp": "-flatten -colors 8 -type Palette -compress RLE BMP3:",
    "24.bmp": "-flatten BMP3:",
    "version 2.bmp": "-flatten BMP2:",
    "version 4.bmp": "BMP:",
    "32 with alpha.bmp": "BMP:",
    "565.bmp": "-flatten -define bmp:subtype=RGB565 BMP:",
    "555.bmp": "-flatten -define bmp:subtype=RGB555 BMP:",
    "4444.bmp": "-define bmp:subtype=ARGB4444 BMP:",
    "1555.bmp": "-define bmp:subtype=ARGB1555 BMP:",
    "lossy.webp": "-quality 90",
    "lossless.webp": "-define webp:lossless=true",
    "8.avif": "-flatten -quality 90",
}

_CICP = {
    "sRGB": "1/13/6",
    "BT.709": "1/1/1",
    "BT.601": "6/6/6",
    "BT.470 M": "4/4/6",
    "BT.470 BG": "5/5/5",
    "linear": "1/8/1",
    "P3": "12/13/6",
    "DCI P3": "11/13/6",
    "BT.2020": "9/14/9",
    "BT.2020 with sRGB's curve": "9/13/9",
    "SMPTE 240": "7/7/7",
    "identity": "1/13/0",
    "film": "8/1/1",
    "XYZ": "10/13/6",
    "EBU 3213": "22/13/6",
    "SMPTE 428": "10/17/6",
    "PQ": "9/16/9",
    "HLG": "9/18/9",
    "unspecified": "2/2/6",
    "xvYCC": "1/11/1",
    "log": "1/9/1",
}
_AVIFENC: dict[str, Sequence[str]] = {
    **{
        f"{depth} bits {yuv} {range_} range": ("-d", str(depth), "-y", yuv, "-r", range_)
        for depth in (8, 10, 12)
        for yuv in ("400", "420", "422", "444")
        for range_ in ("full", "limited")
    },
    **{f"CICP {name}": ("--cicp", codes, "-y", "444") for name, codes in _CICP.items()},
    **{f"rotation {turn}": ("--irot", str(turn)) for turn in (1, 2, 3)},
    **{f"mirror {axis}": ("--imir", str(axis)) for axis in (0, 1)},
    "lossless": ("--lossless",),
    "premultiplied": ("--premultiply",),
}


def run(folders: Sequence[str] = ()) -> None:
    """Print a table, and a line for each image that is not the same. Installs sharp and pyvips temporarily."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        files = [*_made(work), *((folder, file) for folder in folders for file in sorted(Path(folder).rglob("*.*")))]
        sys.path.insert(0, str(ROOT / "blog-app"))
        compared: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        lines = []
        with sync_playwright() as playwright:
            arguments = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
            chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
            page = browser.new_page()
            for maker, file in files:
                if file.suffix.removeprefix(".").lower() not in _FORMATS:
                    continue
                result, detail = _compared(page, file)
                compared[maker, file.suffix].update([result])
                if result != "same":
                    lines.append(f"{result:15} {maker} {file.name}: {detail}")
            browser.close()
    columns = ("same", "close", "different", "only Chromium", "only here", "neither")
    print("| made by | format |", " | ".join(columns), "|")
    print("|---|---|" + "--:|" * len(columns))
    for (maker, suffix), results in sorted(compared.items()):
        print(f"| {maker} | {suffix[1:]} |", " | ".join(str(results[column] or "") for column in columns), "|")
    print("\n".join(["", *sorted(lines)]))


def _compared(page: Page, file: Path) -> tuple[str, str]:
    shown, (made, reason) = _shown(page, file), _decoded(file)
    if shown is None or made is None:
        if shown is made:
            return "neither", reason
        return ("only Chromium", reason) if made is None else ("only here", "")
    if shown.size != made.size:
        return "different", f"{shown.size} in Chromium, {made.size} here"
    ours, theirs = _on_checks(made), _on_checks(shown)
    difference = ImageChops.difference(ours, theirs)
    counts = [sum(values) for values in zip(*(band.histogram() for band in difference.split()), strict=True)]
    largest = max(value for value, count in enumerate(counts) if count)
    mean = sum(value * count for value, count in enumerate(counts)) / sum(counts)
    detail = f"largest difference {largest}, mean {mean:.2f}"
    return ("same" if largest <= _SAME else "close" if mean <= _CLOSE else "different"), detail


def _on_checks(image: Image.Image) -> Image.Image:
    """Return *image* on black and on white, side by side, since colours of transparent pixels do not matter."""
    both = Image.new("RGB", (image.width * 2, image.height))
    for left, colour in ((0, "black"), (image.width, "white")):
        both.paste(colour, (left, 0, left + image.width, image.height))
        both.paste(image.convert("RGB"), (left, 0), image.convert("RGBA").getchannel("A"))
    return both


def _shown(page: Page, file: Path) -> Image.Image | None:
    kind = file.suffix.removeprefix(".").lower().replace("jpg", "jpeg")
    source = f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
    answer = page.evaluate(_SHOW, source)
    if answer is None:
        return None
    width, height, pixels = answer
    return Image.frombytes("RGBA", (width, height), base64.b64decode(pixels))


def _decoded(file: Path) -> tuple[Image.Image | None, str]:
    from chalicelib import images

    try:
        with file.open("rb") as content:
            return images.decoded(content, (100_000,), 50_000_000).image, ""
    except images.Rejected as rejected:
        return None, str(rejected)


def _made(folder: Path) -> Iterator[tuple[str, Path]]:
    picture = folder / "picture.png"
    _picture().save(picture)
    opaque = folder / "opaque.png"
    _picture().convert("RGB").save(opaque)
    into = {name: folder / name for name in ("sharp", "pyvips", "ImageMagick", "avifenc", "by hand")}
    for each in into.values():
        each.mkdir()
    script = Path(__file__).with_suffix(".mjs")
    _try(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "sharp"])
    _try(["node", str(script), str(folder), str(picture), str(into["sharp"])])
    _try([sys.executable, "-m", "pip", "install", "--target", str(folder / "packages"), "pyvips[binary]"])
    _try([sys.executable, "-c", _PYVIPS, str(picture), str(into["pyvips"])], PYTHONPATH=str(folder / "packages"))
    convert = next(
        (found for found in ("/usr/bin/convert", shutil.which("magick")) if found and Path(found).exists()), "convert"
    )
    for name, options in _IMAGEMAGICK.items():
        words = options.split()
        coder = words.pop() if words and words[-1].endswith(":") else ""
        _try([convert, str(picture), *words, f"{coder}{into['ImageMagick'] / name}"])
    for name, arguments in _AVIFENC.items():
        _try(
            [
                "avifenc",
                "-s",
                "9",
                "--min",
                "0",
                "--max",
                "4",
                *arguments,
                str(opaque),
                str(into["avifenc"] / f"{name}.avif"),
            ]
        )
    sys.path.insert(0, str(ROOT / "tests" / "blog-app"))
    image_corpus: Any = import_module("image_corpus")

    for name, content in image_corpus.odd().items():
        (into["by hand"] / name).write_bytes(content)
    for maker, made in into.items():
        for file in sorted(made.iterdir()):
            yield maker, file


def _try(command: list[str], **environment: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | environment)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"not made by {command[0]}: {Path(command[-1]).name}: {error}", file=sys.stderr)


def _picture() -> Image.Image:
    """Draw what decoders differ in: gradients of each colour, thin lines, text-like edges, and every transparency."""
    image = Image.new("RGBA", (96, 64), "white")
    for x in range(96):
        for y in range(64):
            image.putpixel((x, y), (x * 255 // 95, y * 255 // 63, (x + y) * 255 // 158, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 8, 30, 24), "red")
    draw.rectangle((34, 8, 56, 24), (0, 90, 255, 255))
    draw.line((0, 63, 95, 0), "black", 2)
    draw.ellipse((60, 30, 90, 60), (40, 200, 40, 255))
    alpha = Image.new("L", image.size, 255)
    for x in range(48):
        for y in range(40, 64):
            alpha.putpixel((x, y), x * 255 // 47)
    image.putalpha(alpha)
    return image


if __name__ == "__main__":
    run(sys.argv[1:])
