"""The faults of a game day: each alarm of the templates has one, and a fault is mended whatever happens."""

from __future__ import annotations

from typing import Any

import pytest

from deploy import stacks
from deploy.apps import ROOT
from sandbox.gameday.__main__ import summary
from sandbox.gameday.day import STEPS, Played, play
from sandbox.gameday.faults import FAULTS, Fault

STACKS = {
    f"{file.parent.name} {file.stem}".removesuffix(" merge"): file
    for name in ("merge", "delivery", "resources", "edge")
    for file in ROOT.glob(f"*/{name}.yaml")
} | {"updates": ROOT / "updates" / "after.yaml"}

NOT_PLAYED = {("pipeline-app", "BatchesFailed")}
"""A run that always fails gets to the queue of failures after five times half an hour, and the pollers back off."""


def test_each_alarm_has_a_fault() -> None:
    alarms = {
        (stack, logical_id)
        for stack, file in STACKS.items()
        for logical_id, resource in (stacks.read(file.read_text()).get("Resources") or {}).items()
        if resource.get("Type") == "AWS::CloudWatch::Alarm"
    }

    assert {alarm for fault in FAULTS for alarm in fault.alarms} | NOT_PLAYED == alarms


class PlayedStage:
    """A stage whose alarm is raised *after* so many steps of a fault, and cleared after as many without it."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._steps = 0
        self.fault = False
        self.redriven = 0

    def resource(self, stack: str, logical_id: str) -> str:
        return f"{stack}-{logical_id}-1"

    def turn(self, seconds: int) -> None:
        self._steps = min(self._steps + 1, self._after) if self.fault else max(self._steps - 1, 0)

    def raised(self) -> set[str]:
        alarms = {"app-Late-1"} if self._steps == self._after else set()
        return alarms | {"another"}

    def redrive(self, app: str) -> None:
        self.redriven += 1


def fault(**changed: Any) -> Fault:
    actions = {
        "cause": lambda stage: setattr(stage, "fault", True),
        "provoke": lambda stage: None,
        "mend": lambda stage: setattr(stage, "fault", False),
    }
    return Fault("it is late", (("app", "Late"),), **(actions | changed))


def test_an_alarm_is_raised_by_the_fault_and_cleared_after_it_is_mended() -> None:
    stage: Any = PlayedStage(after=3)

    assert list(play(stage, fault(step=300, redrive="app"))) == [Played("it is late", "app Late", 900, 300)]
    assert stage.redriven == 1


def test_an_alarm_that_is_not_raised_is_said_so() -> None:
    stage: Any = PlayedStage(after=STEPS + 1)

    (played,) = play(stage, fault())

    assert (played.raised, played.passed) == (None, False)
    assert summary([played], set(), {}) == "not raised or not cleared: app Late"


def test_a_fault_is_mended_when_provoking_it_fails() -> None:
    def provoke(stage: object) -> None:
        raise OSError("refused")

    stage: Any = PlayedStage(after=1)

    with pytest.raises(OSError, match="refused"):
        list(play(stage, fault(provoke=provoke)))

    assert not stage.fault


def test_what_a_game_day_leaves_behind_is_said() -> None:
    played = [Played("it is late", "app Late", 60, 60)]

    assert summary(played, set(), {}) is None
    assert summary(played, {"x"}, {"app-local-failed": 2}) == (
        "raised without a fault: x; failed messages are left: app-local-failed 2"
    )
