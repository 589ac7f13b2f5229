"""Posts in Markdown files, as authors and their programs write them. Imports no HTTP."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from chalicelib import markdown, pictures

_DESTINATION = re.compile(
    r"(\]\(\s*|\]:\s*)(<(?:\\.|[^<>\\\n])*>|(?:\\.|[^\s()<>\\]|\((?:\\.|[^\s()\\]|\([^\s()]*\))*\))+)"
)
"""What may be the destination of a link, an image or a reference (CommonMark 0.31, 6.3), also in code and comments."""


def parse(file: Path) -> dict[str, Any]:
    """Return the post in *file* as the API takes it, with its ``slug``. Raises ValueError without front matter."""
    text = file.read_text(encoding="utf-8-sig")
    found = re.fullmatch(r"---[ \t]*\n(.*?)\n---[ \t]*\n(.*)", text, re.DOTALL)
    if not found:
        raise ValueError(f"{file}: begin with front matter: a line of ---, lines of name: value, and a line of ---")
    post: dict[str, Any] = {"slug": slug(file.stem)}
    for line in found[1].splitlines():
        name, _, value = line.partition(":")
        if line.strip():
            post[name.strip()] = value.strip().strip('"')
    if "tags" in post:
        post["tags"] = [tag.strip() for tag in post["tags"].strip("[]").split(",") if tag.strip()]
    post["body_markdown"] = found[2].strip() + "\n"
    return post


def slug(name: str) -> str:
    """Return *name* as a part of an address: lower case, ASCII, and hyphens between the words."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def photos(source: str) -> list[str]:
    """Return the destinations of the images that *source* shows, as they are written, but not photos of the blog."""
    shown = _shown(source)
    found = [match[2] for index, match in enumerate(_DESTINATION.finditer(source)) if index in shown]
    return [written for written in dict.fromkeys(found) if not name(written).startswith("photo:")]


def name(written: str) -> str:
    """Return the name of the file, or the address, of a destination as it is *written*."""
    plain = written[1:-1] if written.startswith("<") else written
    plain = unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain))
    return plain if re.match(r"[a-z][a-z0-9+.-]+:", plain, re.IGNORECASE) else unquote(plain)


def with_photos(source: str, ids: Mapping[str, str]) -> str:
    """Return *source* with the photos of *ids*, which are by the destinations of images as they are written."""
    shown, index = _shown(source), -1

    def replaced(match: re.Match[str]) -> str:
        nonlocal index
        index += 1
        if index not in shown or match[2] not in ids:
            return match[0]
        return f"{match[1]}photo:{ids[match[2]]}"

    return _DESTINATION.sub(replaced, source)


def _shown(source: str) -> set[int]:
    """Return the numbers of the destinations that belong to images.

    The parser does not say where in the text an image is. So each destination gets a number, and the parser tells
    which of the numbers are images.
    """
    numbers = iter(range(len(source)))
    marked = _DESTINATION.sub(lambda match: f"{match[1]}photo:{next(numbers)}", source)
    return {int(number) for number in pictures.photo_ids(markdown.render(marked)) if number.isdecimal()}
