"""Date and time patterns of Java, for example ``yyyy-MM-dd'T'HH``.

https://docs.oracle.com/javase/8/docs/api/java/time/format/DateTimeFormatter.html
"""

from __future__ import annotations

import re

_LETTERS = {
    "yyyy": "%Y", "YYYY": "%G", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "dd": "%d", "d": "%-d",
    "DDD": "%j", "ww": "%V", "e": "%u", "EEEE": "%A", "EEE": "%a", "E": "%a", "HH": "%H", "H": "%-H", "hh": "%I",
    "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "a": "%p", "Z": "%z", "ZZ": "%z",
    "z": "%Z",
}  # fmt: skip
_PARTS = re.compile(r"('[^']*'|yyyy|YYYY|yy|M+|d+|D+|w+|e|E+|H+|h+|m+|s+|S+|a|Z+|z)")
_UNITS = (("s", "seconds"), ("m", "minutes"), ("H", "hours"), ("d", "days"), ("M", "months"))


def strftime(pattern: str) -> str:
    """Return the pattern as a strftime format of DuckDB. Python uses the same format, except for milliseconds (%g)."""
    parts = _PARTS.split(pattern)
    return "".join(p[1:-1] if p.startswith("'") else _LETTERS.get(p, p.replace("%", "%%")) for p in parts)


def smallest_unit(pattern: str) -> str:
    """Return the smallest unit in the pattern, for example ``days``."""
    shown = re.sub("'[^']*'", "", pattern)
    return next((unit for letter, unit in _UNITS if letter in shown), "years")
