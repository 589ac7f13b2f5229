"""`make gameday`: play the faults of a game day in a sandbox of its own; FAULT="cleansing fails" plays one."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from deploy.account import target
from sandbox.gameday.day import WITHOUT_ALARM, Played, Result, play
from sandbox.gameday.faults import FAULTS, ROUNDS, Round
from sandbox.gameday.stage import Stage
from sandbox.own_sandbox import NotRun, OwnSandbox
from sandbox.settings import ROOT

FOLDER = ROOT / ".gameday"
"""The folder of the sandbox."""
_REPORT = ROOT / "dist" / "gameday.md"
_HEAD = "| fault | alarm | raised after | cleared after | runbook | what ended it |\n|---|---|--:|--:|---|---|"


def main() -> str | None:
    """Start the sandbox, play, write the report and stop the sandbox. Return what went wrong, in a line, or None."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.gameday", description=__doc__)
    parser.add_argument("--fault", help="the name of a fault: play only this one")
    arguments = parser.parse_args()
    rounds = chosen(ROUNDS, arguments.fault)
    if not rounds:
        return f"There is no fault {arguments.fault!r}. The faults: {', '.join(fault.name for fault in FAULTS)}."
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the sandbox is stopped, too
    sandbox = OwnSandbox(FOLDER / "sandbox", "gameday", RETRY_DELAY="0.2")
    print("The sandbox of the game day starts.", flush=True)
    try:
        with sandbox.running():
            os.environ.update(sandbox.settings.environment)
            return _play(sandbox, rounds)
    except NotRun as error:
        return str(error)


def chosen(rounds: Sequence[Round], fault: str | None) -> list[Round]:
    """Return the rounds that have the fault, with only that one; all rounds for None."""
    if fault is None:
        return list(rounds)
    found = ([each for each in round_.faults if each.name == fault] for round_ in rounds)
    return [replace(round_, faults=tuple(faults)) for round_, faults in zip(rounds, found, strict=True) if faults]


def _play(sandbox: OwnSandbox, rounds: Iterable[Round]) -> str | None:
    began, stage = time.monotonic(), Stage(sandbox.outputs)
    results: list[Result] = []
    _REPORT.parent.mkdir(exist_ok=True)
    with _REPORT.open("w") as report:

        def say(line: str) -> None:
            print(line, flush=True)
            print(line, file=report, flush=True)

        print(target(), flush=True)
        say(_HEAD)
        for each in rounds:
            results.append(play(stage, each))
            for played in results[-1].alarms:
                say(row(played))
            stage.settle()
        problems = summary(results, stage.raised(), stage.failed(), stage.readings())
        minutes = (time.monotonic() - began) / 60
        say(f"\n{figures(results)} in {minutes:.1f} minutes: {problems or 'each by its fault'}.")
    return problems


def figures(results: Sequence[Result]) -> str:
    """Return how many faults were played, how many alarms they raised, and how often they notified somebody."""
    played = [alarm for each in results for alarm in each.alarms]
    faults = len({alarm.fault for alarm in played})
    alarms = sum(alarm.runbook != WITHOUT_ALARM for alarm in played)
    return f"{faults} faults, {alarms} alarms and {sum(sum(each.notified.values()) for each in results)} notifications"


def row(played: Played) -> str:
    """Return the line of an alarm in the report."""
    times = f"{_shown(played.raised)} | {_shown(played.cleared)}"
    return f"| {played.fault} | {played.alarm} | {times} | {played.runbook} | {played.remedy} |"


def summary(
    results: Sequence[Result], raised: set[str], failed: Mapping[str, int], readings: tuple[int, int]
) -> str | None:
    """Return what went wrong, in a line, or None.

    *raised* and *failed* are left at the end. *readings* are those that were sent and those that the reports have.
    """
    missed = [played.alarm for each in results for played in each.alarms if not played.passed]
    others = raised.union(*(each.others for each in results))
    notified = {alarm: count for each in results for alarm, count in each.notified.items() if count != 1}
    problems = {
        "not raised or not cleared": ", ".join(missed),
        "raised without a fault": ", ".join(sorted(others)),
        "notifications that are not one": ", ".join(f"{alarm} {count}" for alarm, count in notified.items()),
        "readings sent and reported": "" if readings[0] == readings[1] else "{} and {}".format(*readings),
        "failed messages are left": ", ".join(f"{queue} {count}" for queue, count in failed.items()),
    }
    return "; ".join(f"{problem}: {found}" for problem, found in problems.items() if found) or None


def _shown(seconds: int | None) -> str:
    return "never" if seconds is None else f"{seconds:,} s"


if __name__ == "__main__":
    sys.exit(main())
