"""The mutants of a module and their results, in a session of cosmic-ray."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.commands import init
from cosmic_ray.mutating import use_mutation
from cosmic_ray.operators.exception_replacer import ExceptionReplacer
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from bench.mutants.tests import Tests


def caught_names(clause: Any) -> list[Any]:
    """Return the nodes of the exceptions in an ``except`` clause. A name with dots is not one node."""
    caught = clause.children[1]
    if caught.type == "atom":  # in parentheses
        caught = caught.children[1]
    names = caught.children[::2] if caught.type == "testlist_comp" else [caught]
    return [name for name in names if name.type == "name"]


ExceptionReplacer._name_nodes = staticmethod(caught_names)  # cosmic-ray's own fails for `except (a.B, C)`


class Session:
    """The mutants of *module*, a path in *tree*. The file in *folder* is named by the module's content."""

    def __init__(self, folder: Path, tree: Path, module: Path) -> None:
        self.tree = tree
        self.module = module
        content = (tree / module).read_bytes()
        name = str(module.with_suffix("")).replace("/", ".")
        file = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.sqlite"
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not file.exists()
        self.database = WorkDB(str(file), WorkDB.Mode.create)
        if is_new:
            init([tree / module], self.database, {})
        self.lines = content.decode().splitlines()

    def mutants(self) -> Iterator[Mutant]:
        results = dict(self.database.results)
        for item in self.database.work_items:
            yield Mutant(self, item, results.get(item.job_id))


@dataclass
class Mutant:
    session: Session
    item: WorkItem
    result: WorkResult | None

    @property
    def operator(self) -> str:
        return str(self.item.mutations[0].operator_name)

    @property
    def line(self) -> int:
        return int(self.item.mutations[0].start_pos[0])

    @property
    def key(self) -> str:
        return f"{self.session.module}:{self.line:05} {self.operator} {self.item.mutations[0].occurrence}"

    @property
    def survived(self) -> bool:
        return self.result is not None and self.result.test_outcome == TestOutcome.SURVIVED

    @property
    def change(self) -> tuple[str, str]:
        """The line before and after the change."""
        lines = (self.result.diff or "").splitlines() if self.result else []
        before, after = ([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "-+")
        return " ".join(before), " ".join(after)

    def __str__(self) -> str:
        before, after = self.change
        return (
            f"{self.session.module}:{self.line}: {before}  ->  {after}"
            if before
            else f"{self.session.module}:{self.line}"
        )

    def is_open(self, version: str) -> bool:
        """Return whether it has no result, or survived in another version of code and tests."""
        return self.result is None or (self.survived and self.result.output != version)

    def try_on(self, tests: Tests, version: str) -> str:
        """Run the tests with the change; keep and return the result."""
        mutation = self.item.mutations[0]
        operator = cosmic_ray.plugins.get_operator(mutation.operator_name)(**mutation.operator_args)
        file = self.session.tree / self.session.module
        with use_mutation(file, operator, mutation.occurrence) as (before, after):
            failed = tests.first_failure(self.session.module, before, self.line)
        lines = difflib.unified_diff(before.splitlines(), (after or before).splitlines(), n=0, lineterm="")
        self.result = WorkResult(
            worker_outcome=WorkerOutcome.NORMAL,
            output=failed or version,
            test_outcome=TestOutcome.KILLED if failed else TestOutcome.SURVIVED,
            diff="\n".join(list(lines)[2:]),
        )
        self.session.database.set_result(self.item.job_id, self.result)
        return failed or "not noticed"
