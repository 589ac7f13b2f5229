"""The attempts of a client to carry out an operation, and what they say about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sandbox.soak.journal import Journal, Operation, Outcome

PAUSES = (0, 1, 3)
"""Seconds before each attempt."""


class Answer(Protocol):
    """The answer to an attempt. The status is 0 if none came."""

    status_code: int


def carry_out(
    journal: Journal,
    operation: Operation,
    attempt: Callable[[], Any],
    judge: Callable[[Any], Outcome],
    wait: Callable[[float], object],
) -> Any:
    """Repeat *attempt* until it is answered, and write the outcome. Return the answer if the operation happened.

    *judge* says what a 2xx means. A refusal after an attempt whose outcome is unknown says nothing: that attempt may be
    why it was refused.
    """
    outcome = Outcome.REFUSED
    for number, pause in enumerate(PAUSES, 1):
        wait(pause)
        answer: Answer = attempt()
        if 200 <= answer.status_code < 300 and (judged := judge(answer)) is not Outcome.UNKNOWN:
            journal.end(operation, judged, number)
            return answer
        if 400 <= answer.status_code < 500 and answer.status_code != 429:
            break
        outcome = Outcome.UNKNOWN
    journal.end(operation, outcome, number)
    return None


def acknowledged(answer: Any) -> Outcome:
    """Take each 2xx for a success."""
    return Outcome.ACKNOWLEDGED
