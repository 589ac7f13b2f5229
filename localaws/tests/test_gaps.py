"""Each gap module documents its gap in the same form."""

from __future__ import annotations

import ast
import re

import pytest

from localaws.emulator import GAPS
from localaws.settings import PACKAGE

FORM = re.compile(
    r"""
    Gap:\ (.+\n)+                         # what the emulator does wrong
    \n
    (.*\n)*                               # optional: what the module does instead, and its limits
    (AWS:\ https://\S+\n)+
    No\ longer\ needed\ when\ (.+\n)*.+\.  # a fact that can be observed; ends the docstring
    """,
    re.VERBOSE,
)


@pytest.mark.parametrize("gap", GAPS)
def test_a_gap_module_says_what_the_gap_is_and_when_it_is_closed(gap: str) -> None:
    source = (PACKAGE / f"{gap.replace('.', '/')}.py").read_text()

    docstring = ast.get_docstring(ast.parse(source)) or ""

    assert FORM.fullmatch(docstring), docstring


def test_every_gap_module_is_applied() -> None:
    documented = {
        ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        for file in PACKAGE.rglob("*.py")
        if (ast.get_docstring(ast.parse(file.read_text())) or "").startswith("Gap: ")
    }

    assert documented == set(GAPS)
