"""The faults of a game day: each alarm of the templates has one, and a fault is mended whatever happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deploy import stacks
from deploy.apps import ROOT
from sandbox.gameday.__main__ import chosen, figures, row, summary
from sandbox.gameday.day import STEPS, WITHOUT_ALARM, Played, Result, play
from sandbox.gameday.faults import ROUNDS, Fault, Round, Sign

STACKS = {
    f"{file.parent.name} {file.stem}".removesuffix(" merge"): file
    for name in ("merge", "delivery", "resources", "edge")
    for file in ROOT.glob(f"*/{name}.yaml")
} | {"updates": ROOT / "updates" / "after.yaml"}


def test_each_alarm_has_a_fault() -> None:
    alarms = {
        (stack, logical_id)
        for stack, file in STACKS.items()
        for logical_id, resource in (stacks.read(file.read_text()).get("Resources") or {}).items()
        if resource.get("Type") in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    }

    assert {alarm for each in ROUNDS for fault in each.faults for alarm in fault.alarms} == alarms


@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_the_faults_of_a_round_are_of_different_apps_so_that_an_alarm_has_one_cause(number: int) -> None:
    apps = [app for fault in ROUNDS[number].faults for app in fault.apps]

    assert len(apps) == len(set(apps))


class PlayedStage:
    """A stage on which the fault of an app raises its alarm *after* so many steps, and as many without it clear it."""

    def __init__(self, after: dict[str, int]) -> None:
        self._after = after
        self._steps = dict.fromkeys(after, 0)
        self._late: set[str] = set()
        self.faults: set[str] = set()
        self.others: set[str] = set()
        self.redriven = 0
        self.raises: list[str] = []
        self.turned: list[int] = []

    def resource(self, stack: str, logical_id: str) -> str:
        return f"{stack}-{logical_id}"

    def runbook(self, alarm: str) -> str:
        return "late-reports"

    def turn(self, seconds: int) -> None:
        self.turned.append(seconds)

    def raised(self) -> set[str]:
        for app, after in self._after.items():
            change = 1 if app in self.faults else -1
            self._steps[app] = min(max(self._steps[app] + change, 0), after)
            if self._steps[app] == after and app not in self._late:
                self._late.add(app)
                self.raises.append(f"{app}-Late")
            elif self._steps[app] == 0:
                self._late.discard(app)
        return self.others | {f"{app}-Late" for app in self._late}

    def notified(self, alarms: set[str]) -> dict[str, int]:
        return {alarm: self.raises.count(alarm) for alarm in alarms}

    def redrive(self, app: str) -> None:
        self.redriven += 1


def fault(app: str = "a", **changed: Any) -> Fault:
    actions = {"cause": lambda stage: stage.faults.add(app), "mend": lambda stage: stage.faults.discard(app)}
    return Fault(f"{app} is late", ((app, "Late"),), "release", **(actions | changed))


def played(app: str = "a", raised: int | None = 60, cleared: int | None = 60) -> Played:
    return Played(f"{app} is late", f"{app} Late", raised, cleared, "late-reports", "release")


def result(**changed: Any) -> Result:
    return Result(**({"alarms": [played()], "others": set(), "notified": {"a Late by a is late": 1}} | changed))


def test_alarms_are_raised_by_their_faults_side_by_side_and_cleared_after_they_are_mended() -> None:
    stage: Any = PlayedStage({"a": 3, "b": 1})

    found = play(stage, Round(300, (fault("a", redrive="a"), fault("b"))))

    alarms = [played("a", raised=900, cleared=900), played("b", raised=300, cleared=300)]
    assert found == result(alarms=alarms, notified={"a Late by a is late": 1, "b Late by b is late": 1})
    assert stage.redriven == 3
    assert stage.turned == [200, 50, 50] * 6
    assert summary([found], stage.raised(), {}, (1, 1)) is None


def test_a_fault_without_an_alarm_is_played_by_what_a_user_notices_of_it() -> None:
    stage: Any = PlayedStage({"a": 3})
    refused = Sign("links are refused", lambda _: "a" in stage.faults)

    found = play(stage, Round(50, (replace(fault(), alarms=(), sign=refused),)))

    assert found.alarms == [Played("a is late", "none: links are refused", 50, 50, WITHOUT_ALARM, "release")]
    assert not found.notified
    assert summary([found], set(), {}, (1, 1)) is None
    assert figures([found, result()]) == "1 faults, 1 alarms and 1 notifications"


def test_an_alarm_that_is_not_raised_is_said_so_and_its_fault_is_mended() -> None:
    stage: Any = PlayedStage({"a": STEPS + 1})

    found = play(stage, Round(60, (fault(),)))

    assert found.alarms == [played(raised=None, cleared=None)]
    assert str(summary([found], set(), {}, (1, 1))).startswith("not raised or not cleared: a Late")
    assert not stage.faults


def test_an_alarm_that_is_raised_without_its_fault_is_said_so() -> None:
    stage: Any = PlayedStage({"a": 1})

    found = play(stage, Round(60, (fault(provoke=lambda stage: stage.others.add("b-Late")),)))

    assert summary([found], set(), {}, (1, 1)) == "raised without a fault: b-Late"


def test_an_alarm_that_notifies_twice_is_said_so() -> None:
    stage: Any = PlayedStage({"a": 1})

    found = play(stage, Round(60, (fault(provoke=lambda stage: stage.raises.append("a-Late")),)))

    assert summary([found], set(), {}, (1, 1)) == "notifications that are not one: a Late by a is late 2"


def test_a_fault_may_be_provoked_once() -> None:
    stage: Any = PlayedStage({"a": 3})
    steps: list[str] = []

    for once in (True, False):
        play(stage, Round(50, (fault(provoke=lambda stage: steps.append("step"), once=once),)))

    assert len(steps) == 1 + 3


def test_what_is_done_afterwards_is_done_until_the_round_is_over() -> None:
    stage: Any = PlayedStage({"a": 1, "b": 3})
    steps: list[str] = []

    play(stage, Round(50, (fault("a", afterwards=lambda stage: steps.append("step")), fault("b"))))

    assert len(steps) == 6 - 1


def test_a_fault_is_mended_when_provoking_it_fails() -> None:
    def provoke(stage: object) -> None:
        raise OSError("refused")

    stage: Any = PlayedStage({"a": 1})

    with pytest.raises(OSError, match="refused"):
        play(stage, Round(60, (fault(provoke=provoke),)))

    assert not stage.faults


def test_one_fault_can_be_played_alone() -> None:
    rounds = [Round(60, (fault("a"), fault("b"))), Round(300, (fault("c"),))]

    assert [each.faults[0].name for each in chosen(rounds, "b is late")] == ["b is late"]
    assert chosen(rounds, None) == rounds
    assert chosen(rounds, "d is late") == []


def test_the_report_says_when_an_alarm_was_raised_and_cleared_and_what_ended_it() -> None:
    assert row(played(raised=3_600)) == "| a is late | a Late | 3,600 s | 60 s | late-reports | release |"
    assert row(played(raised=None, cleared=None)).count("never") == 2


def test_what_a_game_day_leaves_behind_is_said() -> None:
    assert summary([result()], set(), {}, (1, 1)) is None
    assert summary([result(notified={"a is late": 2})], {"x"}, {"app-local-failed": 2}, (5, 4)) == (
        "raised without a fault: x; notifications that are not one: a is late 2; readings sent and reported: 5 and 4; "
        "failed messages are left: app-local-failed 2"
    )
