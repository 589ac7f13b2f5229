"""What the tools find, and the exceptions with their reasons."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

EXCEPTIONS = Path(__file__).with_name("exceptions.toml")


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that a tool objects to.

    ``place`` is the template and, where the tool names one, the resource: ``todo-app/resources Files``. Of the
    analysis of permissions it is the stack and the role.
    """

    tool: str
    rule: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.tool} {self.rule}  {self.place}: {self.message}"


@dataclass(frozen=True)
class Accepted:
    """Findings that are accepted: those of a rule at some places, and why."""

    tool: str
    rule: str
    because: str
    places: Sequence[str] = ("*",)
    """Patterns of places, with ``*``."""

    def covers(self, finding: Finding) -> bool:
        """Return whether the finding is accepted."""
        rule = finding.tool == self.tool and fnmatchcase(finding.rule, self.rule)
        return rule and any(fnmatchcase(finding.place, place) for place in self.places)


def exceptions() -> list[Accepted]:
    """Return the exceptions of `exceptions.toml`."""
    return [Accepted(**each) for each in tomllib.loads(EXCEPTIONS.read_text())["exception"]]


def judged(
    findings: Iterable[Finding], accepted: Sequence[Accepted], tools: Iterable[str]
) -> tuple[list[Finding], list[Accepted]]:
    """Return the findings that no exception accepts, and the exceptions of *tools* that accept no finding."""
    found = sorted(set(findings))
    open_ = [finding for finding in found if not any(each.covers(finding) for each in accepted)]
    ran = set(tools)
    stale = [each for each in accepted if each.tool in ran and not any(map(each.covers, found))]
    return open_, stale
