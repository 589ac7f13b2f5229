"""The tutorial "Your own product in 30 minutes", followed line by line in a copy of the repository."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import repository
import suite

PAGE = repository.ROOT / "docs" / "tutorials" / "own-product.md"
SKIPPED = "<!-- not in the test -->"
"""Stands before what needs the sandbox or an account."""

pytestmark = suite.of_all_apps

_BLOCK = re.compile(r"(?:^([^\n]*)\n+)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEW_FILE = re.compile(r"New file `([^`]+)`:")


class Step(NamedTuple):
    """A block of code of the page: commands, a change, or a new file with its path."""

    kind: str
    text: str
    path: str = ""


def steps(text: str) -> Iterator[Step]:
    """Yield what a reader of the page does, in order. Raises ValueError for a block that says nothing to do."""
    for before, language, block in _BLOCK.findall(text):
        new = _NEW_FILE.search(before)
        if before.strip() == SKIPPED:
            continue
        if new:
            yield Step("file", block, new[1])
        elif language in ("", "diff"):
            yield Step("change" if language else "commands", block)
        else:
            raise ValueError(f"nothing says what to do with:\n{block}")


def follow(step: Step, folder: Path) -> None:
    """Do a step in *folder*."""
    if step.kind == "file":
        file = folder / step.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(step.text)
        return
    command = ["git", "apply", "-"] if step.kind == "change" else ["bash", "-euo", "pipefail", "-c", step.text]
    standard_input = step.text if step.kind == "change" else ""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, input=standard_input, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{step.text}\n{done.stdout}{done.stderr}"


def test_the_tutorial_makes_a_product_whose_checks_are_green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(variable, "ann@example.com")
    repository.copy_to(tmp_path)

    for step in steps(PAGE.read_text()):
        follow(step, tmp_path)

    assert repository.git(tmp_path, "status", "--porcelain") == ""
    assert "/digest/mails" in (tmp_path / "notes-app" / "openapi.json").read_text()


def test_a_page_is_read_as_its_reader_reads_it() -> None:
    commands = f"Do:\n\n```\nmake\n```\n\n{SKIPPED}\n```\nmake run\n```\n\n"
    text = commands + "New file `a/b.py`:\n\n```python\nx = 1\n```\n\nSo:\n\n```diff\n+x\n```\n"

    assert list(steps(text)) == [Step("commands", "make\n"), Step("file", "x = 1\n", "a/b.py"), Step("change", "+x\n")]
    with pytest.raises(ValueError, match="nothing says what to do"):
        list(steps("```python\nx = 1\n```\n"))
