"""`make gameday`: play the faults of a game day in the running sandbox; FAULT="cleansing fails" plays one of them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sandbox.settings import Settings

if TYPE_CHECKING:
    from sandbox.gameday.day import Played

_NOT_RUNNING = "The sandbox of this folder is not running. Start it with `make up`."


def main() -> str | None:
    """Print a line for each alarm as it is cleared. Return an error message if one was not raised or not cleared."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.gameday", description=__doc__)
    parser.add_argument("--fault", help="the name of a fault: play only this one")
    arguments = parser.parse_args()
    settings = Settings.from_environment().running()
    if settings is None:
        return _NOT_RUNNING
    os.environ.update(settings.environment)

    from deploy.account import target  # only here: boto3 reads the environment
    from sandbox.gameday.day import play
    from sandbox.gameday.faults import FAULTS
    from sandbox.gameday.stage import Stage

    faults = [fault for fault in FAULTS if arguments.fault in (None, fault.name)]
    if not faults:
        return f"There is no fault {arguments.fault!r}. The faults: {', '.join(fault.name for fault in FAULTS)}."
    print(target(), flush=True)
    stage = Stage(settings.outputs() or {})
    before = stage.raised()
    played = []
    print("| fault | alarm | raised after | cleared after |\n|---|---|--:|--:|", flush=True)
    for fault in faults:
        for each in play(stage, fault):
            print(f"| {each.fault} | {each.alarm} | {_shown(each.raised)} | {_shown(each.cleared)} |", flush=True)
            played.append(each)
    failed = stage.settle()
    return summary(played, stage.calm(before), failed)


def summary(played: Sequence[Played], others: set[str], failed: Mapping[str, int]) -> str | None:
    """Return what went wrong, in a line, or None."""
    missed = [each.alarm for each in played if not each.passed]
    problems = {
        "not raised or not cleared": ", ".join(missed),
        "raised without a fault": ", ".join(sorted(others)),
        "failed messages are left": ", ".join(f"{queue} {count}" for queue, count in failed.items()),
    }
    return "; ".join(f"{problem}: {found}" for problem, found in problems.items() if found) or None


def _shown(seconds: int | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds // 60} min" if seconds < 2 * 3_600 else f"{seconds // 3_600} h"


if __name__ == "__main__":
    sys.exit(main())
