"""The pages of the site: the documents of the repository, the files that they link to, and the references of the APIs.

A page has the path of its file in the repository, so links between documents stay as they are. A file that is no
document becomes a page with its lines, and a folder becomes a page with its names.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath, relpath
from urllib.parse import unquote

from docs.site import api

ROOT = Path(__file__).parents[2]

_DOCUMENTS = ("*.md", "*/README.md", "*/videos/README.md", "docs/*.md", "docs/*/*.md")
_PICTURES = (".png", ".webp", ".svg", ".jpg")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_DIAGRAM = re.compile(r"^```mermaid\n.*?^```", re.DOTALL | re.MULTILINE)
_WIDE = r'<div class="wide" markdown>\n\n\g<0>\n\n</div>'
_LINK = re.compile(r'(?:(?<=\]\()|(?<= src=")|(?<= srcset="))([^)\s#"]*)(#[^)\s"]*)?(?=[)"])')
_LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".js": "javascript",
    ".ts": "typescript",
}
_LANGUAGES |= {".sql": "sql", ".toml": "toml", ".sh": "bash", ".html": "html", ".css": "css"}


class BrokenLink(Exception):
    """A document links to what is not in the repository; the message names both."""


def write(folder: Path) -> list[str]:
    """Write all pages to *folder*. Return the paths of the documents and of the references, without those of code.

    Raises BrokenLink.
    """
    texts = {path: (ROOT / path).read_text() for path in documents()}
    texts |= {f"docs/api/{file.parent.name}.md": _reference(file) for file in sorted(ROOT.glob("*/openapi.json"))}
    linked: set[str] = set()
    for path, text in texts.items():
        _write(folder / path, _markdown(path, text, set(texts), linked))
    for path in sorted(linked):
        if path.endswith(_PICTURES):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes((ROOT / path).read_bytes())
        else:
            _write(folder / _page(path), _code(path) if (ROOT / path).is_file() else _listing(path))
    return list(texts)


def documents() -> list[str]:
    """Return the paths of the documents of the repository."""
    found = {str(path.relative_to(ROOT)) for pattern in _DOCUMENTS for path in ROOT.glob(pattern)}
    return sorted(found & _tracked())


def _tracked() -> set[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"))


def _reference(file: Path) -> str:
    return api.reference(json.loads(file.read_text()))


def _markdown(path: str, text: str, known: set[str], linked: set[str]) -> str:
    """Return a document whose links lead to pages of the site; add the files that it links to to *linked*."""

    def target(match: re.Match[str]) -> str:
        link, fragment = unquote(match[1]), match[2] or ""
        if not link or re.match("[a-z]+:", link):
            return match[0]
        wanted = normpath(f"{Path(path).parent}/{link}")
        if f"{wanted}/README.md" in known:
            wanted = f"{wanted}/README.md"
        if wanted in known:
            return relpath(wanted, Path(path).parent) + fragment
        if not (ROOT / wanted).exists():
            raise BrokenLink(f"{path} links to {link}, which does not exist")
        linked.add(wanted)
        if wanted.endswith(_PICTURES):
            return relpath(wanted, Path(path).parent)
        line = re.fullmatch(r"#L(\d+).*", fragment)
        return relpath(_page(wanted), Path(path).parent) + (f"#__codelineno-0-{line[1]}" if line else "")

    parts = []
    for part in _split(text):
        parts.append(part if part.startswith("```") else _LINK.sub(target, part))
    return _lists(_DIAGRAM.sub(_WIDE, "".join(parts)))


def _split(text: str) -> Iterator[str]:
    """Yield the text between blocks of code, and the blocks."""
    end = 0
    for block in _FENCE.finditer(text):
        yield text[end : block.start()]
        yield block[0]
        end = block.end()
    yield text[end:]


def _lists(text: str) -> str:
    """Return Markdown for Python-Markdown, which wants what belongs to an item of a list to be indented by four."""
    lines, inside = [], False
    for line in text.split("\n"):
        if re.match(r"(\* |- |\d+\. )", line):
            inside = True
        elif line and not line.startswith(" "):
            inside = False
        indent = len(line) - len(line.lstrip(" "))
        lines.append(" " * (4 * -(-indent // 4) - indent) + line if inside and indent else line)
    return "\n".join(lines)


def _page(path: str) -> str:
    """Return the path of the page of a file or a folder. The generator leaves out names that begin with a dot."""
    visible = re.sub(r"(^|/)\.", r"\1dot-", path)
    return f"{visible}.md" if (ROOT / path).is_file() else f"{visible}/index.md"


def _code(path: str) -> str:
    language = _LANGUAGES.get(Path(path).suffix, "text")
    text = (ROOT / path).read_text()
    fence = "`" * (max((len(ticks) for ticks in re.findall("`+", text)), default=2) + 3)
    return f'# {path}\n\n{fence}{{ .{language} linenums="1" }}\n{text.rstrip()}\n{fence}\n'


def _listing(path: str) -> str:
    names = sorted(each.name + "/" * each.is_dir() for each in (ROOT / path).iterdir() if each.name[0] not in "._")
    titles = {name: (ROOT / path / name).read_text().partition("\n")[0] for name in names if name.endswith(".md")}
    lines = [f"* [{titles[name].lstrip('# ')}]({name})" if name in titles else f"* `{name}`" for name in names]
    return f"# {path}\n\n" + "\n".join(lines) + "\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
