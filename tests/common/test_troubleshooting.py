"""Each message in "When something does not work" is one that the code prints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials" / "troubleshooting.md"
MESSAGES = [block.strip() for block in re.findall(r"^```\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)]


@cache
def printed() -> list[str]:
    """Return the texts of the code: each string, with a … for what is filled in, and each line of the Makefile."""
    files = [file for folder in ("common", "deploy", "sandbox", "services") for file in (ROOT / folder).rglob("*.py")]
    texts = [text for file in files if "template" not in file.parts for text in _strings(ast.parse(file.read_text()))]
    lines = (ROOT / "Makefile").read_text().splitlines()
    return texts + [re.sub(r"\$\(\w+\)|\$[@<]", "…", line) for line in lines]


def _strings(tree: ast.Module) -> Iterator[str]:
    for each in ast.walk(tree):
        if isinstance(each, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in each.values)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def is_printed(message: str) -> bool:
    """Return whether a text of the code has the message, in which … stands for anything."""
    pattern = re.compile(".+".join(re.escape(part.strip()) for part in message.split("…") if part.strip()))
    return any(pattern.search(text) for text in printed())


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_is_in_the_code(message: str) -> None:
    assert is_printed(message)


def test_there_are_twenty_messages_and_no_other_passes() -> None:
    assert len(MESSAGES) >= 20
    assert not is_printed("The sandbox of this folder is on holiday. Start it with `make up`.")
