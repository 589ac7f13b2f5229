"""Units of measurement: converts values to the one unit of each kind that reports use. Imports no AWS and no HTTP."""

from __future__ import annotations


def _scale(unit: str, factor: float, shift: float = 0.0) -> tuple[str, float, float]:
    """Add *shift*, then multiply by *factor*, to get a value in *unit*."""
    return unit, factor, shift


# Factors are exact or from NIST SP 811, appendix B: https://www.nist.gov/pml/special-publication-811
_SCALES = {
    "C": _scale("C", 1),
    "F": _scale("C", 5 / 9, -32),
    "K": _scale("C", 1, -273.15),
    "Pa": _scale("Pa", 1),
    "hPa": _scale("Pa", 100),
    "mbar": _scale("Pa", 100),
    "kPa": _scale("Pa", 1_000),
    "bar": _scale("Pa", 100_000),
    "atm": _scale("Pa", 101_325),
    "psi": _scale("Pa", 6_894.757),
    "mmHg": _scale("Pa", 133.3224),
    "%": _scale("%", 1),
    "ratio": _scale("%", 100),
    "mm/s": _scale("mm/s", 1),
    "m/s": _scale("mm/s", 1_000),
    "in/s": _scale("mm/s", 25.4),
    "V": _scale("V", 1),
    "mV": _scale("V", 0.001),
    "A": _scale("A", 1),
    "mA": _scale("A", 0.001),
    "W": _scale("W", 1),
    "kW": _scale("W", 1_000),
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
