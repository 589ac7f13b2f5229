"""The mutants that change nothing, each with the reason, in reasons.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

from bench.mutants.session import Mutant


class Reasons:
    def __init__(self, file: Path = Path(__file__).parent / "reasons.toml") -> None:
        listed = tomllib.loads(file.read_text()).get("mutant", [])
        self._known = {(each["module"], each["before"], each["after"]) for each in listed}

    def has(self, mutant: Mutant) -> bool:
        return (str(mutant.session.module), *mutant.change) in self._known
