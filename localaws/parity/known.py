"""The known differences of `known.toml`: each case that differs from AWS is listed with its reason and consequence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localaws.parity.suites import HERE, Result, Suite


@dataclass(frozen=True)
class Difference:
    """Cases of one suite that differ for one reason."""

    suite: str
    because: str
    """What localaws does differently from AWS."""
    consequence: str
    """What that means for a team that deploys to AWS."""
    cases: list[str]


def load(file: Path = HERE / "known.toml") -> list[Difference]:
    """Return all known differences. Raises ValueError if a case is listed twice."""
    known = [Difference(**entry) for entry in tomllib.loads(file.read_text()).get("difference", [])]
    seen: set[str] = set()
    for case in (case for difference in known for case in difference.cases):
        if case in seen:
            raise ValueError(f"{file.name} lists {case} twice")
        seen.add(case)
    return known


def surprises(suite: Suite, results: dict[str, Result], known: list[Difference]) -> Iterator[str]:
    """Yield a line for each new difference, each healed case, and each listed case that did not run."""
    listed = {case for difference in known if difference.suite == suite.name for case in difference.cases}
    for case, result in sorted(results.items()):
        if result.verdict not in ("equal", "skipped") and case not in listed:
            yield f"new: {case}: {_summary(result)}"
        if result.verdict == "equal" and case in listed:
            yield f"healed: {case}: remove it from known.toml"
    for case in sorted(listed - results.keys()):
        yield f"gone: {case} is listed in known.toml but did not run"


def _summary(result: Result) -> str:
    if result.verdict == "answer" and result.differences:
        first = result.differences[0]
        return f"{first['path']}: AWS {first['aws'][:150]}, here {first['here'][:150]}"
    return f"{result.verdict}: {' '.join(result.error.split())[:300]}"
