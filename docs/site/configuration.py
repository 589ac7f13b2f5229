"""The configuration of the generator, with the menu."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from posixpath import normpath

from docs.site.pages import ROOT

# Fonts, scripts and icons come from the site itself.
_SETTINGS = """[project]
site_name = "Chalice suite"
docs_dir = "pages"
site_dir = "site"
use_directory_urls = false
extra_css = ["site.css"]
extra_javascript = ["mermaid.js"]
nav = NAV

[project.extra]
generator = false

[project.theme]
font = false
features = ["content.code.copy", "navigation.indexes", "navigation.tabs", "search.highlight", "toc.follow"]

[[project.theme.palette]]
media = "(prefers-color-scheme: light)"
scheme = "default"
toggle = {icon = "lucide/sun", name = "Dark"}

[[project.theme.palette]]
media = "(prefers-color-scheme: dark)"
scheme = "slate"
toggle = {icon = "lucide/moon", name = "Light"}
"""


def configuration(documents: list[str]) -> str:
    """Return the configuration as TOML. The menu has the groups of docs/README.md, and what that leaves out."""
    groups = dict(_groups((ROOT / "docs" / "README.md").read_text()))
    groups["Systems"] = [path for path in documents if path.endswith("/README.md") and path.count("/") == 1][1:]
    groups["APIs"] = [path for path in documents if path.startswith("docs/api/")]
    groups["Decisions"] = [
        "docs/decisions/index.md",
        *sorted((p for p in documents if "/decisions/" in p), reverse=True),
    ]
    menu = [("Start", ["README.md", "docs/README.md"]), *groups.items()]
    sections = (f"{{{json.dumps(name)} = {json.dumps(paths)}}}" for name, paths in menu)
    return _SETTINGS.replace("NAV", f"[{', '.join(sections)}, {{Changelog = ['CHANGELOG.md']}}]")


def _groups(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the groups of the table in docs/README.md, each with the documents that it links to."""
    for group in re.split(r"^\| \*\*", text, flags=re.MULTILINE)[1:]:
        name, _, rows = group.partition("**")
        links = re.findall(r"\]\(([\w./-]+\.md)\)", rows)
        yield name[0].upper() + name[1:], [normpath(f"docs/{link}") for link in links]
