"""Profiles for code points, compared with the tables and formulas of the standards."""

from __future__ import annotations

import math
import struct

import pytest

from chalicelib import colour_profiles
from chalicelib.colour_profiles import of_code_points

# ITU-T H.273, table 2: x and y of green, blue, red and white. https://www.itu.int/rec/T-REC-H.273
PRIMARIES = """
     1  0.300 0.600  0.150 0.060  0.640 0.330  0.3127 0.3290
     4  0.21  0.71   0.14  0.08   0.67  0.33   0.310  0.316
     5  0.29  0.60   0.15  0.06   0.64  0.33   0.3127 0.3290
     6  0.310 0.595  0.155 0.070  0.630 0.340  0.3127 0.3290
     7  0.310 0.595  0.155 0.070  0.630 0.340  0.3127 0.3290
     8  0.243 0.692  0.145 0.049  0.681 0.319  0.310  0.316
     9  0.170 0.797  0.131 0.046  0.708 0.292  0.3127 0.3290
    10  0     1      0     0      1     0      0.3333 0.3333
    11  0.265 0.690  0.150 0.060  0.680 0.320  0.314  0.351
    12  0.265 0.690  0.150 0.060  0.680 0.320  0.3127 0.3290
    22  0.295 0.605  0.155 0.077  0.630 0.340  0.3127 0.3290
"""


def pq(signal: float) -> float:
    """Return cd/m2 by ITU-R BT.2100, table 4."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    return 10_000 * float((max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def hlg(signal: float) -> float:
    """Return cd/m2 by ITU-R BT.2100, table 5, of a display of 1000 cd/m2."""
    a = 0.17883277
    b = 1 - 4 * a
    c = 0.5 - a * math.log(4 * a)
    scene = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - c) / a) + b) / 12
    return 1000 * float(scene**1.2)


def test_the_primaries_are_those_of_h_273() -> None:
    rows = [line.split() for line in PRIMARIES.strip().splitlines()]
    wanted = {int(code): [(float(x), float(y)) for x, y in zip(xy[::2], xy[1::2], strict=True)] for code, *xy in rows}

    assert wanted.keys() == colour_profiles._PRIMARIES.keys()
    for code, (green, blue, red, white) in wanted.items():
        known = colour_profiles._PRIMARIES[code]
        assert (known.red, known.green, known.blue) == (red, green, blue), code
        assert known.white == pytest.approx(white, abs=1e-4), code


@pytest.mark.parametrize(
    ("transfer", "signal", "light"),
    [
        *((transfer, 0.5, 0.5**2.4) for transfer in (1, 6, 14, 15)),
        *[(4, 0.5, 0.5**2.2), (5, 0.5, 0.5**2.8), (8, 0.5, 0.5)],
        *[(7, 0.09, 0.0225), (7, 0.0912, 0.0227853), (7, 0.5, 0.265036), (7, 1, 1)],
        *[(13, 0.04, 0.003096), (13, 0.04045, 0.0031308), (13, 0.5, 0.214041), (13, 1, 1)],
        *[(17, 0.5, 0.179955), (17, 1, 1)],
    ],
)
def test_the_curves_are_those_of_h_273(transfer: int, signal: float, light: float) -> None:
    assert colour_profiles._CURVES[transfer](signal) == pytest.approx(light, rel=1e-4)


@pytest.mark.parametrize("signal", [0, 0.05, 0.1, 0.25, 0.4, 0.5, 0.51, 0.58, 0.65, 0.75, 0.8, 0.95, 1])
def test_the_curves_of_bt_2100_are_compressed_for_a_screen(signal: float) -> None:
    for transfer, formula in ((16, pq), (18, hlg)):
        assert colour_profiles._CURVES[transfer](signal) == pytest.approx(
            colour_profiles._tone(formula(signal)), rel=1e-4, abs=1e-9
        )


@pytest.mark.parametrize(
    ("nits", "light"),
    [
        *[(0, 0), (101.5, 0.25), (203, 0.5), (251.5, 0.5825), (300, 0.665), (375, 0.7205), (450, 0.776)],
        *[(725, 0.888), (1000, 1), (5000, 1), (10_000, 1), (20_000, 1)],
    ],
)
def test_highlights_are_compressed_between_measured_points(nits: float, light: float) -> None:
    """203 cd/m2 are the white of diffuse objects: ITU-R BT.2408."""
    assert colour_profiles._tone(nits) == pytest.approx(light)


def tags(profile: bytes) -> dict[bytes, bytes]:
    """Return the tags of a profile (ICC.1:2022, 7.3)."""
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(count)]
    return {name: profile[offset : offset + size] for name, offset, size in entries}


@pytest.mark.parametrize(
    ("primaries", "columns"),
    [
        (1, [(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]),
        (12, [(0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841)]),
    ],
)
def test_the_columns_are_those_of_the_profiles_of_srgb_and_display_p3(
    primaries: int, columns: list[tuple[float, ...]]
) -> None:
    """https://www.color.org/chardata/rgb/srgb.xalter and https://www.color.org/chardata/rgb/DisplayP3.xalter"""
    profile = of_code_points(primaries, 8)
    assert profile is not None
    found = tags(profile)

    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        assert found[name][:8] == b"XYZ \0\0\0\0"
        assert [number / 65536 for number in struct.unpack(">3i", found[name][8:])] == pytest.approx(column, abs=2e-4)
    assert [n / 65536 for n in struct.unpack(">3i", found[b"wtpt"][8:])] == pytest.approx((0.9642, 1, 0.8249), abs=2e-5)


def test_a_profile_is_as_the_icc_defines_it() -> None:
    profile = of_code_points(12, 8)
    assert profile is not None
    found = tags(profile)

    assert struct.unpack_from(">I", profile)[0] == len(profile)
    assert profile[8:12] == b"\x04\x40\0\0", "version 4.4"
    assert profile[12:24] == b"mntrRGB XYZ "
    assert profile[36:40] == b"acsp"
    assert profile[68:80] == found[b"wtpt"][8:], "the illuminant is D50"
    name = struct.unpack(">4sIIIHHII4s", found[b"desc"])
    assert name == (b"mluc", 0, 1, 12, 0x656E, 0x5553, 2, 28, b"\0x\0\0"), "one record: x, in English of the US"
    assert found[b"cprt"] == found[b"desc"]
    count, *samples = struct.unpack(">I1024H", found[b"rTRC"][8:])
    assert count == len(samples) == 1024
    assert (samples[0], samples[-1]) == (0, 65535)
    assert samples == [round(65535 * index / 1023) for index in range(1024)], "linear light"
