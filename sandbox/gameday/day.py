"""A game day: plays rounds of faults, and says when each alarm was raised and cleared."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from sandbox.gameday.faults import STEP, Fault, Round
from sandbox.gameday.stage import Stage

STEPS = 150
"""Steps of the clock in which the alarms of a round must be raised and cleared."""


WITHOUT_ALARM = "faults-without-an-alarm"
"""The section of docs/runbooks.md about faults that raise no alarm."""


@dataclass(frozen=True)
class Played:
    """What became of an alarm: seconds of the stage's clock until it was *raised* and *cleared*, None for never."""

    fault: str
    alarm: str
    raised: int | None
    cleared: int | None
    runbook: str
    remedy: str

    @property
    def passed(self) -> bool:
        return None not in (self.raised, self.cleared)


@dataclass(frozen=True)
class Result:
    """What became of the alarms of a round, which *others* were raised, and how often each alarm notified somebody."""

    alarms: list[Played]
    others: set[str]
    notified: dict[str, int]


class _Playing:
    """A fault that is played: provoked until all its alarms are raised, then mended until they are cleared."""

    def __init__(self, stage: Stage, fault: Fault) -> None:
        self._stage, self._fault, self.name = stage, fault, fault.name
        self.alarms = {stage.resource(*alarm): " ".join(alarm) for alarm in fault.alarms}
        self._shown = self.alarms | ({fault.sign.name: f"none: {fault.sign.name}"} if fault.sign else {})
        """What shows the fault, and how the report calls it."""
        self._raised: dict[str, int] = {}
        self._cleared: dict[str, int] = {}
        self._before = self._notified()
        self._provoked = False
        self._mended: int | None = None
        """After how many seconds, or None while it goes on."""

    @property
    def is_over(self) -> bool:
        return self._cleared.keys() == self._shown.keys()

    def act(self) -> None:
        """Do what users and devices, or else the operator, do in a step of the clock."""
        if self._mended is None:
            if not (self._fault.once and self._provoked):
                self._fault.provoke(self._stage)
            self._provoked = True
            return
        if self._fault.redrive and not self.is_over:
            self._stage.redrive(self._fault.redrive)
        self._fault.afterwards(self._stage)

    def look(self, raised: set[str], seconds: int) -> None:
        """Take note of the alarms that are *raised* after *seconds*; mend the fault once all its own are."""
        sign = self._fault.sign
        seen = raised | {sign.name} if sign and sign.is_seen(self._stage) else raised
        if self._mended is not None:
            cleared = self._shown.keys() - seen
            self._cleared = dict.fromkeys(cleared, seconds - self._mended) | self._cleared
            return
        self._raised = dict.fromkeys(self._shown.keys() & seen, seconds) | self._raised
        if self._raised.keys() == self._shown.keys():
            self._mended = seconds
            self._fault.mend(self._stage)

    def stop(self) -> None:
        """Mend a fault whose alarms were not raised."""
        if self._mended is None:
            self._fault.mend(self._stage)

    def notified(self) -> dict[str, int]:
        """Return by alarm how often it has notified somebody."""
        counts = self._notified().items()
        return {f"{self.alarms[alarm]} by {self.name}": count - self._before[alarm] for alarm, count in counts}

    def _notified(self) -> dict[str, int]:
        return self._stage.notified(self.alarms) if self.alarms else {}

    def played(self) -> list[Played]:
        return [
            Played(
                self._fault.name,
                alarm,
                self._raised.get(name),
                self._cleared.get(name),
                self._stage.runbook(name) if name in self.alarms else WITHOUT_ALARM,
                self._fault.remedy,
            )
            for name, alarm in self._shown.items()
        ]


def play(stage: Stage, round_: Round) -> Result:
    """Play the faults of a round side by side. Every fault is mended in any case."""
    playing = [_Playing(stage, fault) for fault in round_.faults]
    others = stage.raised()
    with ExitStack() as mending:
        for each, fault in zip(playing, round_.faults, strict=True):
            mending.callback(each.stop)
            fault.cause(stage)
        for step in range(1, STEPS + 1):
            if not (going := [each for each in playing if not each.is_over]):
                break
            for each in playing:
                each.act()
            if round_.step > STEP:
                stage.turn(round_.step - 2 * STEP)
                stage.turn(STEP)
            stage.turn(STEP)
            raised = stage.raised()
            others |= raised.difference(*(each.alarms for each in playing))
            for each in going:
                each.look(raised, step * round_.step)
    alarms = [played for each in playing for played in each.played()]
    return Result(alarms, others, {alarm: count for each in playing for alarm, count in each.notified().items()})
