"""`python -m localaws.gaps`: write the table of gaps into README.md from the docstrings of the gap modules."""

from __future__ import annotations

import ast
from pathlib import Path

from localaws.emulator import GAPS
from localaws.settings import PACKAGE

README = PACKAGE / "README.md"
MARK = "<!-- gaps -->\n"


def table() -> str:
    """Return a Markdown table with a row for each gap module."""
    rows = [_row(gap, PACKAGE / f"{gap.replace('.', '/')}.py") for gap in GAPS]
    return "\n".join(["| module | gap | no longer needed when |", "|---|---|---|", *rows]) + "\n"


def _row(gap: str, file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    summary = docstring.partition("\n\n")[0].removeprefix("Gap: ")
    end = docstring.rpartition("No longer needed when ")[2]
    cells = (f"`{gap}`", " ".join(summary.split()), " ".join(end.split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Replace the table after the marker in README.md."""
    before = README.read_text().partition(MARK)[0]
    README.write_text(before + MARK + "\n" + table())


if __name__ == "__main__":
    main()
