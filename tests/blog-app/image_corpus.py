"""Generated image files: every format, mode and orientation, and harmful files."""

from __future__ import annotations

import io
import struct
import zlib
from random import Random
from typing import Any

from PIL import Image, ImageChops, ImageCms, ImageDraw, PngImagePlugin

type Colour = tuple[int, int, int]

RED, GREEN, BLUE, YELLOW = (220, 40, 40), (40, 180, 60), (40, 60, 220), (230, 210, 50)
CORNERS = (RED, GREEN, BLUE, YELLOW)
"""Colours of the quarters: top left, top right, bottom left, bottom right."""

ORIENTATION = 0x0112
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline JPEG": ("JPEG", {}),
    "progressive JPEG": ("JPEG", {"progressive": True}),
    "two-picture JPEG": ("MPO", {"save_all": True, "append_images": [Image.new("RGB", (8, 8))]}),
    "PNG": ("PNG", {}),
    "lossy WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "GIF": ("GIF", {}),
    "plain TIFF": ("TIFF", {}),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "JPEG TIFF": ("TIFF", {"compression": "jpeg"}),
    "deflated TIFF": ("TIFF", {"compression": "tiff_deflate"}),
    "big TIFF": ("TIFF", {"big_tiff": True}),
    "BMP": ("BMP", {}),
    "AVIF": ("AVIF", {"speed": 10}),
}
"""The options of Pillow for each supported format."""


def file(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def quarters(width: int, height: int) -> Image.Image:
    """An image of four colours."""
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for index, colour in enumerate(CORNERS):
        left, top = index % 2 * (width // 2), index // 2 * (height // 2)
        draw.rectangle((left, top, left + width, top + height), colour)
    return image


def grainy(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """An image that compresses as badly as a photo."""
    tile = Image.frombytes("RGB", (64, 64), Random(1).randbytes(64 * 64 * 3)).resize((512, 512)).convert(mode)
    image = Image.new(mode, (width, height))
    for left in range(0, width, 512):
        for top in range(0, height, 512):
            image.paste(tile, (left, top))
    return image


def oriented(image: Image.Image, orientation: int, kind: str) -> bytes:
    """Return *image* as a file that *orientation*, in its EXIF, makes upright."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = image.transpose(_STORED[orientation]) if orientation in _STORED else image
    return file(stored, kind, exif=exif, **({"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}))


def modes() -> dict[str, bytes]:
    """A file of each mode. Each shows RED, or the grey 128 in a mode without colour."""
    red, grey = Image.new("RGB", (400, 300), RED), Image.new("L", (400, 300), 128)
    palette = red.convert("P", palette=Image.Palette.ADAPTIVE)
    cmyk = file(red.convert("CMYK"), "JPEG", quality=95)
    return {
        "grey JPEG": file(grey, "JPEG"),
        "CMYK JPEG": cmyk,
        "YCCK JPEG": _ycck(red),
        "4:4:4 JPEG": file(red, "JPEG", subsampling=0),
        "RGB JPEG": file(red, "JPEG", keep_rgb=True),
        "CMYK TIFF": file(red.convert("CMYK"), "TIFF"),
        "YCbCr TIFF": file(red.convert("YCbCr"), "TIFF"),
        "LAB TIFF": file(_lab(red), "TIFF"),
        "16-bit grey PNG": file(Image.new("I;16", (400, 300), 128 * 257), "PNG"),
        "16-bit grey TIFF": file(Image.new("I;16", (400, 300), 128 * 257), "TIFF"),
        "16-bit big-endian grey TIFF": file(Image.new("I;16B", (400, 300), 128 * 257), "TIFF"),
        "16-bit colour PNG": _png(400, 300, 16, 2, b"".join(struct.pack(">H", value * 257) for value in RED)),
        "16-bit colour and alpha PNG": _png(
            400, 300, 16, 6, b"".join(struct.pack(">H", value * 257) for value in (*RED, 255))
        ),
        "1-bit PNG": file(Image.new("1", (400, 300), 1), "PNG"),
        "1-bit fax TIFF": file(Image.new("1", (400, 300), 1), "TIFF", compression="group4"),
        "palette PNG": file(palette, "PNG"),
        "palette BMP": file(palette, "BMP"),
        "palette GIF": file(palette, "GIF"),
        "grey and alpha PNG": file(grey.convert("LA"), "PNG"),
        "RGBA TIFF": file(red.convert("RGBA"), "TIFF"),
        "1x1 PNG": file(red.resize((1, 1)), "PNG"),
        "1x1 JPEG": file(red.resize((1, 1)), "JPEG"),
    }


def half_transparent() -> dict[str, bytes]:
    """Files with a RED left half and a transparent right half."""
    image = Image.new("RGBA", (400, 300), (*RED, 255))
    image.paste((0, 0, 0, 0), (200, 0, 400, 300))
    palette = Image.new("P", (400, 300), 0)
    palette.putpalette([*RED, 0, 0, 0])
    palette.paste(1, (200, 0, 400, 300))
    keyed = Image.new("RGB", (400, 300), RED)
    keyed.paste((1, 2, 3), (200, 0, 400, 300))
    return {
        "RGBA PNG": file(image, "PNG"),
        "RGBA WebP": file(image, "WEBP", lossless=True),
        "RGBA TIFF": file(image, "TIFF"),
        "RGBA AVIF": file(image, "AVIF", speed=10),
        "palette PNG with a transparent index": file(palette, "PNG", transparency=1),
        "palette PNG with alpha of each index": file(palette, "PNG", transparency=b"\xff\0"),
        "RGB PNG with a transparent colour": file(keyed, "PNG", transparency=(1, 2, 3)),
        "GIF": file(palette, "GIF", transparency=1),
    }


def animation(kind: str, frames: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """An animation of which only the first frame is RED."""
    others = [Image.new("RGB", size, (0, index * 70 % 256, index * 90 % 256)) for index in range(1, frames)]
    return file(Image.new("RGB", size, RED), kind, save_all=True, append_images=others, duration=40)


def with_metadata(kind: str, profile: bytes = b"") -> bytes:
    """A file with every kind of metadata that its format supports, each with the word SECRET."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    exif.get_ifd(0x8825)[29] = "SECRET:GPS"
    options: dict[str, Any] = {"exif": exif, "icc_profile": profile}
    if kind in ("JPEG", "WEBP"):
        options["xmp"] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>"
    if kind == "JPEG":
        options["comment"] = b"SECRET comment"
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "SECRET comment")
        options["pnginfo"] = text
    return file(quarters(400, 300), kind, **options)


def swapped_profile() -> bytes:
    """A valid profile in which red and green are swapped."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def unsupported() -> dict[str, bytes]:
    """Images in unsupported formats."""
    image = quarters(64, 64)
    written = {kind: file(image, kind) for kind in ("JPEG2000", "ICO", "ICNS", "PPM", "DDS", "QOI", "EPS")}
    return written | {
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "SVG with a prologue": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<!DOCTYPE svg>\n<svg/>',
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
        "JPEG XL": b"\xff\x0a" + bytes(64),
        "Photoshop": b"8BPS\0\1" + bytes(64),
        "numbers as TIFF": file(Image.new("F", (8, 8), 0.5), "TIFF"),
        "32-bit TIFF": file(Image.new("I", (8, 8), 70_000), "TIFF"),
    }


def not_images() -> dict[str, bytes]:
    """Files that are not images."""
    return {
        "nothing": b"",
        "one byte": b"\xff",
        "zeros": bytes(1000),
        "text": b"BMW is a maker of cars, and II a number",
        "HTML": b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>",
        "HTML with a drawing": b"<html><body><svg></svg></body></html>",
        "zip": b"PK\x03\x04" + bytes(100),
        "video": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(64),
    }


def bombs() -> dict[str, bytes]:
    """Small files that decode to 400 million pixels or more."""
    line = zlib.compress(bytes(2501 * 20_000), 9)
    side = 20_000
    frame = struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\2\2\x44\1\0"
    return {
        "PNG": _chunks(side, side, 1, 0, line),
        "GIF": b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + b"," + frame + b";",
        "GIF with a large frame": b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + b"," + frame + b";",
        "BMP": b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0),
        "JPEG": _resize_jpeg(file(grainy(64, 64), "JPEG"), side),
        "WebP": _resize_webp(file(grainy(64, 64), "WEBP"), 16_383),
        "TIFF": file(Image.new("1", (side, side)), "TIFF", compression="group4"),
    }


def many_scans(scans: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A progressive JPEG whose last scan is repeated many times."""
    content = file(grainy(*size), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * (scans - 10) + b"\xff\xd9"


def _lab(image: Image.Image) -> Image.Image:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.buildTransform(srgb, lab, "RGB", "LAB").apply(image)


def _ycck(image: Image.Image) -> bytes:
    """Convert a CMYK JPEG to YCCK, as Adobe's programs write it, with the marker for it."""
    inks = ImageChops.invert(image).convert("YCbCr").split()
    planes = [ImageChops.invert(plane) for plane in inks]  # Pillow inverts them back
    content = bytearray(file(Image.merge("CMYK", [*planes, Image.new("L", image.size)]), "JPEG", quality=100))
    content[content.index(b"Adobe") + 11] = 2
    return bytes(content)


def _png(width: int, height: int, depth: int, colour: int, pixel: bytes) -> bytes:
    return _chunks(width, height, depth, colour, zlib.compress((b"\0" + pixel * width) * height))


def _chunks(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _resize_jpeg(content: bytes, side: int) -> bytes:
    frame = content.index(b"\xff\xc0") + 5
    return content[:frame] + struct.pack(">HH", side, side) + content[frame + 4 :]


def _resize_webp(content: bytes, side: int) -> bytes:
    frame = content.index(b"\x9d\x01\x2a") + 3
    return content[:frame] + struct.pack("<HH", side, side) + content[frame + 4 :]
