"""Runs the cases, one after the other, and counts what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.attack.case import Admitted, Attack, Case
from deploy.verify.journey import Skipped, Unexpected

REMOVAL = "everything that these attacks made is removed"

type Outcome = Literal["refused", "admitted", "skipped", "not tried"]
COLUMNS: tuple[Outcome, ...] = ("refused", "admitted", "skipped", "not tried")


@dataclass(frozen=True)
class Tried:
    """What became of one case. ``loss`` is what would be lost, or is, ``reason`` why the case ended so."""

    kind: str
    case: str
    outcome: Outcome
    loss: str = ""
    reason: str = ""

    def __str__(self) -> str:
        line = f"{self.kind}: {self.outcome}: {self.case}"
        if self.outcome == "admitted":
            return f"{line}. Lost: {self.loss} Got {self.reason}"
        return f"{line}: {self.reason}" if self.reason else line


def run(
    kinds: Sequence[type[Attack]], stage: str, wanted: str = "", on_tried: Callable[[Tried], object] = print
) -> list[Tried]:
    """Run the cases of all *kinds*, or those whose names contain *wanted*, and return what became of each."""
    tried: list[Tried] = []
    for kind in kinds:
        for each in _run(kind, stage, wanted):
            on_tried(each)
            tried.append(each)
    return tried


def _run(kind: type[Attack], stage: str, wanted: str) -> Iterator[Tried]:
    attack = kind(stage)
    try:
        for name, method in kind.cases().items():
            if wanted in name:
                yield _try(attack, name, method)
    finally:
        left = attack.remove()
    if left:
        yield Tried(kind.kind, REMOVAL, "not tried", reason=f"left: {'; '.join(left)}")


def _try(attack: Attack, name: str, method: Case) -> Tried:
    outcome: Outcome = "refused"
    reason = ""
    try:
        method(attack)
    except Admitted as admitted:
        outcome, reason = "admitted", str(admitted)
    except Skipped as skipped:
        outcome, reason = "skipped", str(skipped)
    except Unexpected as unexpected:
        outcome, reason = "not tried", str(unexpected)
    except Exception as error:  # an error of AWS or of the network, or an answer of another form
        outcome, reason = "not tried", f"{type(error).__name__}: {str(error)[:300]}"
    return Tried(attack.kind, name, outcome, " ".join((method.__doc__ or "").split()), reason)


def table(tried: Sequence[Tried]) -> Iterator[str]:
    """Yield the lines of a Markdown table: by kind the number of cases, and what became of them."""
    yield f"| attacks | cases | {' | '.join(COLUMNS)} |"
    yield f"|---|--:|{'--:|' * len(COLUMNS)}"
    for kind in dict.fromkeys(each.kind for each in tried):
        yield _row(kind, [each for each in tried if each.kind == kind])
    yield _row("all", tried)


def _row(kind: str, tried: Sequence[Tried]) -> str:
    counted = Counter(each.outcome for each in tried)
    return f"| {kind} | {len(tried)} | {' | '.join(str(counted[column]) for column in COLUMNS)} |"
