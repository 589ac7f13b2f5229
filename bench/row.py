"""A row of the figures: what was measured here, beside a peer or a limit, in rounds of one run that took turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass


class Unmeasured(Exception):
    """A benchmark cannot run on this machine. The text says what it needs."""


@dataclass(frozen=True)
class Row:
    """*here* and *there* have a figure for each round, in *unit*. The ratio of a round is here / there.

    The median ratio should be *at_most* or *at_least* a number, if there is an aim. *binds* says what limits the ratio,
    from a profile: it is shown if the aim is missed. A *short* row is shown in the README, too.
    """

    what: str
    here: list[float]
    peer: str
    there: list[float]
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    binds: str = ""
    short: bool = False

    def __post_init__(self) -> None:
        if not self.peer:
            raise ValueError(f"{self.what}: a row has a peer or a limit")
        if 0 in self.there:
            raise ValueError(f"{self.what}: there is no ratio to 0")
        if not self.here or len(self.here) != len(self.there):
            raise ValueError(f"{self.what}: a row has a figure of each for every round")
        if self.has_aim and not self.binds:
            raise ValueError(f"{self.what}: a row with an aim says what limits it")

    @property
    def has_aim(self) -> bool:
        return self.at_most is not None or self.at_least is not None

    @property
    def ratios(self) -> list[float]:
        return [here / there for here, there in zip(self.here, self.there, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        """Return whether the median ratio is as it should be. A row without an aim is."""
        return (self.at_most is None or self.ratio <= self.at_most) and (
            self.at_least is None or self.ratio >= self.at_least
        )


def turns[T](rounds: int, *measures: Callable[[], T]) -> list[list[T]]:
    """Call each in turn, for *rounds* rounds; every second round has the opposite order. Return the results of each."""
    results: list[list[T]] = [[] for _ in measures]
    for number in range(rounds):
        order = list(zip(measures, results, strict=True))
        for measure, found in order[:: -1 if number % 2 else 1]:
            found.append(measure())
    return results
