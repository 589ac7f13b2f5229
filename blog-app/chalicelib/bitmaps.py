"""BMP files as images. Imports no AWS and no HTTP.

Browsers show more kinds of them than Pillow reads: any layout of the bits of a pixel, the headers of OS/2, run lengths
that end early, and colour profiles.
https://learn.microsoft.com/en-us/windows/win32/gdi/bitmap-storage, http://www.fileformat.info/format/os2bmp/egff.htm
"""

from __future__ import annotations

import struct
from typing import IO, NamedTuple

from PIL import Image, ImageMath

_RGB, _RLE8, _RLE4, _BITFIELDS, _ALPHA_BITFIELDS = 0, 1, 2, 3, 6
_PALETTE_MODES = {1: "P;1", 2: "P;2", 4: "P;4", 8: "P"}
_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
_OS2 = (12, 16, 64)
"""Sizes of the headers of OS/2, which give the numbers of compressions other meanings."""


class _Header(NamedTuple):
    """The fields of the headers: sides in pixels, the bytes of the header and of a colour, and where the pixels are."""

    size: int
    width: int
    height: int
    bits: int
    compression: int
    colours: int
    entry: int
    pixels: int

    @property
    def sides(self) -> tuple[int, int]:
        return self.width, abs(self.height)


class Unsupported(ValueError):
    """A bitmap whose pixels are in a form that nothing shows, for example those of a fax."""


def size(file: IO[bytes]) -> tuple[int, int]:
    """Return width and height in pixels. Raises ValueError and struct.error for what is not a valid header."""
    return _header(file).sides


def decoded(file: IO[bytes]) -> Image.Image:
    """Return the image, with ``icc_profile`` in its info. Raises ValueError, IndexError and struct.error if pixels
    are missing."""
    header = _header(file)
    file.seek(header.pixels)
    image = _runs(file.read(), header) if header.compression in (_RLE8, _RLE4) else _rows(file, header)
    if header.bits <= 8:
        image.putpalette(*_palette(file, header))
        if skipped := image.info.pop("skipped", None):
            image = image.convert("RGB")
            image.paste("black", mask=skipped)
    if header.size == 124 and (profile := _profile(file)):
        image.info["icc_profile"] = profile
    return image


def _header(file: IO[bytes]) -> _Header:
    file.seek(0)
    head = file.read(14 + 40).ljust(54, b"\0")
    pixels, size = struct.unpack_from("<II", head, 10)
    width, height, _, bits = struct.unpack_from("<HHHH" if size == 12 else "<iiHH", head, 18)
    compression = colours = 0
    if size >= 40:
        (compression,), (colours,) = struct.unpack_from("<I", head, 30), struct.unpack_from("<I", head, 46)
    masked = compression in (_BITFIELDS, _ALPHA_BITFIELDS) and bits in (16, 32) and size not in _OS2
    runs = compression == {4: _RLE4, 8: _RLE8}.get(bits)
    plain = compression == _RGB and bits in (1, 2, 4, 8, 16, 24, 32)
    if width <= 0 or height == 0:
        raise ValueError(f"a bitmap of {width} by {height} pixels")
    if not (masked or runs or plain):
        raise Unsupported(f"a bitmap of {bits} bits with compression {compression}")
    return _Header(size, width, height, bits, compression, colours, 3 if size == 12 else 4, pixels)


def _rows(file: IO[bytes], header: _Header) -> Image.Image:
    stride = (header.width * header.bits + 31) // 32 * 4
    data = file.read(stride * abs(header.height))
    layout = (stride, 1 if header.height < 0 else -1)
    if header.bits in _PALETTE_MODES:
        return Image.frombytes("P", header.sides, data, "raw", _PALETTE_MODES[header.bits], *layout)
    if header.bits == 24:
        return Image.frombytes("RGB", header.sides, data, "raw", "BGR", *layout)
    masks = _masks(file, header)
    if masks == _MASKS[32]:
        return Image.frombytes("RGB", header.sides, data, "raw", "BGRX", *layout)
    if header.bits == 16:
        pixels = Image.frombytes("I;16", header.sides, data, "raw", "I;16", *layout).convert("I")
    else:
        pixels = Image.frombytes("I", header.sides, data, "raw", "I;32", *layout)
    *colours, alpha = (_channel(pixels, mask) for mask in masks)
    if alpha.getextrema() == (0, 0):  # written by programs that mean no transparency
        return Image.merge("RGB", colours)
    return Image.merge("RGBA", (*colours, alpha))


def _masks(file: IO[bytes], header: _Header) -> tuple[int, ...]:
    if header.compression == _RGB:
        return _MASKS[header.bits]
    file.seek(14 + 40)
    masks = struct.unpack("<4I", file.read(16))
    return masks if header.size >= 56 or header.compression == _ALPHA_BITFIELDS else (*masks[:3], 0)


def _channel(pixels: Image.Image, mask: int) -> Image.Image:
    """Return the bits of *mask*, scaled to 8 bits."""
    if not mask:
        return Image.new("L", pixels.size)
    shift = (mask & -mask).bit_length() - 1
    shift += max(0, (mask >> shift).bit_length() - 8)
    largest = mask >> shift
    scaled: Image.Image = ImageMath.lambda_eval(
        lambda names: (((names["pixels"] >> shift) & largest) * 255 + largest // 2) / largest, pixels=pixels
    )
    return scaled.convert("L")


def _runs(data: bytes, header: _Header) -> Image.Image:
    """Decode run lengths. The pixels that they leave out are black, as in Chromium."""
    width, height = header.sides
    indices, drawn = bytearray(width * height), bytearray(width * height)
    x = y = at = 0
    while y < height:
        count, value = data[at], data[at + 1]
        at += 2
        if count == 0 and value == 0:
            x, y = 0, y + 1
        elif count == 0 and value == 1:
            break
        elif count == 0 and value == 2:
            x, y = x + data[at], y + data[at + 1]
            at += 2
        else:
            if count:
                run = _nibbles(value) * (count // 2 + 1) if header.bits == 4 else bytes([value]) * count
            else:
                count = value
                length = (count + 1) // 2 if header.bits == 4 else count
                run = data[at : at + length]
                at += length + length % 2
                if header.bits == 4:
                    run = b"".join(map(_nibbles, run))
            start, count = y * width + x, max(0, min(count, width - x))
            indices[start : start + count] = run[:count]
            drawn[start : start + count] = b"\xff" * len(run[:count])
            x += count
    up = 1 if header.height < 0 else -1
    image = Image.frombytes("P", header.sides, bytes(indices), "raw", "P", 0, up)
    if 0 in drawn:
        image.info["skipped"] = Image.frombytes("L", header.sides, bytes(drawn), "raw", "L;I", 0, up)
    return image


def _nibbles(byte: int) -> bytes:
    return bytes((byte >> 4, byte & 15))


def _palette(file: IO[bytes], header: _Header) -> tuple[bytes, str]:
    file.seek(14 + header.size)
    palette = file.read(min(header.colours or 256, 2**header.bits) * header.entry)
    return palette[: len(palette) // header.entry * header.entry], "BGRX" if header.entry == 4 else "BGR"


def _profile(file: IO[bytes]) -> bytes | None:
    """Return the embedded profile (BITMAPV5HEADER: bV5CSType is PROFILE_EMBEDDED)."""
    file.seek(14)
    fields = file.read(124).ljust(124, b"\0")
    offset, length = struct.unpack_from("<II", fields, 112)
    if fields[56:60] != b"DEBM":  # 'MBED', little-endian
        return None
    file.seek(14 + offset)
    return file.read(min(length, 4 * 1024 * 1024))
