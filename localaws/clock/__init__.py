"""The clock of localaws, which tests can turn: an offset to the clock of the machine.

Every process of one AWS shares the offset, which is a file of eight bytes: the emulator, the data planes and Lambda's
execution environments. `install` adds it to what the functions of `time` and `datetime` return there, so no other code
changes. A sleep ends early if the clock is turned past its end. A client of localaws keeps its own clock.

This module imports only the standard library, because it also runs in the execution environments of functions.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import mmap
import os
import struct
import time
from pathlib import Path
from typing import Any

VARIABLE = "LOCALAWS_CLOCK"
"""The environment variable with the path of the file."""

NAP = 0.25
"""Seconds after which a sleep looks whether the clock was turned."""

_real_time, _real_time_ns, _real_sleep = time.time, time.time_ns, time.sleep
_real_monotonic, _real_monotonic_ns = time.monotonic, time.monotonic_ns
_real_gmtime, _real_localtime = time.gmtime, time.localtime
_real_strftime = time.strftime
_real_now, _real_utcnow = datetime.datetime.__dict__["now"], datetime.datetime.__dict__["utcnow"]

_shared: memoryview[Any] = memoryview(bytearray(8)).cast("d")
"""The offset in seconds; 0 in a process without `install`."""


def real_time() -> float:
    """Return the time of the machine, epoch seconds."""
    return _real_time()


def offset() -> float:
    """Return by how many seconds the clock was turned forward."""
    return float(_shared[0])


def turn(seconds: float) -> None:
    """Turn the clock forward for all processes. Raises ValueError for a negative number: time does not run back."""
    if not 0 <= seconds < float("inf"):
        raise ValueError("a clock can only be turned forward")
    _shared[0] += seconds


def create(file: Path) -> None:
    """Make the file of a clock that was not turned, if there is none."""
    if not file.exists():
        file.write_bytes(struct.pack("d", 0))


def install(file: str | None = None) -> None:
    """Let this process use the clock in *file*, by default that of the variable. Do nothing if there is none."""
    global _shared
    path = file or os.environ.get(VARIABLE)
    if not path:
        return
    with open(path, "r+b") as opened:
        _shared = memoryview(mmap.mmap(opened.fileno(), 8)).cast("d")
    replaced = (_time, _time_ns, _sleep, _monotonic, _monotonic_ns, _gmtime, _localtime, _strftime)
    for function in replaced:
        # Unlike a function, a static method does not become a method of a class that keeps it, as logging does.
        setattr(time, function.__name__.removeprefix("_"), staticmethod(function))
    _replace(datetime.datetime, "now", _now)
    _replace(datetime.datetime, "utcnow", _utcnow)
    _replace(datetime.date, "today", _today)


def _time() -> float:
    return _real_time() + _shared[0]  # type: ignore[no-any-return]


def _time_ns() -> int:
    return _real_time_ns() + int(_shared[0] * 1e9)


def _monotonic() -> float:
    return _real_monotonic() + _shared[0]  # type: ignore[no-any-return]


def _monotonic_ns() -> int:
    return _real_monotonic_ns() + int(_shared[0] * 1e9)


def _gmtime(seconds: float | None = None) -> time.struct_time:
    return _real_gmtime(_time() if seconds is None else seconds)


def _localtime(seconds: float | None = None) -> time.struct_time:
    return _real_localtime(_time() if seconds is None else seconds)


def _strftime(form: str, moment: Any = None) -> str:
    return _real_strftime(form, _localtime() if moment is None else moment)


def _now(cls: Any, tz: datetime.tzinfo | None = None) -> Any:
    now = _real_now.__get__(None, cls)(tz)
    return now + datetime.timedelta(seconds=_shared[0]) if _shared[0] else now


def _utcnow(cls: Any) -> Any:
    now = _real_utcnow.__get__(None, cls)()
    return now + datetime.timedelta(seconds=_shared[0]) if _shared[0] else now


def _today(cls: Any) -> Any:
    return cls.fromtimestamp(_time())


def _sleep(seconds: float) -> None:
    end = _monotonic() + seconds
    while seconds > NAP:
        _real_sleep(NAP)
        seconds = end - _monotonic()
    if seconds > 0:
        _real_sleep(seconds)


def _replace(cls: type, name: str, function: Any) -> None:
    """Replace a class method of a class of the C library, which keeps its identity: other code checks for it."""
    (methods,) = gc.get_referents(cls.__dict__)
    methods[name] = classmethod(function)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))
