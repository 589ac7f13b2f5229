"""Generated image files: every format, mode and orientation, and harmful files."""

from __future__ import annotations

import functools
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
        "BMP of 64 bits": b"BM" + struct.pack("<IHHIIiiHHI", 99, 0, 0, 54, 40, 8, 8, 1, 64, 0).ljust(600, b"\0"),
        "BMP with a JPEG": b"BM" + struct.pack("<IHHIIiiHHI", 99, 0, 0, 54, 40, 8, 8, 1, 0, 4).ljust(600, b"\0"),
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


@functools.cache
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


def odd() -> dict[str, bytes]:
    """Files that are unusual or damaged, by a name that ends in the usual extension."""
    picture, jpeg = quarters(96, 64), file(quarters(96, 64), "JPEG", quality=95, subsampling=0)
    progressive = file(grainy(96, 64), "JPEG", quality=95, progressive=True)
    big = zlib.compress(bytes(2 * 1024 * 1024))
    p3 = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    primaries = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    gamma = struct.pack(">I", 100_000)
    frames = animation("GIF", 201)
    gif, webp, bmp = file(picture, "GIF"), file(picture, "WEBP", lossless=True), file(picture, "BMP")
    return {
        "profile of 2 MiB.png": png(picture, [(b"iCCP", b"x\0\0" + zlib.compress(p3 + bytes(2 * 1024 * 1024)))]),
        "iTXt of 2 MiB.png": png(picture, [(b"iTXt", b"x\0\1\0\0\0" + big)]),
        "zTXt of 2 MiB.png": png(picture, [(b"zTXt", b"x\0\0" + big)]),
        "broken profile.png": png(picture, [(b"iCCP", b"x\0\0rubbish")]),
        "profile of unknown compression.png": png(picture, [(b"iCCP", b"x\0\7rubbish")]),
        **{
            f"wrong checksum of {name.decode()}.png": png(picture, [(b"tEXt", b"a\0b"), (b"gAMA", gamma)], damaged=name)
            for name in (b"tEXt", b"gAMA", b"IHDR", b"IDAT", b"IEND")
        },
        "wrong checksum of PLTE.png": png(picture.quantize(4), [], damaged=b"PLTE"),
        "unknown necessary chunk.png": png(picture, [(b"ABCD", b"x")]),
        "short gAMA, cHRM and tRNS.png": png(picture, [(b"gAMA", b""), (b"cHRM", b"1"), (b"tRNS", b"1")]),
        "frames out of order.png": png(picture, [(b"acTL", bytes(8)), (b"fcTL", b"\0\0\0\7" + bytes(22))]),
        "no end.png": png(picture, [])[:-12],
        "half an end.png": png(picture, [])[:-6],
        "no checksum of the pixels.png": png(picture, [])[:-16],
        "rubbish after the end.png": png(picture, []) + b"rubbish",
        "half.png": file(grainy(96, 64), "PNG")[:6000],
        "gamma 1.png": png(picture, [(b"gAMA", gamma)]),
        "gamma 1 of grey.png": png(picture.convert("L"), [(b"gAMA", gamma)]),
        "gamma 1 of a palette.png": png(picture.quantize(4), [(b"gAMA", gamma)]),
        "gamma 0.png": png(picture, [(b"gAMA", bytes(4))]),
        "P3's primaries.png": png(picture, [(b"cHRM", primaries)]),
        "P3's primaries and gamma 1.png": png(picture, [(b"gAMA", gamma), (b"cHRM", primaries)]),
        "impossible primaries.png": png(picture, [(b"cHRM", bytes(32)), (b"gAMA", gamma)]),
        "sRGB and gamma 1.png": png(picture, [(b"sRGB", b"\0"), (b"gAMA", gamma)]),
        "profile and gamma 1.png": png(
            picture, [(b"iCCP", b"x\0\0" + zlib.compress(swapped_profile())), (b"gAMA", gamma)]
        ),
        "code points of P3.png": png(picture, [(b"cICP", bytes((12, 13, 0, 1)))]),
        "code points of BT.2020.png": png(picture, [(b"cICP", bytes((9, 14, 0, 1))), (b"gAMA", gamma)]),
        "unspecified code points.png": png(picture, [(b"cICP", bytes((2, 2, 0, 1)))]),
        "grey with a profile of colours.png": file(picture.convert("L"), "PNG", icc_profile=swapped_profile()),
        "16 bits of grey, one transparent.png": _keyed(
            16, 0, struct.pack(">HH", 257 * 200, 257 * 9), struct.pack(">H", 257 * 9)
        ),
        "16 bits of colour, one transparent.png": _keyed(
            16, 2, struct.pack(">6H", *(value * 257 for value in RED), 258, 515, 772), struct.pack(">3H", 258, 515, 772)
        ),
        "1 bit, one transparent.png": _keyed(1, 0, b"\xaa", b"\0\0", 8),
        "2 bits, one transparent.png": _keyed(2, 0, b"\xb1", b"\0\1", 4),
        "4 bits, one transparent.png": _keyed(4, 0, b"\xc5", b"\0\5"),
        "no end.jpg": jpeg[:-2],
        "half an end.jpg": jpeg[:-1],
        "no last bytes.jpg": jpeg[:-30],
        "half.jpg": file(grainy(96, 64), "JPEG")[:1300],
        "no end, progressive.jpg": progressive[:-2],
        "half, progressive.jpg": progressive[: len(progressive) // 2],
        "no last scan.jpg": progressive[: progressive.rindex(b"\xff\xda")],
        "rubbish after the end.jpg": jpeg + b"rubbish" * 99,
        "rubbish before a marker.jpg": jpeg.replace(b"\xff\xdb", b"rubbish\xff\xff\xdb", 1),
        "201 frames.gif": frames,
        "no end.gif": gif[:-1],
        "no last bytes.gif": gif[:-8],
        "half.gif": file(grainy(96, 64).quantize(250), "GIF")[:3000],
        "rubbish after the end.gif": gif + b"rubbish",
        "201 frames.webp": animation("WEBP", 201),
        "rubbish after the end.webp": webp + b"rubbish!",
        "wrong size of the container.webp": webp[:4] + b"\xff\xff\0\0" + webp[8:],
        "half.webp": file(grainy(96, 64), "WEBP")[:900],
        "201 frames.avif": animation("AVIF", 201),
        "reserved bytes.bmp": bmp[:6] + b"\1\2\3\4" + bmp[10:],
        "wrong size.bmp": bmp[:2] + bytes(4) + bmp[6:],
        "4 bits of each.bmp": bitmap(16, (0xF00, 0xF0, 0xF, 0xF000)),
        "1 bit of alpha.bmp": bitmap(16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
        "2 of 3 bits.bmp": bitmap(16, (0xE0, 0x1C00, 0x7, 0)),
        "10 bits of each.bmp": bitmap(32, (0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000)),
        "masks after the header.bmp": bitmap(32, (0xFF, 0xFF00, 0xFF0000), header=40),
        "half.bmp": bmp[: len(bmp) // 2],
    }


def bitmap(bits: int, masks: tuple[int, ...], header: int = 56) -> bytes:
    """A BMP of 96 by 64 pixels of which each channel has the bits of its mask: `quarters`, or 16-bit or 32-bit."""
    rows = b""
    picture = quarters(96, 64)
    for y in reversed(range(64)):
        for x in range(96):
            red, green, blue = picture.getpixel((x, y))  # type: ignore[misc]
            pixel = sum(
                round(value * (mask // (mask & -mask)) / 255) * (mask & -mask)
                for value, mask in zip((red, green, blue, 255), masks, strict=False)
                if mask
            )
            rows += pixel.to_bytes(bits // 8, "little")
    fields = struct.pack("<IiiHHIIiiII", header, 96, 64, 1, bits, 3, len(rows), 0, 0, 0, 0)
    fields += struct.pack("<4I", *masks, *(0,) * (4 - len(masks)))
    fields = fields.ljust(header, b"\0")
    return b"BM" + struct.pack("<IHHI", 0, 1, 2, 14 + len(fields)) + fields + rows


def run_lengths(bits: int) -> bytes:
    """A BMP of RED, by run lengths of 4 or 8 bits, that has each kind of instruction and skips the last rows."""
    runs = {8: b"\x60\1", 4: b"\x60\x11"}[bits]
    literal = {8: b"\0\5" + b"\1" * 5 + b"\0", 4: b"\0\5\x11\x11\x10\0"}[bits]
    data = (runs + b"\0\0") * 60 + literal + b"\5" + runs[1:] + b"\0\2\x0a\1" + b"\0\1"
    palette = bytes(4) + bytes((*reversed(RED), 0))
    fields = struct.pack("<IiiHHIIiiII", 40, 96, 64, 1, bits, {8: 1, 4: 2}[bits], len(data), 0, 0, 2, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 40 + len(palette)) + fields + palette + data


def png(image: Image.Image, chunks: list[tuple[bytes, bytes]], damaged: bytes = b"") -> bytes:
    """Return *image* as a PNG with more *chunks* after its header, and a wrong checksum of the *damaged* chunk."""
    content, made = file(image, "PNG"), b"\x89PNG\r\n\x1a\n"
    position = 8
    while position < len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        own = [(name, content[position + 8 : position + 8 + length])]
        for each, data in own + (chunks if name == b"IHDR" else []):
            checksum = zlib.crc32(each + data) ^ (each == damaged)
            made += struct.pack(">I", len(data)) + each + data + struct.pack(">I", checksum)
        position += 12 + length
    return made


def _keyed(depth: int, colour: int, pixels: bytes, key: bytes, count: int = 2) -> bytes:
    """Return a PNG of *count* repeated *pixels*, of which those with the colour *key* are transparent."""
    rows = zlib.compress((b"\0" + pixels * (96 // count)) * 64)
    content = _chunks(96, 64, depth, colour, rows)
    chunk = b"tRNS" + key
    return content[:33] + struct.pack(">I", len(key)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


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
