"""The documents of the repository: the files, make targets and modules that they name exist."""

from __future__ import annotations

import functools
import os
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = {".sandbox", ".venv", "dist", "stages"}
SKIPPED = {".git", ".venv", ".sandbox", "dist", "node_modules", "__pycache__"}
SOURCE = re.compile(r"[\w*]\.(py|sql|ya?ml|toml|sh|mjs|js|txt|md)$")
PATH = re.compile(r"\.?[\w*][\w.*-]*(/[\w.*-]+)*/?")

SECTIONS = ["Context", "Decision", "Alternatives", "Consequences"]

DOCUMENTS = sorted(
    document
    for pattern in ("*.md", "*/README.md", "*/videos/README.md", "docs/**/*.md")
    for document in ROOT.glob(pattern)
    if not SKIPPED & set(document.parts)
)

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@each_document
def test_the_files_that_a_document_links_to_exist(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", _outside_of_blocks(document.read_text()))
    relative = [link for link in links if "://" not in link and not link.startswith("mailto:")]

    assert [link for link in relative if not (document.parent / link).exists()] == []


@each_document
def test_the_paths_that_a_document_names_exist(document: Path) -> None:
    assert [path for path in _paths(document.read_text()) if not _exists(path)] == []


@each_document
def test_the_commands_that_a_document_names_exist(document: Path) -> None:
    code = "\n".join(_code(document.read_text()))
    targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
    modules = set(re.findall(r"python -m (\w[\w.]*)", code))

    assert {target for target in targets if not _is_target(target)} == set()
    assert {module for module in modules if not _is_module(module)} == set()


def test_decisions_are_numbered_without_gaps_and_have_the_same_sections() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    assert [int(decision.name[:4]) for decision in decisions] == list(range(1, len(decisions) + 1))
    for decision in decisions:
        text = decision.read_text()
        assert text.startswith(f"# {int(decision.name[:4])}. "), decision.name
        assert re.findall("^## (.+)$", text, re.MULTILINE) == SECTIONS, decision.name


def _paths(text: str) -> Iterator[str]:
    """Yield what is in code and looks like a path: of a folder at the root, or of a source file."""
    inline = set(re.findall(r"`([^`\n]+)`", _outside_of_blocks(text)))
    for word in {word for code in _code(text) for word in code.split()}:
        path = re.sub(r"<[\w -]+>", "*", word).strip("'\",;:()[]").split("#")[0]
        if not PATH.fullmatch(path) or GENERATED & set(path.split("/")):
            continue
        in_a_folder = "/" in path and ((ROOT / path.split("/")[0]).is_dir() or SOURCE.search(path))
        if in_a_folder or (word in inline and SOURCE.search(path)):
            yield path


def _code(text: str) -> list[str]:
    """Return the code blocks and the inline code of *text*."""
    return [
        *re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE),
        *re.findall(r"`([^`\n]+)`", _outside_of_blocks(text)),
    ]


def _outside_of_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def _exists(path: str) -> bool:
    """Return whether a path of the repository ends with *path*, which may contain ``*``."""
    wanted = path.rstrip("/")
    return any(fnmatch(f"/{known}", f"*/{wanted}") for known in _repository())


@functools.cache
def _repository() -> list[str]:
    paths = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED]
        paths += [str((Path(folder) / name).relative_to(ROOT)) for name in [*folders, *files]]
    return paths


def _is_module(name: str) -> bool:
    """Return whether a command of the repository, for example ``tools.ingest`` of an app, has this name."""
    path = name.replace(".", "/")
    return _exists(f"{path}.py") or _exists(f"{path}/__main__.py")


def _is_target(name: str) -> bool:
    return any(re.fullmatch(target.replace("%", ".+"), name) for target in _targets())


@functools.cache
def _targets() -> list[str]:
    lines = re.findall(r"^([\w% .-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return [target for line in lines for target in line.split() if not target.startswith(".")]


def test_every_reason_for_a_mutant_is_about_a_line_of_its_module() -> None:
    """`make mutants` takes hours, and this check no time."""
    listed = tomllib.loads((ROOT / "bench" / "mutants" / "reasons.toml").read_text())["mutant"]
    gone = [
        f"{each['module']}: {each['before']}"
        for each in listed
        if each["before"] not in map(str.strip, (ROOT / each["module"]).read_text().splitlines())
    ]

    assert gone == []
    assert all(each["after"] and each["reason"] for each in listed)
