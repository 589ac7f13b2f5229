"""The properties of CloudFormation resources that localaws accepts without an effect."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("properties.toml")


@cache
def exceptions() -> dict[str, dict[str, str]]:
    """Return, by resource type and by path of the property, what the lack of an effect means for who deploys."""
    return tomllib.loads(FILE.read_text())


def table() -> str:
    """Return the list as a Markdown table with a row for each property."""
    rows = [
        f"| `{kind}` | `{path}` | {consequence} |"
        for kind, listed in sorted(exceptions().items())
        for path, consequence in sorted(listed.items())
    ]
    return "\n".join(["| resource type | property | consequence |", "|---|---|---|", *rows]) + "\n"
