"""Image files of strangers, as decoders need them. Imports no AWS and no HTTP.

Browsers show an image although parts of its file are damaged that no pixel comes from. So a decoder gets only the
other parts, and the colours come from what browsers read.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, NamedTuple

from chalicelib import colour_profiles
from chalicelib.colour_profiles import SRGB_PRIMARIES, Primaries, gamma_curve

MAX_PIXELS = 8192 * 8192
"""Photos of phones with 50 megapixels have 8192 by 6144, those with 64 have 9248 by 6936."""

_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II\*\0|MM\0\*|II\+\0|MM\0\+",
    "BMP": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "AVIF": rb"....ftyp(.{4}){0,20}?avi[fs]",
}
_OTHERS = (
    rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)"  # HEIF
    rb"|(\xef\xbb\xbf)?\s*(?=<\?xml|<!--|<!DOCTYPE svg|<svg).*?<svg"  # SVG, which may have a long prologue
    rb"|\0\0\0\x0c(jP  |JXL )|\xff\x0a|\xff\x4f\xff\x51"  # JPEG 2000 and XL
    rb"|8BPS|\0\0[\1\2]\0|icns|P[1-7]\s|DDS |qoif|%!PS|\xc5\xd0\xd3\xc6"  # PSD, ICO, ICNS, PNM, DDS, QOI, EPS
)
_HEAD = 1024
"""Number of bytes that are searched for a signature."""

_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf")
_PNG_COLOURS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
_SRGB_GAMMA = 45_455
"""The gamma with which a PNG says that its colours are those of sRGB (PNG, third edition, 11.3.2.5)."""

_MAX_PROFILE = 16 * 1024 * 1024
"""Bytes of an inflated colour profile. The largest of printing presses have about 4 MB."""


class ImageFile(NamedTuple):
    """The parts of a file that its pixels come from, and the ICC profile that the decoder would not find.

    *scans* is the number of scans of a JPEG or more, since a thumbnail or an appended video may contain the same bytes.
    """

    content: IO[bytes]
    profile: bytes | None = None
    scans: int = 0


def kind(file: IO[bytes]) -> str | None:
    """Return Pillow's name of the format, from the first bytes alone, not from the file's name or media type.

    Return ``""`` for an image in another format, and None for a file that is not an image.
    """
    file.seek(0)
    head = file.read(_HEAD)
    for name, signature in _SIGNATURES.items():
        if re.match(signature, head, re.DOTALL):
            return name
    return "" if re.match(_OTHERS, head, re.DOTALL | re.IGNORECASE) else None


def readable(file: IO[bytes], kind: str) -> ImageFile:
    """Return what a decoder needs of *file*, which is of *kind*."""
    file.seek(0)
    if kind == "PNG":
        return _png(file)
    if kind == "JPEG":
        return _jpeg(file)
    if kind == "AVIF":
        return ImageFile(file, _avif_profile(file))
    return ImageFile(file)


def _jpeg(file: IO[bytes]) -> ImageFile:
    """Add the end marker if it is missing after the last scan."""
    content = file.read()
    file.seek(0)
    scans = len(re.findall(rb"\xff\xda", content))  # faster than bytes.count
    end = content.rfind(b"\xff\xd9")
    if end >= 0 and content.find(b"\xff\xda", end) < 0:
        return ImageFile(file, scans=scans)
    return ImageFile(io.BytesIO(content.removesuffix(b"\xff") + b"\xff\xd9"), scans=scans)


def _png(file: IO[bytes]) -> ImageFile:
    """Leave out texts, frames and unknown chunks, and write the checksums anew, since browsers do not need them."""
    cleaned = io.BytesIO()
    colours: dict[bytes, bytes] = {}
    cleaned.write(file.read(8))
    depth = colour = 0
    for name, content, checksum in _chunks(file):
        if name in _PNG_COLOURS:
            if checksum == zlib.crc32(content, zlib.crc32(name)):
                colours.setdefault(name, content)
            continue
        if name == b"IHDR":
            depth, colour = content[8:10].ljust(2, b"\0")
        elif name == b"tRNS" and not (content := _transparent(content, depth, colour)):
            continue
        checksum = zlib.crc32(content, zlib.crc32(name))
        cleaned.write(struct.pack(">I4s", len(content), name) + content + struct.pack(">I", checksum))
    cleaned.seek(0)
    return ImageFile(cleaned, _png_profile(colours))


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield name, content and checksum of the chunks that pixels and colours come from. The last may be cut."""
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            return
        if name in _PNG_PIXELS or name in _PNG_COLOURS:
            yield name, file.read(length), int.from_bytes(file.read(4))
        else:
            file.seek(length + 4, io.SEEK_CUR)


def _transparent(content: bytes, depth: int, colour: int) -> bytes:
    """Return the transparent colour as Pillow compares it: scaled as it scales pixels of few or of 16 bits.

    Return nothing if the colour is too short.
    """
    if colour == 0 and depth in (2, 4) and len(content) >= 2:
        return struct.pack(">H", (content[1] & (2**depth - 1)) * (85 if depth == 2 else 17))
    if colour == 2 and depth == 16 and len(content) >= 6:
        return b"".join(bytes((0, high)) for high in content[:6:2])
    return content if len(content) >= {0: 2, 2: 6}.get(colour, 0) else b""


def _png_profile(colours: dict[bytes, bytes]) -> bytes | None:
    """Return the profile by the first of these chunks (PNG, third edition, 4.3, table 1)."""
    if len(code_points := colours.get(b"cICP", b"")) >= 2:
        return colour_profiles.of_code_points(code_points[0], code_points[1])
    if b"iCCP" in colours:
        with suppress(zlib.error):
            packed = colours[b"iCCP"].partition(b"\0")[2][1:]
            return zlib.decompressobj().decompress(packed, _MAX_PROFILE)
    gamma = int.from_bytes(colours.get(b"gAMA", b"")[:4])
    if b"sRGB" in colours or not gamma:
        return None
    curve = gamma_curve(100_000 / gamma)
    if len(chromaticities := colours.get(b"cHRM", b"")) < 32:
        return None if gamma == _SRGB_GAMMA else colour_profiles.of(SRGB_PRIMARIES, curve)
    numbers = [value / 100_000 for value in struct.unpack(">8I", chromaticities[:32])]
    return colour_profiles.of(Primaries(*zip(numbers[::2], numbers[1::2], strict=True)), curve)


def _avif_profile(file: IO[bytes]) -> bytes | None:
    """Return the profile for the code points in the colour box (ISO/IEC 14496-12, 12.1.5), which precedes the pixels.

    As in browsers, the curve of BT.709 and its kin means that of sRGB: most encoders write it without thought.
    """
    found = re.search(rb"colrnclx(.{4})", file.read(65_536), re.DOTALL)
    file.seek(0)
    if not found:
        return None
    primaries, transfer = struct.unpack(">HH", found[1])
    return colour_profiles.of_code_points(primaries, 13 if transfer in (1, 6, 14, 15) else transfer)
