"""Compiled code for zips. Lambda does not keep what a function compiles, so each cold start would compile all again.

The files are those of PEP 552 that name a hash of their source. Python loads them whatever time a file has, and
compiles again if the source differs: if somebody has edited it, or runs another version of Python.
"""

from __future__ import annotations

import marshal
import warnings
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

_CHECKED_HASH = (0b11).to_bytes(4, "little")
_WITHOUT_REFERENCES = 2
"""The version of marshal whose bytes depend on the code alone. Later ones depend on what else uses an object, too."""


def compiled(files: Mapping[str, Path]) -> dict[str, bytes]:
    """Return by name the compiled files of the modules among *files*, for the Python that runs this.

    A module that Python cannot compile has none: its import fails, with the error and the line.
    """
    found = {}
    for name, file in files.items():
        if name.endswith(".py"):
            source = file.read_bytes()
            try:
                with warnings.catch_warnings(action="ignore"):
                    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
            except (SyntaxError, ValueError):
                continue
            written = marshal.dumps(code, _WITHOUT_REFERENCES)
            found[cache_from_source(name, optimization="")] = (
                MAGIC_NUMBER + _CHECKED_HASH + source_hash(source) + written
            )
    return found
