"""The documents of the repository: their links lead somewhere, and what they name exists."""

from __future__ import annotations

import functools
import itertools
import os
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import suite
from markdown_it import MarkdownIt
from markdown_it.token import Token

pytestmark = suite.of_all_apps

ROOT = Path(__file__).parents[2]
GENERATED = {".gameday", ".sandbox", ".soak", ".venv", "dist", "stages"}
SKIPPED = {".git", ".venv", ".gameday", ".sandbox", ".soak", "dist", "node_modules", "__pycache__"}
SOURCE = re.compile(r"[\w*]\.(py|sql|ya?ml|toml|sh|mjs|js|txt|md)$")
PATH = re.compile(r"\.?[\w*][\w.*-]*(/[\w.*-]+)*/?")

SECTIONS = ["Context", "Decision", "Alternatives", "Consequences"]

DOCUMENTS = sorted(
    document
    for pattern in ("*.md", ".github/**/*.md", "*/README.md", "*/videos/README.md", "docs/**/*.md")
    for document in ROOT.glob(pattern)
    if not SKIPPED & set(document.parts)
)

FOLLOWED = ROOT / "docs" / "tutorials" / "own-product.md"
"""Names what its reader makes. test_tutorial.py follows it."""

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@each_document
def test_the_links_of_a_document_lead_somewhere(document: Path) -> None:
    assert _broken_links(document) == []


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[a page](page.md), [its part](page.md#a-part), [a folder](folder)", []),
        ("[this part](#what-it-costs-in-prod)", []),
        ("[the second of its name](#notes-1), [the third](#notes-2)", []),
        ("[the part of a folder's README](folder#readme)", []),
        ("[some lines](code.py#L1-L2)", []),
        ("[outside](https://example.com/a?b=c#d), https://example.com and <https://example.com>", []),
        ("`[code](nowhere.md)`\n\n```\n[code](nowhere.md)\n```", []),
        ("![a picture](picture.png)", ["picture.png: there is no such file"]),
        ("[gone](gone.md)", ["gone.md: there is no such file"]),
        ("[gone]\n\n[gone]: gone.md", ["gone.md: there is no such file"]),
        ('<img src="gone.png">', ["gone.png: there is no such file"]),
        ('a <a href="gone.md">word</a>', ["gone.md: there is no such file"]),
        ("[at the root](/page.md)", ["/page.md: a link begins at the document's folder"]),
        ("[part](#gone)", ["#gone: there is no such heading"]),
        ("[part](page.md#A-part)", ["page.md#A-part: there is no such heading"]),
        ("[part](page.md#in-a-block)", ["page.md#in-a-block: there is no such heading"]),
        ("[part](folder#gone)", ["folder#gone: there is no such heading"]),
        ("[a line](code.py#L3)", ["code.py#L3: there is no such line"]),
        ("[a line](code.py#two)", ["code.py#two: there is no such line"]),
        ("[a folder](other#part)", ["other#part: there is no such heading"]),
        ("[nothing]()", [": the link has no address"]),
        ("[](page.md)", ["page.md: the link has no text"]),
        ("[outside](https:///a)", ["https:///a: the address has no host"]),
        ("[outside](https://example/a)", ["https://example/a: the address has no host"]),
        ("[outside](http://example.com)", ["http://example.com: the address is not https"]),
        ("[mail](mailto:nobody)", ["mailto:nobody: the address is not https"]),
        ("[two words](a page.md)", ["[two words](a page.md): the link is not closed or has a space"]),
        ("[apart] (page.md)", ["[apart] (page.md): the link is not closed or has a space"]),
        ("[open](page.md", ["[open](page.md: the link is not closed or has a space"]),
        ("[no definition][gone]", ["[no definition][gone]: the link is not closed or has a space"]),
        ("| a |\n|---|\n| [gone](gone.md) |", ["gone.md: there is no such file"]),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, text: str, broken: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "folder" / "README.md").write_text("# Readme\n")
    (tmp_path / "page.md").write_text("# A part\n\n```\n# In a block\n```\n")
    (tmp_path / "code.py").write_text("first = 1\nsecond = 2\n")
    document = tmp_path / "document.md"
    document.write_text(f"# What it costs, in `prod`?\n\n## Notes\n\n## Notes\n\n## Notes\n\n{text}\n")

    assert _broken_links(document) == broken


@each_document
def test_the_paths_that_a_document_names_exist(document: Path) -> None:
    assert document == FOLLOWED or [path for path in _paths(document.read_text()) if not _exists(path)] == []


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


def test_the_newest_version_of_the_changelog_is_that_of_the_project() -> None:
    headings = re.findall("^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert headings[0] == "Unreleased"
    assert re.fullmatch(re.escape(version) + r" - \d{4}-\d\d-\d\d", headings[1])


def test_each_script_of_others_has_its_license_beside_it_and_is_listed() -> None:
    pages = [folder for pattern in ("*/web/vendor", "sandbox/*/web/vendor") for folder in ROOT.glob(pattern)]
    scripts = [file for folder in pages for file in folder.iterdir() if file.suffix in (".js", ".css")]
    listed = (ROOT / "docs" / "licenses.md").read_text()

    assert scripts
    for script in scripts:
        assert script.with_suffix(".LICENSE.txt").exists(), script
        assert f"`{script.relative_to(ROOT)}`" in listed, script


def _broken_links(document: Path) -> list[str]:
    """Return what is wrong with each link and picture of the document. Nothing outside the repository is asked for."""
    tokens = _tokens(document)
    links = [link for token in tokens for link in _links(token)]
    texts = ["".join(_text(child) for child in token.children or []) for token in tokens if token.type == "inline"]
    unread = [found for text in texts for found in re.findall(r"\[[^\]]+\] ?[(\[][^)\]]*[)\]]?", text)]
    return [
        *(f"{link}: {fault}" for link in links if (fault := _fault(document, link))),
        *(f"{link}: the link has no text" for token in tokens for link in _without_text(token.children or [])),
        *(f"{link}: the link is not closed or has a space" for link in unread),
    ]


def _tokens(document: Path) -> list[Token]:
    markdown = MarkdownIt("gfm-like")
    markdown.linkify.set({"fuzzy_link": False})  # README.md is no host
    return markdown.parse(document.read_text())


def _links(token: Token) -> Iterator[str]:
    """Yield the addresses of the links and pictures in *token*, in Markdown and in HTML."""
    for each in [token, *(token.children or [])]:
        if each.type in ("link_open", "image"):
            yield str(each.attrs["href" if each.type == "link_open" else "src"])
        elif each.type in ("html_block", "html_inline"):
            yield from re.findall(r'\b(?:href|src|srcset)="([^"]*)"', each.content)


def _without_text(tokens: list[Token]) -> Iterator[str]:
    for token, following in itertools.pairwise(tokens):
        if token.type == "link_open" and following.type == "link_close":
            yield str(token.attrs["href"])


def _text(token: Token) -> str:
    """Return the text of a token that a reader sees, without code, which may look like a link."""
    return token.content if token.type == "text" else " " if token.type.endswith("break") else ""


def _fault(document: Path, link: str) -> str | None:
    parts = urlsplit(link)
    target = document.parent / unquote(parts.path) if parts.path else document
    if not link:
        return "the link has no address"
    if parts.scheme or parts.netloc:
        return _fault_outside(parts.scheme, parts.hostname or "")
    if parts.path.startswith("/"):
        return "a link begins at the document's folder"
    if not target.exists():
        return "there is no such file"
    return _fault_of_fragment(target / "README.md" if target.is_dir() else target, parts.fragment)


def _fault_outside(scheme: str, host: str) -> str | None:
    if scheme != "https":
        return "the address is not https"
    return None if "." in host else "the address has no host"


def _fault_of_fragment(target: Path, fragment: str) -> str | None:
    if not fragment:
        return None
    if target.suffix == ".md":
        return None if target.exists() and fragment in _anchors(target) else "there is no such heading"
    lines = re.fullmatch(r"L(\d+)(?:-L(\d+))?", fragment)
    last = len(target.read_text().splitlines())
    return None if lines and int(lines[2] or lines[1]) <= last else "there is no such line"


@functools.cache
def _anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings: their words in lower case, joined by hyphens.

    A heading that repeats an earlier one gets a number. GitHub does not document the rule; its former code has it:
    https://github.com/gjtorikian/html-pipeline/blob/v2.14.3/lib/html/pipeline/toc_filter.rb
    """
    anchors: list[str] = []
    for opening, inline in itertools.pairwise(_tokens(document)):
        if opening.type == "heading_open":
            heading = "".join(child.content for child in inline.children or [])
            anchors.append(re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-"))
    earlier = [anchors[:index].count(anchor) for index, anchor in enumerate(anchors)]
    return {f"{anchor}-{count}" if count else anchor for anchor, count in zip(anchors, earlier, strict=True)}


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
