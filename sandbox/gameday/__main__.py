"""`make gameday`: play the faults of a game day in a sandbox of its own; FAULT="cleansing fails" plays one."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from localaws import processes
from localaws.ports import find_free_port
from sandbox.__main__ import down, up
from sandbox.ports import ROOT, port_variables
from sandbox.settings import Settings

if TYPE_CHECKING:
    from sandbox.gameday.day import Played, Result
    from sandbox.gameday.faults import Round

FOLDER = ROOT / ".gameday"
"""The folder of the sandbox, and of the report."""
_REPORT = FOLDER / "report.md"
_HEAD = "| fault | alarm | raised after | cleared after | runbook | what ended it |\n|---|---|--:|--:|---|---|"


def main() -> str | None:
    """Start the sandbox, play, write the report and stop the sandbox. Return what went wrong, in a line, or None."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.gameday", description=__doc__)
    parser.add_argument("--fault", help="the name of a fault: play only this one")
    arguments = parser.parse_args()
    os.environ.update(_environment())
    settings = Settings.from_environment()
    from sandbox.gameday.faults import ROUNDS

    rounds = chosen(ROUNDS, arguments.fault)
    if not rounds:
        names = ", ".join(fault.name for each in ROUNDS for fault in each.faults)
        return f"There is no fault {arguments.fault!r}. The faults: {names}."
    processes.stop(settings.folder)  # one that was killed
    try:
        if failed := up(settings):
            return failed
        running = settings.running()
        assert running
        os.environ.update(running.environment)
        return _play(running, rounds)
    finally:
        down(settings)


def _environment() -> dict[str, str]:
    """Return the settings of a sandbox whose devices are quiet, on free ports, and which retries soon."""
    own = {"SANDBOX_DIR": str(FOLDER), "SANDBOX_STAGE": "gameday", "DEVICES": "0", "RELOAD": "0", "RETRY_DELAY": "0.2"}
    return own | {variable: str(find_free_port()) for variable, _ in port_variables().values()}


def chosen(rounds: Sequence[Round], fault: str | None) -> list[Round]:
    """Return the rounds that have the fault, with only that one; all rounds for None."""
    if fault is None:
        return list(rounds)
    found = ([each for each in round_.faults if each.name == fault] for round_ in rounds)
    return [replace(round_, faults=tuple(faults)) for round_, faults in zip(rounds, found, strict=True) if faults]


def _play(settings: Settings, rounds: Iterable[Round]) -> str | None:
    from deploy.account import target  # only here: boto3 reads the environment
    from sandbox.gameday.day import play
    from sandbox.gameday.stage import Stage

    began, stage = time.monotonic(), Stage(settings.outputs() or {})
    results: list[Result] = []
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
        problems = summary(results, stage.raised(), stage.failed())
        minutes = (time.monotonic() - began) / 60
        count = sum(len(each.alarms) for each in results)
        say(f"\n{count} alarms in {minutes:.1f} minutes: {problems or 'each by its fault'}.")
    return problems


def row(played: Played) -> str:
    """Return the line of an alarm in the report."""
    times = f"{_shown(played.raised)} | {_shown(played.cleared)}"
    return f"| {played.fault} | {played.alarm} | {times} | {played.runbook} | {played.remedy} |"


def summary(results: Sequence[Result], raised: set[str], failed: Mapping[str, int]) -> str | None:
    """Return what went wrong, in a line, or None. *raised* and *failed* are left at the end."""
    missed = [played.alarm for each in results for played in each.alarms if not played.passed]
    others = raised.union(*(each.others for each in results))
    notified = {fault: count for each in results for fault, count in each.notified.items() if count != 1}
    problems = {
        "not raised or not cleared": ", ".join(missed),
        "raised without a fault": ", ".join(sorted(others)),
        "notifications that are not one": ", ".join(f"{fault} {count}" for fault, count in notified.items()),
        "failed messages are left": ", ".join(f"{queue} {count}" for queue, count in failed.items()),
    }
    return "; ".join(f"{problem}: {found}" for problem, found in problems.items() if found) or None


def _shown(seconds: int | None) -> str:
    return "never" if seconds is None else f"{seconds:,} s"


if __name__ == "__main__":
    sys.exit(main())
