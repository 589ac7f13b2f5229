"""Units of measurement: converts values to the one unit of each kind that reports use. Imports no AWS and no HTTP."""

from __future__ import annotations

from typing import NamedTuple


class _Scale(NamedTuple):
    """Add *shift*, then multiply by *factor*, to get a value in *unit*."""

    unit: str
    factor: float
    shift: float = 0.0


# Factors are exact or from NIST SP 811, appendix B: https://www.nist.gov/pml/special-publication-811
_SCALES = {
    "C": _Scale("C", 1),
    "F": _Scale("C", 5 / 9, -32),
    "K": _Scale("C", 1, -273.15),
    "Pa": _Scale("Pa", 1),
    "hPa": _Scale("Pa", 100),
    "mbar": _Scale("Pa", 100),
    "kPa": _Scale("Pa", 1_000),
    "bar": _Scale("Pa", 100_000),
    "atm": _Scale("Pa", 101_325),
    "psi": _Scale("Pa", 6_894.757),
    "mmHg": _Scale("Pa", 133.3224),
    "%": _Scale("%", 1),
    "ratio": _Scale("%", 100),
    "mm/s": _Scale("mm/s", 1),
    "m/s": _Scale("mm/s", 1_000),
    "in/s": _Scale("mm/s", 25.4),
    "V": _Scale("V", 1),
    "mV": _Scale("V", 0.001),
    "A": _Scale("A", 1),
    "mA": _Scale("A", 0.001),
    "W": _Scale("W", 1),
    "kW": _Scale("W", 1_000),
}
_SPELLINGS = {
    "°C": "C",
    "degC": "C",
    "celsius": "C",
    "°F": "F",
    "degF": "F",
    "fahrenheit": "F",
    "kelvin": "K",
    "percent": "%",
}
_SCALES |= {spelling: _SCALES[unit] for spelling, unit in _SPELLINGS.items()}


def normalised(value: float, unit: str) -> tuple[float, str]:
    """Return *value* in the stored unit of its kind, and that unit. An unknown unit stays as it is."""
    scale = _SCALES.get(unit)
    if scale is None:
        return value, unit
    unit, factor, shift = scale
    return (value + shift) * factor, unit
