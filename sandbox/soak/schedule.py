"""What happens during a soak test: the faults of each half, and the restart between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox.gameday.faults import FAULTS, Fault, Resource
from sandbox.gameday.stage import Stage

HALVES = (
    ("posts are not published", "receipts are not sent", "todo-app has no concurrency", "purchases are not published"),
    (
        "cleansing fails",
        "video-app has no concurrency",
        "devices are not tracked",
        "Firehose may not write to the bucket",
    ),
)
"""The faults of a game day in the order in which they happen, before the restart and after it."""

RESTART = "restart"

_UNDER_LOAD: dict[str, tuple[Resource, ...]] = {
    "video-app has no concurrency": (("video-app", "PaymentsUnheard"),),
}
"""By fault the alarms that it raises only here, because in a game day nobody pays meanwhile."""


@dataclass(frozen=True)
class Span:
    """What happened from *began* to *ended*, in seconds since 1970."""

    name: str
    began: float
    ended: float


def faults(names: Sequence[str]) -> list[Fault]:
    """Return the faults of these names, in this order."""
    by_name = {fault.name: fault for fault in FAULTS}
    return [by_name[name] for name in names]


def alarms(stage: Stage, name: str) -> set[str]:
    """Return the names of the alarms that what happens under this name raises."""
    listed = [alarm for fault in FAULTS if fault.name == name for alarm in fault.alarms]
    return {stage.resource(*alarm) for alarm in (*listed, *_UNDER_LOAD.get(name, ()))}


def play(
    stage: Stage, seconds: float, restart: Callable[[], None], wait: Callable[[float], None] = time.sleep
) -> Iterator[Span]:
    """Let everything happen within *seconds*, not counting the restart. A fault lasts half of its part of the time."""
    first, second = HALVES
    yield from _half(stage, faults(first), seconds / 2, wait)
    with _timed() as times:
        restart()
    yield Span(RESTART, *times)
    yield from _half(stage, faults(second), seconds / 2, wait)


def _half(stage: Stage, half: Sequence[Fault], seconds: float, wait: Callable[[float], None]) -> Iterator[Span]:
    part = seconds / len(half)
    for fault in half:
        wait(part / 4)
        with _timed() as times:
            fault.cause(stage)
            try:
                wait(part / 2)
            finally:
                fault.mend(stage)
        yield Span(fault.name, *times)
        wait(part / 4)


@contextmanager
def _timed() -> Iterator[list[float]]:
    times = [time.time()]
    yield times
    times.append(time.time())
