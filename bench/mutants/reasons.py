"""The mutants that change nothing that a test should notice, each with the reason, in reasons.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.mutants.session import Mutant, Session

type Change = tuple[str, str, str]
"""A module, its line before the change, and after it."""


class Reasons:
    """The changes listed in *file*."""

    def __init__(self, file: Path = Path(__file__).parent / "reasons.toml") -> None:
        listed = tomllib.loads(file.read_text()).get("mutant", [])
        self._known = {(each["module"], each["before"], after) for each in listed for after in each["after"]}

    def has(self, mutant: Mutant) -> bool:
        return _change(mutant) in self._known

    def stale(self, sessions: Iterable[Session], mutants: Iterable[Mutant]) -> Iterator[str]:
        """Yield what is wrong with each entry for a module of *sessions* whose line is gone, or that a test notices."""
        tried = [mutant for mutant in mutants if mutant.result]
        survived = {_change(mutant) for mutant in tried if mutant.survived}
        noticed = {_change(mutant) for mutant in tried} - survived
        lines = {str(session.module): {line.strip() for line in session.lines} for session in sessions}
        for change in sorted(self._known):
            module, before, after = change
            if module in lines and before not in lines[module]:
                yield f"{module} has no line {before!r}"
            elif change in noticed:
                yield f"{module}: a test notices {before!r} -> {after!r}"


def _change(mutant: Mutant) -> Change:
    return str(mutant.session.module), *mutant.change
