"""How posts show Markdown, compared with CommonMark's specification and with plain Markdown of other projects.

Each difference from the reference belongs to a kind, and each kind has a rule that this module applies to the reference
or to the post. After all rules both must be equal, otherwise the difference is unexplained. The reference is HTML of
markdown-it-py with GitHub's tables and strikethrough. It equals the HTML in CommonMark's specification (npm
`commonmark-spec`), which a test proves, and it can also leave out the HTML in the source.

`python -m bench markdown` writes both tables into docs/markdown.md. A test compares the first one.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from importlib.metadata import distributions
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element

import html5lib  # type: ignore[import-untyped]
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from sandbox.settings import ROOT

SPECIFICATION = ROOT / "node_modules" / "commonmark-spec" / "spec.txt"
DOCUMENT = ROOT / "docs" / "markdown.md"


class _Reference(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Accept any URL, as CommonMark does."""
        return True


_REFERENCE = _Reference("commonmark").enable(["table", "strikethrough"])


@dataclass
class Node:
    """An element of HTML. Its children are elements and text."""

    tag: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    def all(self, tag: str) -> Iterator[Node]:
        """Yield each element *tag* in this one, the inner ones first."""
        for child in list(self.children):
            if isinstance(child, Node):
                yield from child.all(tag)
                if re.fullmatch(tag, child.tag):
                    yield child

    def replace(self, tag: str, change: Callable[[Node], Iterable[Node | str]]) -> None:
        """Replace each element *tag* in this one by what *change* makes of it."""
        changed: list[Node | str] = []
        for child in self.children:
            if isinstance(child, Node):
                child.replace(tag, change)
            changed += change(child) if isinstance(child, Node) and re.fullmatch(tag, child.tag) else [child]
        self.children = changed

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


def parsed(html: str) -> Node:
    """Parse as a browser does."""
    document = html5lib.parse(f"<!doctype html><body>{html}", namespaceHTMLElements=False)
    return _node(document.find("body"))


def _node(element: Element) -> Node:
    node = Node(str(element.tag), {str(name): value for name, value in element.attrib.items()}, [element.text or ""])
    for child in element:
        if isinstance(child.tag, str):  # not a comment
            node.children.append(_node(child))
        node.children.append(child.tail or "")
    return node


_BLOCKS = (
    *("address", "article", "aside", "blockquote", "br", "center", "dd", "details", "dialog", "div", "dl", "dt"),
    *(
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "legend",
    ),
    *("li", "main", "menu", "nav", "ol", "optgroup", "option", "p", "pre", "search", "section", "summary", "table"),
    *("tbody", "tfoot", "thead", "tr", "ul"),
)
_SEPARATED = ("button", "iframe", "img", "input", "select", "td", "textarea", "th", "video")


def canonical(node: Node) -> str:
    """Return HTML in which only what a reader can see differs: white space at the edges of blocks does not."""
    text = "".join(_written(child, in_pre=False) for child in node.children)
    blocks = "|".join((*_BLOCKS, "td", "th"))
    text = re.sub(r"[ \t\n\f\r]+", " ", text)
    return (
        re.sub(rf" ?(</?(?:{blocks})(?: [^>]*)?>) ?", r"\1", text)
        .replace("\ue000", " ")
        .replace("\ue001", "\n")
        .strip()
    )


def _written(node: Node | str, in_pre: bool) -> str:
    if isinstance(node, str):
        return escape(node.replace(" ", "\ue000").replace("\n", "\ue001") if in_pre else node)
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in sorted(node.attributes.items()))
    content = "".join(_written(child, in_pre or node.tag == "pre") for child in node.children)
    return f"<{node.tag}{attributes}>{content}</{node.tag}>"


def words(node: Node) -> list[str]:
    """Return the words that a reader sees: elements that start a line or a cell separate them."""
    return "".join(_seen(node)).split()


def _seen(node: Node) -> Iterator[str]:
    separates = node.tag in _BLOCKS or node.tag in _SEPARATED
    yield " " if separates else ""
    if node.tag not in ("script", "style"):
        for child in node.children:
            if isinstance(child, str):
                yield child
            else:
                yield from _seen(child)
    yield " " if separates else ""


def _headings(post: Node, reference: Node) -> None:
    for heading in post.all("h[2-6]"):
        heading.attributes.pop("id", None)
    found = list(reference.all("h[1-6]"))
    highest = min((int(heading.tag[1]) for heading in found), default=0)
    for heading in found:
        heading.tag = f"h{min(int(heading.tag[1]) - highest + 2, 6)}"


def _rel(post: Node, _: Node) -> None:
    for link in post.all("a"):
        if re.match("(?i)https?:|//", link.attributes.get("href", "")) and link.attributes.get("rel"):
            assert link.attributes.pop("rel") == "nofollow noopener"


def _scroll(post: Node, _: Node) -> None:
    for code in post.all("pre"):
        code.attributes = {name: value for name, value in code.attributes.items() if (name, value) != ("tabindex", "0")}


def _language(_: Node, reference: Node) -> None:
    for code in reference.all("code"):
        if code.attributes.get("class", "").startswith("language-"):
            del code.attributes["class"]


def _schemes(_: Node, reference: Node) -> None:
    for link in reference.all("a"):
        found = re.match("([a-z][a-z0-9.+-]*):", link.attributes.get("href", ""), re.IGNORECASE)
        if found and found[1].lower() not in ("http", "https", "mailto", "tel"):
            del link.attributes["href"]


def _images(_: Node, reference: Node) -> None:
    reference.replace("img", lambda image: [image.attributes.get("alt", "")])


def _bare_links(post: Node, reference: Node) -> None:
    """Undo links to themselves, if the post has all of the reference's."""

    def names_itself(link: Node) -> bool:
        names = (link.text, f"http://{link.text}", f"mailto:{link.text}")
        return any(link.attributes == {"href": _REFERENCE.normalizeLink(name)} for name in names)

    found, expected = (Counter(link.text for link in node.all("a") if names_itself(link)) for node in (post, reference))
    if expected <= found:
        for node in (post, reference):
            node.replace("a", lambda link: link.children if names_itself(link) else [link])


def _tables(post: Node, reference: Node) -> None:
    post.replace("div", lambda div: div.children if div.attributes == {"class": "table", "tabindex": "0"} else [div])
    for cell in reference.all("t[hd]"):
        if style := cell.attributes.pop("style", ""):
            cell.attributes["class"] = style.removeprefix("text-align:")


KINDS: Mapping[str, tuple[str, Callable[[Node, Node], None]]] = {
    "headings": ("headings start at h2 and have the ids of GitHub", _headings),
    "rel": ('links to other sites have `rel="nofollow noopener"`', _rel),
    "scroll": ('code has `tabindex="0"`, so that the keyboard scrolls it', _scroll),
    "language": ("code has no class for its language", _language),
    "schemes": ("schemes other than http, https, mailto and tel make no link", _schemes),
    "images": ("an image that is no photo of the blog becomes its alt text", _images),
    "bare links": ("a bare address is a link to itself, as on GitHub", _bare_links),
    "tables": ("a table scrolls in a frame, and its cells are aligned by classes", _tables),
}
"""Each kind of difference but HTML: what it is, and the rule that undoes it in the post or makes it in the reference.
The rules are applied in this order.
"""

HTML = "HTML"
_HTML_RULE = "HTML in the source is left out. Its words stay and stay apart, and so does all that is Markdown"
_KEPT = {"p", "br", "kbd", "sub", "sup"}
"""Elements that the post may have where the source has HTML: it keeps four tags, and makes paragraphs of text."""


class Unexplained(AssertionError):
    """A post differs from the reference in a way that no kind explains: what of both differs after all rules."""

    def __init__(self, post: str, reference: str) -> None:
        super().__init__(f"{post}\n\nThe reference:\n{reference}")
        self.post, self.reference = post, reference


def differences(post: str, source: str) -> frozenset[str]:
    """Return the kinds of difference between the HTML of *post* and the reference's of *source*. Raises Unexplained."""
    if not _compared(post, source, []):
        return frozenset()
    kinds = explained(post, source)
    # A kind is there if the others do not explain everything.
    return frozenset(kind for kind in kinds if _compared(post, source, [each for each in kinds if each != kind]))


def explained(post: str, source: str) -> list[str]:
    """Return the kinds by which the HTML of *post* may differ from the reference's of *source*. Raises Unexplained."""
    kinds = [*KINDS, HTML] if any(_html(_REFERENCE.parse(source))) else [*KINDS]
    if found := _compared(post, source, kinds):
        raise Unexplained(*found)
    return kinds


def _compared(post: str, source: str, kinds: Sequence[str]) -> tuple[str, str] | None:
    """Apply the rules of *kinds*; return what then differs, or None if nothing does."""
    seen, reference = parsed(post), parsed(_rendered(source, with_html=HTML not in kinds))
    for kind in kinds:
        if kind != HTML:
            KINDS[kind][1](seen, reference)
    if HTML in kinds:
        shown = parsed(_rendered(source, with_html=True, with_images="images" not in kinds))
        if words(seen) != words(shown):
            return " ".join(words(seen)), " ".join(words(shown))
        for node in (seen, reference):
            node.replace("|".join(_KEPT), lambda element: element.children)
            node.replace(".*", lambda element: [Node(element.tag, element.attributes, _elements(element))])
            node.children = _elements(node)
    one, other = canonical(seen), canonical(reference)
    return None if one == other else (one, other)


def _elements(node: Node) -> list[Node | str]:
    return [child for child in node.children if isinstance(child, Node)]


def _html(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from (each for each in (token, *(token.children or ())) if each.type in ("html_block", "html_inline"))


def _rendered(source: str, with_html: bool, with_images: bool = True) -> str:
    """Return the reference's HTML of *source*, with or without the HTML in the source, and with images or alt texts."""
    tokens = _REFERENCE.parse(source)
    for token in _html(tokens):
        # A browser has no CDATA in HTML, and would show the end of it.
        if not with_html or token.content.startswith("<![CDATA["):
            token.content = ""
    env = {"images": with_images}
    html: str = _WITH_ALT_TEXTS.render(tokens, _REFERENCE.options, env) if not with_images else ""
    return html or str(_REFERENCE.renderer.render(tokens, _REFERENCE.options, env))


class _AltTexts(RendererHTML):
    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return escape(self.renderInlineAsText(tokens[idx].children, options, env))


_WITH_ALT_TEXTS = _AltTexts()


def examples() -> list[tuple[str, str]]:
    """Return the Markdown and the HTML of each example of CommonMark's specification."""
    text = SPECIFICATION.read_text().replace("→", "\t")
    return re.findall(r"^`{32} example\n(.*?)^\.\n(.*?)^`{32}$", text, re.DOTALL | re.MULTILINE)


def reference_differs(source: str, html: str) -> bool:
    """Return whether the reference renders an example of the specification otherwise than the specification."""
    return canonical(parsed(_REFERENCE.render(source))) != canonical(parsed(html))


def readmes() -> dict[str, str]:
    """Return the READMEs in Markdown of the installed packages, by the name of the package."""
    found = {}
    for package in distributions():
        kind = str(package.metadata.get("Description-Content-Type", ""))
        if kind.startswith("text/markdown"):
            found[package.name] = str(package.metadata.json["description"])
    return found


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as people write them: `1-3, 5`."""
    ordered = sorted(numbers)
    starts = [number for before, number in pairwise([-1, *ordered]) if number != before + 1]
    ends = [number for number, after in pairwise([*ordered, 10**9]) if after != number + 1]
    return ", ".join(f"{start}-{end}" if end > start else f"{start}" for start, end in zip(starts, ends, strict=True))


def example_table(render: Callable[[str], str]) -> str:
    """Return the kinds of difference of the specification's examples, as a table. Raises Unexplained."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, (source, _) in enumerate(examples(), 1):
        for kind in differences(render(source), source) or (_NONE,):
            found[kind].append(number)
    rows = [f"| {_TEXTS[kind]} | {len(found[kind])} | {ranges(found[kind])} |" for kind in _TEXTS if found[kind]]
    return "\n".join(["| difference | examples | their numbers |", "|---|--:|---|", *rows])


def readme_table(render: Callable[[str], str]) -> str:
    """Return the kinds of difference of the READMEs, as a table. Raises Unexplained."""
    sources = readmes().values()
    found = Counter(kind for source in sources for kind in differences(render(source), source) or (_NONE,))
    rows = [f"| {_TEXTS[kind]} | {found[kind]} |" for kind in _TEXTS if found[kind]]
    return "\n".join([f"| difference | of {len(sources)} READMEs |", "|---|--:|", *rows])


def confirmed(render: Callable[[str], str]) -> str:
    """Return how many READMEs without HTML equal, after all rules, what GitHub's cmark-gfm makes of them.

    It is another implementation, in C. Installs cmarkgfm temporarily.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, "cmarkgfm"]
        subprocess.run(command, check=True)
        sys.path.append(folder)
        sources = [source for source in readmes().values() if not any(_html(_REFERENCE.parse(source)))]
        equal = [source for source in sources if _equals_cmark(render(source), source)]
        sys.path.remove(folder)
    return f"{len(equal)} of {len(sources)} READMEs without HTML equal cmark-gfm's"


def _equals_cmark(post: str, source: str) -> bool:
    cmark: Any = import_module("cmarkgfm")
    seen, reference = parsed(post), parsed(cmark.github_flavored_markdown_to_html(source))
    for node in reference.all("pre|del|t[hd]"):  # other spellings of the same
        node.attributes.pop("lang", None)
        node.tag = "s" if node.tag == "del" else node.tag
        if align := node.attributes.pop("align", None):
            node.attributes["class"] = align
    for _, rule in KINDS.values():
        rule(seen, reference)
    return canonical(seen) == canonical(reference)


_NONE = "none"
_TEXTS = {**{kind: text for kind, (text, _) in KINDS.items()}, HTML: _HTML_RULE, _NONE: "none"}


def run() -> None:
    """Write the tables into the page. Raises Unexplained."""
    sys.path.insert(0, str(ROOT / "blog-app"))
    from chalicelib import markdown, pictures

    def render(source: str) -> str:
        return str(pictures.filled(markdown.render(source), {}))

    page = DOCUMENT.read_text()
    for mark, table in (("examples", example_table(render)), ("readmes", readme_table(render))):
        before, _, rest = page.partition(f"<!-- {mark} -->\n")
        page = f"{before}<!-- {mark} -->\n{table}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
        print(table, end="\n\n")
    DOCUMENT.write_text(page)
    print(confirmed(render))
