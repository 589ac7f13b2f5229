"""A game day: plays faults one after the other, and says when each alarm was raised and cleared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.gameday.faults import Fault
from sandbox.gameday.stage import Stage

STEPS = 150
"""Steps of the clock in which an alarm must be raised, and cleared."""


@dataclass(frozen=True)
class Played:
    """What became of an alarm: seconds of the stage's clock until it was *raised* and *cleared*, None for never."""

    fault: str
    alarm: str
    raised: int | None
    cleared: int | None

    @property
    def passed(self) -> bool:
        return None not in (self.raised, self.cleared)


def play(stage: Stage, fault: Fault) -> Iterator[Played]:
    """Cause the fault, wait for its alarms, mend it, and wait until they are cleared. Mend it in any case."""
    alarms = {stage.resource(*alarm): " ".join(alarm) for alarm in fault.alarms}
    fault.cause(stage)
    try:
        raised = _wait(stage, fault, set(alarms), lambda: set(alarms) & stage.raised(), fault.provoke)
    finally:
        fault.mend(stage)
    cleared = _wait(stage, fault, set(raised), lambda: set(raised) - stage.raised(), _recover(fault))
    for physical, alarm in alarms.items():
        yield Played(fault.name, alarm, raised.get(physical), cleared.get(physical))


def _recover(fault: Fault) -> Callable[[Stage], object]:
    """Return what the operator does in each step until the alarms are cleared."""
    app = fault.redrive
    return (lambda stage: stage.redrive(app)) if app else (lambda stage: None)


def _wait(
    stage: Stage, fault: Fault, wanted: set[str], found: Callable[[], set[str]], provoke: Callable[[Stage], object]
) -> dict[str, int]:
    """Turn the clock step by step until all *wanted* alarms are *found*; return after how many seconds each was."""
    after: dict[str, int] = {}
    for step in range(1, STEPS + 1):
        if wanted <= after.keys():
            break
        provoke(stage)
        stage.turn(fault.step)
        after = dict.fromkeys(found(), step * fault.step) | after
    return after
