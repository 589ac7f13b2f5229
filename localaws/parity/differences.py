"""The known differences: `known/<suite>.toml` lists each case that differs from AWS with its reason and consequence.

[[difference]]
because = "What localaws does differently from AWS."
consequence = "What that means for a team that deploys to AWS."
cases = ["tests/aws/services/…::test_…", …]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localaws.parity.suites import HERE, Result, Suite


@dataclass(frozen=True)
class Difference:
    """Cases that differ for one reason."""

    because: str
    """What localaws does differently from AWS."""
    consequence: str
    """What that means for a team that deploys to AWS."""
    cases: list[str]


def known(suite: Suite, folder: Path = HERE / "known") -> list[Difference]:
    """Return the known differences of a suite. Raises ValueError if a case is listed twice."""
    file = folder / f"{suite.slug}.toml"
    if not file.exists():
        return []
    found = [Difference(**entry) for entry in tomllib.loads(file.read_text())["difference"]]
    seen: set[str] = set()
    for case in (case for difference in found for case in difference.cases):
        if case in seen:
            raise ValueError(f"{file.name} lists {case} twice")
        seen.add(case)
    return found


def surprises(results: dict[str, Result], differences: list[Difference]) -> Iterator[str]:
    """Yield a line for each new difference, each healed case, and each listed case that did not run."""
    listed = {case for difference in differences for case in difference.cases}
    for case, result in sorted(results.items()):
        if result.verdict not in ("equal", "skipped") and case not in listed:
            yield f"new: {case}: {_summary(result)}"
        if result.verdict == "equal" and case in listed:
            yield f"healed: {case}: remove it from the list"
    for case in sorted(listed - results.keys()):
        yield f"gone: {case} is listed but did not run"


def _summary(result: Result) -> str:
    if result.verdict == "answer" and result.differences:
        first = result.differences[0]
        return f"{first['path']}: AWS {first['aws'][:150]}, here {first['here'][:150]}"
    return f"{result.verdict}: {' '.join(result.error.split())[:300]}"
