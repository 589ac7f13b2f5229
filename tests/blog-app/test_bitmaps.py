"""Bitmaps, compared with what Pillow reads of those that it can read."""

from __future__ import annotations

import io
import random
import struct

import pytest
from PIL import Image

from chalicelib import bitmaps

SIDES = [(width, height) for width in (1, 2, 3, 4, 5, 7, 8, 9, 31, 33) for height in (1, 3, -3)]


def bitmap(sides: tuple[int, int], bits: int, masks: tuple[int, ...] = (), colours: int = 0, size: int = 40) -> bytes:
    """Return a bitmap of random pixels, as BITMAPINFOHEADER (or OS/2's header of 12 bytes) describes it."""
    width, height = sides
    chance = random.Random(f"{sides} {bits}")
    pixels = chance.randbytes((width * bits + 31) // 32 * 4 * abs(height))
    entry = 3 if size == 12 else 4
    count = (colours or 2**bits) if bits <= 8 else 0
    palette = b"".join(chance.randbytes(3) + b"\0" * (entry - 3) for _ in range(count))
    offset = 14 + size + 4 * len(masks) + len(palette)
    if size == 12:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 3 if masks else 0, 0, 0, 0, colours, 0)
    file = struct.pack("<IHHI", offset + len(pixels), 0, 0, offset)
    return b"BM" + file + header + struct.pack(f"<{len(masks)}I", *masks) + palette + pixels


def shown(image: Image.Image) -> bytes:
    return image.convert("RGB").tobytes()


def by_pillow(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=["BMP"])


@pytest.mark.parametrize("bits", [1, 4, 8, 24, 32])
def test_a_bitmap_of_any_size_is_read_as_pillow_reads_it(bits: int) -> None:
    for sides in SIDES:
        content = bitmap(sides, bits)

        assert bitmaps.size(io.BytesIO(content)) == (sides[0], abs(sides[1]))
        assert shown(bitmaps.decoded(io.BytesIO(content))) == shown(by_pillow(content)), sides


@pytest.mark.parametrize("masks", [(), (0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F)])
def test_16_bits_are_read_as_pillow_reads_them(masks: tuple[int, ...]) -> None:
    for sides in SIDES:
        content = bitmap(sides, 16, masks)

        ours, pillows = shown(bitmaps.decoded(io.BytesIO(content))), shown(by_pillow(content))
        assert max(abs(a - b) for a, b in zip(ours, pillows, strict=True)) <= 4, sides  # Pillow rounds less exactly


@pytest.mark.parametrize(
    "masks", [(0xFF0000, 0xFF00, 0xFF), (0xFF000000, 0xFF0000, 0xFF00), (0xFF000000, 0xFF00, 0xFF)]
)
def test_the_masks_of_32_bits_say_where_the_colours_are(masks: tuple[int, ...]) -> None:
    content = bitmap((5, 3), 32, masks)

    assert shown(bitmaps.decoded(io.BytesIO(content))) == shown(by_pillow(content))


@pytest.mark.parametrize(("bits", "colours"), [(1, 2), (4, 5), (4, 16), (8, 1), (8, 200), (8, 256)])
def test_a_palette_may_have_fewer_colours_than_the_bits_allow(bits: int, colours: int) -> None:
    content = bitmap((1, 1), bits, colours=colours)
    palette = content[54 : 54 + 4 * colours]

    for index in (0, colours - 1):
        image = bitmaps.decoded(io.BytesIO(content[:-4] + bytes((index << 8 - bits, 0, 0, 0))))
        blue, green, red, _ = palette[4 * index : 4 * index + 4]
        assert image.convert("RGB").getpixel((0, 0)) == (red, green, blue)


def run_lengths(bits: int, width: int, height: int, chance: random.Random) -> bytes:
    """Return random instructions that draw all pixels: runs, and literal pixels, which are padded to two bytes."""
    data = b""
    for _ in range(height):
        left = width
        while left:
            count = chance.randint(1, min(left, 255))
            if count >= 3 and chance.random() < 0.5:
                literal = chance.randbytes((count * bits + 7) // 8)
                data += bytes((0, count)) + literal + b"\0" * (len(literal) % 2)
            else:
                data += bytes((count, chance.randint(0, 255)))
            left -= count
        data += b"\0\0"
    return data + b"\0\1"


@pytest.mark.parametrize("bits", [4, 8])
def test_run_lengths_are_read_as_pillow_reads_them(bits: int) -> None:
    chance = random.Random(bits)
    for width in (1, 3, 4, 6, 7, 9, 40, 300):
        data = run_lengths(bits, width, 5, chance)
        content = bytearray(bitmap((width, 5), bits))
        offset = int.from_bytes(content[10:14], "little")
        content[30:34] = {8: 1, 4: 2}[bits].to_bytes(4, "little")
        content[offset:] = data

        assert shown(bitmaps.decoded(io.BytesIO(content))) == shown(by_pillow(bytes(content))), width


@pytest.mark.parametrize("bits", [1, 4, 8, 24])
def test_a_bitmap_of_os2_is_read_as_pillow_reads_it(bits: int) -> None:
    for width in (1, 5, 8, 9):
        content = bitmap((width, 3), bits, size=12)

        assert shown(bitmaps.decoded(io.BytesIO(content))) == shown(by_pillow(content)), width


@pytest.mark.parametrize(
    ("bits", "compression", "size"),
    [(5, 0, 40), (8, 2, 40), (4, 1, 40), (8, 3, 40), (24, 3, 40), (16, 3, 64), (8, 4, 40)],
)
def test_other_forms_of_pixels_are_unsupported(bits: int, compression: int, size: int) -> None:
    header = struct.pack("<IiiHHIIiiII", size, 1, 1, 1, bits, compression, 0, 0, 0, 0, 0)

    with pytest.raises(bitmaps.Unsupported, match=f"{bits} bits with compression {compression}"):
        bitmaps.size(io.BytesIO(b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + header))


@pytest.mark.parametrize("sides", [(0, 1), (-1, 1), (1, 0)])
def test_a_bitmap_without_pixels_is_invalid(sides: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{sides[0]} by {sides[1]} pixels"):
        bitmaps.size(io.BytesIO(bitmap((1, 1), 24)[:18] + struct.pack("<ii", *sides) + bitmap((1, 1), 24)[26:]))


@pytest.mark.parametrize(("kind", "is_embedded"), [(b"DEBM", True), (b"KNIL", False), (b"BGRs", False)])
def test_an_embedded_profile_is_read(kind: bytes, is_embedded: bool) -> None:
    """The kinds are PROFILE_EMBEDDED, PROFILE_LINKED, which names a file, and LCS_sRGB."""
    plain, profile = bitmap((5, 3), 24), random.Random("profile").randbytes(300)
    header, pixels = plain[18:54], plain[54:]
    header += b"\0" * 16 + kind + b"\0" * 52 + struct.pack("<II", 124 + len(pixels), len(profile)) + b"\0" * 4
    file = plain[:10] + struct.pack("<II", 14 + 124, 124)

    image = bitmaps.decoded(io.BytesIO(file + header + pixels + profile + b"more"))

    assert image.info.get("icc_profile") == (profile if is_embedded else None)
    assert shown(image) == shown(by_pillow(plain))


def test_pixels_that_run_lengths_leave_out_are_black() -> None:
    content = bytearray(bitmap((4, 1), 8))
    offset = int.from_bytes(content[10:14], "little")
    content[30:34] = (1).to_bytes(4, "little")
    content[54:62] = b"\x00\x00\xff\x00\x00\xff\x00\x00"  # red and green
    content[offset:] = b"\1\1\0\2\1\0\1\0\0\1"  # a green pixel, a step, a red one, the end

    image = bitmaps.decoded(io.BytesIO(bytes(content)))

    assert [image.convert("RGB").getpixel((x, 0)) for x in range(4)] == [(0, 255, 0), (0, 0, 0), (255, 0, 0), (0, 0, 0)]
