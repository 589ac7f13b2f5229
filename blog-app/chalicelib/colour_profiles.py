"""ICC profiles for colours that an image file names by numbers. Imports no AWS and no HTTP.

A PNG may name its primaries and gamma (cHRM, gAMA), and PNG and AVIF may name code points of ITU-T H.273 (cICP, nclx).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

type Vector = tuple[float, float, float]
type Matrix = tuple[Vector, Vector, Vector]


class Primaries(NamedTuple):
    """The chromaticities x and y of white, red, green and blue, in the order of PNG's cHRM."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


type Curve = Callable[[float], float]
"""Light by signal, both from 0 to 1."""


_D65, _C, _E = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3)
_601 = Primaries(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
SRGB_PRIMARIES = Primaries(_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_PRIMARIES = {
    1: SRGB_PRIMARIES,
    4: Primaries(_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Primaries(_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: _601,
    7: _601,
    8: Primaries(_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: Primaries(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    10: Primaries(_E, (1, 0), (0, 1), (0, 0)),
    11: Primaries((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Primaries(_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Primaries(_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
"""ITU-T H.273, table 2."""


def srgb_curve(signal: float) -> float:
    return signal / 12.92 if signal <= 0.04045 else ((signal + 0.055) / 1.055) ** 2.4


def gamma_curve(gamma: float) -> Curve:
    """Return the curve of a pure power."""
    return lambda signal: signal**gamma


def _smpte_240(signal: float) -> float:
    return signal / 4 if signal < 0.0912 else ((signal + 0.1115) / 1.1115) ** (1 / 0.45)


def _pq(signal: float) -> float:
    """Return the light of ITU-R BT.2100, table 4, in the range of a screen."""
    power = signal ** (1 / 78.84375)
    light = (max(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    return _tone(light * 10_000)


def _hlg(signal: float) -> float:
    """Return the light of ITU-R BT.2100, table 5, for a display of 1000 cd/m2, in the range of a screen."""
    scene = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return _tone(1000 * scene**1.2)


_TONES = ((0, 0), (203, 0.5), (300, 0.665), (450, 0.776), (1000, 1), (10_000, 1))


def _tone(nits: float) -> float:
    """Compress the highlights as Chromium 156 does, between measured points."""
    for (low, dark), (high, bright) in pairwise(_TONES):
        if nits <= high:
            return dark + (bright - dark) * (nits - low) / (high - low)
    return 1


_CURVES: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 14, 15), gamma_curve(2.4)),
    4: gamma_curve(2.2),
    5: gamma_curve(2.8),
    7: _smpte_240,
    8: gamma_curve(1),
    13: srgb_curve,
    16: _pq,
    17: lambda signal: min(1, 52.37 / 48 * signal**2.6),
    18: _hlg,
}
"""ITU-T H.273, table 3. Those of BT.709 and its kin as its displays show them (ITU-R BT.1886)."""

_SAMPLES = 1024

_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50 = (0.9642, 1.0, 0.8249)


def of_code_points(primaries: int, transfer: int) -> bytes | None:
    """Return the profile for code points of H.273, or None for those that mean sRGB, nothing, or have no curve."""
    if primaries not in _PRIMARIES or transfer not in _CURVES or (primaries, transfer) == (1, 13):
        return None
    return of(_PRIMARIES[primaries], _CURVES[transfer])


def of(primaries: Primaries, curve: Curve) -> bytes | None:
    """Return a profile of version 4 with *primaries* and the same *curve* for each, or None if they are impossible."""
    try:
        columns = _to_d50(primaries)
    except ZeroDivisionError:
        return None
    samples = [round(65535 * min(1, curve(index / (_SAMPLES - 1)))) for index in range(_SAMPLES)]
    trc = b"curv\0\0\0\0" + struct.pack(f">I{_SAMPLES}H", _SAMPLES, *samples)
    name = b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, 2, 28) + b"\0x\0\0"
    tags = {
        b"desc": name,
        b"cprt": name,
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*_D50),
        **{
            tag: b"XYZ \0\0\0\0" + _fixed(*column)
            for tag, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
        },
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc),
    }
    table, data = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        table += struct.pack(">4sII", tag, 132 + 12 * len(tags) + len(data), len(content))
        data += content
    kind = b"\0\0\0\0\x04\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + _fixed(*_D50) + bytes(48)
    return struct.pack(">I", 4 + len(kind) + len(table) + len(data)) + kind + table + data


def _to_d50(primaries: Primaries) -> Matrix:
    """Return the XYZ of each primary, adapted to the white of ICC by Bradford's method (ICC.1:2022, annex E)."""
    white, *columns = [(x, y, 1 - x - y) for x, y in primaries]
    target = _applied(_BRADFORD, _D50)
    source = _applied(_BRADFORD, _divided(white, white[1]))
    shares = _applied(_inverse(_columns(*columns)), _divided(white, white[1]))
    adapted = []
    for column, share in zip(columns, shares, strict=True):
        cone = _applied(_BRADFORD, tuple(value * share for value in column))
        scaled = tuple(value * to / given for value, to, given in zip(cone, target, source, strict=True))
        adapted.append(_applied(_inverse(_BRADFORD), scaled))
    return adapted[0], adapted[1], adapted[2]


def _divided(vector: Vector, by: float) -> Vector:
    return vector[0] / by, vector[1] / by, vector[2] / by


def _applied(matrix: Matrix, vector: tuple[float, ...]) -> Vector:
    x, y, z = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return x, y, z


def _columns(a: Vector, b: Vector, c: Vector) -> Matrix:
    return (a[0], b[0], c[0]), (a[1], b[1], c[1]), (a[2], b[2], c[2])


def _inverse(matrix: Matrix) -> Matrix:
    a, b, c = matrix
    across = _cross(b, c), _cross(c, a), _cross(a, b)
    determinant = sum(x * y for x, y in zip(a, across[0], strict=True))
    return _columns(*(_divided(vector, determinant) for vector in across))


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", max(-(2**31), min(2**31 - 1, round(value * 65536)))) for value in values)
