"""The tests of a target, of which only those run that run a changed line."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
from pathlib import Path
from typing import Any, Self

from bench.mutants.targets import Suite, Target


class Tests:
    """The suites of *target* in *tree*, each in a process of its own (worker.py) that starts on first use."""

    def __init__(self, target: Target, tree: Path) -> None:
        self._suites = [_Suite(suite, tree) for suite in target.suites]

    def __enter__(self) -> Self:
        for suite in self._suites:
            suite.start()
        return self

    def __exit__(self, *_: object) -> None:
        for suite in self._suites:
            suite.stop()

    def first_failure(self, module: Path, source: str, line: int) -> str | None:
        """Return the first test that fails among those that run the statement at *line* of the module, or None.

        *source* is the text of the module before the change.
        """
        lines = _statement(ast.parse(source), line)
        for suite in self._suites:
            if failed := suite.first_failure(str(module), lines):
                return failed
        return None


class _Suite:
    def __init__(self, suite: Suite, tree: Path) -> None:
        self._suite = suite
        self._tree = tree
        self._tests: dict[str, Any] = {}

    def start(self) -> None:
        wanted = json.dumps({"pythonpath": self._suite.pythonpath, "tests": self._suite.tests})
        command = [".venv/bin/python", "-m", "bench.mutants.worker", wanted]
        self._process = subprocess.Popen(
            command, cwd=self._tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._tests = self._read()["tests"]

    def stop(self) -> None:
        self._process.communicate()

    def first_failure(self, module: str, lines: range | None) -> str | None:
        tests = self._of(module, lines)
        if not tests:
            return None
        limit = 20 + 5 * sum(self._tests[test]["seconds"] for test in tests)
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"tests": tests, "seconds": limit}) + "\n")
        failed: str | None = self._read()["failed"]
        return failed

    def _of(self, module: str, lines: range | None) -> list[str]:
        """Return the tests that run one of the lines, the quick ones first.

        None stands for what runs on import, such as constants and types. It concerns the tests that run anything in the
        module or in one that imports it, and the tests that run nothing of ours, such as those of contracts.
        """
        if lines is None:
            modules = {module, *_importers(self._tree, module)}
            found = [test for test, seen in self._tests.items() if not seen["lines"] or modules & seen["lines"].keys()]
        else:
            ran = {test: seen["lines"].get(module, []) for test, seen in self._tests.items()}
            found = [test for test, numbers in ran.items() if any(number in lines for number in numbers)]
        return sorted(found, key=lambda test: float(self._tests[test]["seconds"]))

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the tests in {self._suite.tests} ended: see above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@functools.cache
def _importers(tree: Path, module: str) -> frozenset[str]:
    """Return the modules that import *module*, which are in its folder, or for common in all apps too."""
    folder, name = Path(module).parent, Path(module).stem
    files = [*(tree / folder).glob("*.py"), *(tree.glob("*/chalicelib/*.py") if folder.name == "common" else [])]
    importing = re.compile(rf"^from {folder.name}(\.{name} import| import .*\b{name}\b)", re.MULTILINE)
    return frozenset(str(file.relative_to(tree)) for file in files if importing.search(file.read_text()))


def _statement(module: ast.Module, line: int) -> range | None:
    """Return the lines of the innermost statement at *line* in a function, or None if it runs on import.

    Of a compound statement only the lines before its body count.
    """
    found: range | None = None
    inside = False
    for node in ast.walk(module):
        if not isinstance(node, ast.stmt):
            continue
        end = node.end_lineno or node.lineno
        body: list[ast.stmt] = getattr(node, "body", [])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body[0].lineno <= line <= end:
            inside = True
        last = max(node.lineno, body[0].lineno - 1) if body else end
        if node.lineno <= line <= last:
            found = range(node.lineno, last + 1)
    return found if inside else None
