"""Keeps the links to lines right: `python -m docs.site.lines` writes the numbers anew, after the code has moved.

A link to a line has the name that it leads to, for example [`Todos.add`](../../todo-app/chalicelib/todos.py#L126).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "tutorials"

_LINK = re.compile(r"\[`([^`]+)`\]\(([^)#]+\.(?:py|yaml|json|js|toml))(?:#L\d+)?\)")


class UnknownName(Exception):
    """A link has a name that its file does not define or contain; the message says which."""


def numbered(page: Path) -> str:
    """Return the text of a page with the number of the line of each name. Raises UnknownName."""

    def fill(match: re.Match[str]) -> str:
        name, path = match.groups()
        if not (page.parent / path).exists():
            return match[0]  # of a deleted app
        try:
            line = line_of((page.parent / path).read_text(), name)
        except UnknownName:
            raise UnknownName(f"{page.name}: {path} has no {name}") from None
        return f"[`{name}`]({path}#L{line})"

    return _LINK.sub(fill, page.read_text())


def line_of(text: str, name: str) -> int:
    """Return the number of the line that defines *name*, or has it as a text. Raises UnknownName.

    ``Todos.add`` is the first ``add`` after the class ``Todos``.
    """
    position = 0
    for part in name.split(".") if re.fullmatch(r"\w+(\.\w+)*", name) else [name]:
        defined = re.compile(rf"^ *(?:async def|def|class|export function|function) {re.escape(part)}\b", re.MULTILINE)
        found = defined.search(text, position) or re.compile(re.escape(part)).search(text, position)
        if not found:
            raise UnknownName(name)
        position = found.start() + len(found[0]) - len(found[0].lstrip())
    return text.count("\n", 0, position) + 1


def write() -> None:
    """Write the numbers into every page. Raises UnknownName."""
    for page in sorted(PAGES.glob("follow-*.md")):
        page.write_text(numbered(page))


if __name__ == "__main__":
    try:
        write()
    except UnknownName as error:
        sys.exit(str(error))
