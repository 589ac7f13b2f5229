"""Each difference of a post from CommonMark is of a kind that is listed and intended (docs/markdown.md)."""

from __future__ import annotations

import pytest

from bench.markdown import (
    DOCUMENT,
    SPECIFICATION,
    Unexplained,
    differences,
    example_table,
    examples,
    explained,
    readmes,
    reference_differs,
)
from chalicelib import markdown, pictures

needs_specification = pytest.mark.skipif(not SPECIFICATION.exists(), reason="needs commonmark-spec: make node_modules")


def render(source: str) -> str:
    return pictures.filled(markdown.render(source), {})


@needs_specification
def test_the_reference_is_commonmark() -> None:
    assert len(examples()) == 652
    assert [number for number, example in enumerate(examples(), 1) if reference_differs(*example)] == []


@needs_specification
def test_the_page_lists_each_difference_from_commonmark() -> None:
    assert example_table(render) in DOCUMENT.read_text(), "run python -m bench markdown, and see what changed"


@pytest.mark.parametrize("package", sorted(readmes()))
def test_the_readme_of_a_package_differs_only_in_known_ways(package: str) -> None:
    source = readmes()[package]

    explained(render(source), source)


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("*a* `b`", set()),
        ("# a", {"headings"}),
        ("[a](https://b.example) [c](/d)", {"rel"}),
        ("```py\na\n```", {"scroll", "language"}),
        ("[a](javascript:b)", {"schemes"}),
        ("![*a* b](c)", {"images"}),
        ("see www.a.example", {"rel", "bare links"}),
        ("|a|\n|-:|\n|b|", {"tables"}),
        ("a<br>b <b>c</b>\n\n<div>d</div>", {"HTML"}),
    ],
)
def test_a_difference_has_its_kind(source: str, kinds: set[str]) -> None:
    assert differences(render(source), source) == kinds


@pytest.mark.parametrize(
    ("source", "post"),
    [
        ("a b", "<p>ab</p>"),
        ("a b", "<p>a</p>"),
        ("a", "<p>a</p><p>b</p>"),
        ("*a*", "<p>a</p>"),
        ("a", '<p><a href="/b">a</a></p>'),
        ("a", '<p><a href="https://b.example" rel="nofollow noopener">a</a></p>'),
        ("[a](/b)", "<p><a>a</a></p>"),
        ("[a](javascript:b)", '<p><a href="javascript:b">a</a></p>'),
        ("<https://a.example>", "<p>https://a.example</p>"),
        ("[a](/b)", '<p><a href="/b" onclick="c">a</a></p>'),
        ("# a\n## b", '<h2 id="a">a</h2><h2 id="b">b</h2>'),
        ("    a  b", '<pre tabindex="0"><code>a b\n</code></pre>'),
        ("![a](b)", '<p><img src="b" alt="a"></p>'),
        ("one<br>two", "<p>onetwo</p>"),
        ("<div>one</div> *two*", "<p>one</p>"),
        ("<b>one</b> *two*", "<p>one two</p>"),
        ("<b>one</b>", "<p><b>one</b></p>"),
        ("<b>one</b> [two](javascript:x)", '<p>one <a href="javascript:x">two</a></p>'),
        ("|a|\n|-:|\n|b|", '<div class="table" tabindex="0"><table><thead><tr><th>a</th></tr></thead></table></div>'),
    ],
)
def test_any_other_difference_is_unexplained(source: str, post: str) -> None:
    with pytest.raises(Unexplained):
        explained(post, source)
