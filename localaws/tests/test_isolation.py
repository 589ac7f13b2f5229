"""localaws stands alone: it imports no other code of the repository that it lives in."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def imported(file: Path) -> set[str]:
    """Return the top-level packages that *file* imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found}


def test_it_imports_only_itself_the_standard_library_and_installed_packages() -> None:
    known = {"localaws"} | sys.stdlib_module_names | packages_distributions().keys()
    # A plugin of the tests of LocalStack, in whose environment it runs.
    plugin, its = PACKAGE / "parity" / "pytest_cases.py", {"localstack", "localstack_snapshot"}
    for file in PACKAGE.rglob("*.py"):
        assert imported(file) - (its if file == plugin else set()) <= known, (file, imported(file) - known)


def test_it_names_no_folder_of_the_repository() -> None:
    siblings = {folder.name for folder in PACKAGE.parent.iterdir() if (folder / "app.py").exists()}
    assert siblings, "this test is for the repository"
    for file in PACKAGE.rglob("*.py"):
        assert not [name for name in siblings if name in file.read_text()], file
