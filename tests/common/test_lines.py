"""The pages that follow a request through the files link to the lines that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import suite

from docs.site import lines

pytestmark = suite.of_all_apps

NEAR = 30
"""Lines by which a link may be wrong: the name is still on the screen, and few changes must write the links anew."""

CODE = """class One:
    def add(self): ...

class Two:
    size = 1
    def add(self): ...
"""


@pytest.mark.parametrize("page", sorted(lines.PAGES.glob("follow-*.md")), ids=lambda page: page.name)
def test_each_link_leads_to_the_line_of_its_name(page: Path) -> None:
    linked, right = (
        [int(number) for number in re.findall(r"#L(\d+)", text)] for text in (page.read_text(), lines.numbered(page))
    )

    assert len(linked) == len(right) >= 2
    far = [(link, line) for link, line in zip(linked, right, strict=True) if abs(link - line) > NEAR]
    assert far == [], "the code has moved: python -m docs.site.lines"


@pytest.mark.parametrize(("name", "line"), [("One", 1), ("One.add", 2), ("Two.add", 6), ("size = 1", 5)])
def test_a_name_has_a_line(name: str, line: int) -> None:
    assert lines.line_of(CODE, name) == line


def test_a_name_that_is_gone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("[`Three`](code.py#L1)")
    (tmp_path / "code.py").write_text(CODE)

    with pytest.raises(lines.UnknownName, match=r"page.md: code.py has no Three"):
        lines.numbered(tmp_path / "page.md")
