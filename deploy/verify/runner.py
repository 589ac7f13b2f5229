"""Runs the journeys of a stage side by side, and ends each with the removal of what it has made."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from deploy.errors import DeployError
from deploy.verify.journey import LONGEST, Interrupted, Journey, Skipped, Step, Unexpected

REMOVAL = "Everything that this journey made is removed."

type Outcome = Literal["passed", "failed", "skipped", "not run"]


@dataclass(frozen=True)
class Result:
    """What became of one step. ``ended`` is in seconds since 1970."""

    app: str
    step: str
    outcome: Outcome
    seconds: float = 0.0
    ended: float = 0.0
    expected: str = ""
    got: str = ""

    def __str__(self) -> str:
        text = f"{self.app}: {self.outcome}: {self.step}"
        return f"{text} {self.reason}" if self.reason else text

    @property
    def reason(self) -> str:
        """Why the step failed or was skipped."""
        if self.outcome == "failed":
            return f"Expected {self.expected}; got {self.got}"
        return self.got


def run(
    journeys: Sequence[type[Journey]],
    stage: str,
    longest: float = LONGEST,
    on_result: Callable[[Result], object] = print,
) -> list[Result]:
    """Run the journeys and return all results, in the order of the journeys and their steps.

    After a failed step the rest of its journey is not run. Ctrl-C and SIGTERM end all journeys after the steps that
    are running; what they made is removed even then.
    """
    ended = threading.Event()
    with _ended_by_signals(ended), ThreadPoolExecutor(len(journeys) or 1) as pool:
        running = [pool.submit(_journey, journey, stage, longest, ended, on_result) for journey in journeys]
        return [result for each in running for result in each.result()]


def first_failure(results: Sequence[Result]) -> Result | None:
    """Return the step that failed first."""
    return min((result for result in results if result.outcome == "failed"), key=lambda each: each.ended, default=None)


def _journey(
    kind: type[Journey],
    stage: str,
    longest: float,
    ended: threading.Event,
    on_result: Callable[[Result], object],
) -> list[Result]:
    journey, results, stopped = kind(stage, longest, ended), [], False
    for sentence, method in kind.steps():
        stopped = stopped or ended.is_set()
        result = Result(kind.app, sentence, "not run") if stopped else _step(journey, sentence, method)
        stopped = stopped or result.outcome in ("failed", "not run")
        results.append(result)
        if result.outcome != "not run":
            on_result(result)
    started = time.monotonic()
    left = journey.remove()
    results.append(
        Result(
            kind.app,
            REMOVAL,
            "failed" if left else "passed",
            time.monotonic() - started,
            time.time(),
            expected="nothing left" if left else "",
            got="; ".join(left or journey.notes),
        )
    )
    on_result(results[-1])
    return results


def _step(journey: Journey, sentence: str, method: Step) -> Result:
    outcome: Outcome = "passed"
    expected = got = ""
    started = time.monotonic()
    try:
        method(journey)
    except Skipped as skipped:
        outcome, got = "skipped", str(skipped)
    except Interrupted:
        outcome = "not run"
    except Unexpected as unexpected:
        outcome, expected, got = "failed", unexpected.expected, unexpected.got
    except DeployError as error:
        outcome, expected, got = "failed", "no error", str(error)
    except Exception as error:  # an error of AWS or of the network, or an answer of another form
        outcome, expected, got = "failed", "no error", f"{type(error).__name__}: {error}"
    return Result(journey.app, sentence, outcome, time.monotonic() - started, time.time(), expected, got)


@contextmanager
def _ended_by_signals(ended: threading.Event) -> Iterator[None]:
    """Set *ended* on Ctrl-C and on SIGTERM."""

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()
        print("interrupted: removing what was made, please wait", flush=True)

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
