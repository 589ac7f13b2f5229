"""The pages of the documentation's site: what `make docs` gives to its generator."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from docs.site import api, pages
from docs.site.configuration import configuration


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """The pages of a small repository, and the documents among them."""
    root = tmp_path / "repository"
    files = {
        "README.md": "# It\n\n[docs](docs), [code](app.py#L2), [folder](code), [the app](one-app)\n\n"
        "```\n[x](gone.md)\n```\n",
        "docs/README.md": "# Docs\n\n1. A step:\n\n   ```\n   make\n   ```\n\n"
        "See [page](page.md#part) and [out](https://a.example/b).\n",
        "docs/page.md": "# Page\n\n## Part\n\n[hidden](../.hidden/a.json#L1)\n\n"
        '![picture](picture.svg)\n\n<img src="../other.svg">\n',
        "docs/picture.svg": "<svg/>",
        "other.svg": "<svg/>",
        "one-app/README.md": "# One\n\n```mermaid\nflowchart LR\n```\n",
        "app.py": 'first = 1\nsecond = """```"""\n',
        "code/a.py": "",
        ".hidden/a.json": "{}",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(pages, "ROOT", root)
    monkeypatch.setattr(pages, "_tracked", lambda: set(files))
    return tmp_path / "pages", pages.write(tmp_path / "pages")


def test_links_lead_to_pages(written: tuple[Path, list[str]]) -> None:
    folder, documents = written

    assert documents == ["README.md", "docs/README.md", "docs/page.md", "one-app/README.md"]
    start = (folder / "README.md").read_text()
    links = "[docs](docs/README.md), [code](app.py.md#__codelineno-0-2), [folder](code/index.md)"
    assert f"{links}, [the app](one-app/README.md)" in start
    assert "```\n[x](gone.md)\n```" in start, "code is no link"
    assert "See [page](page.md#part) and [out](https://a.example/b)." in (folder / "docs/README.md").read_text()


def test_a_file_and_a_folder_and_a_picture_are_in_the_site(written: tuple[Path, list[str]]) -> None:
    folder, _ = written

    assert "[hidden](../dot-hidden/a.json.md#__codelineno-0-1)" in (folder / "docs/page.md").read_text()
    assert (folder / "dot-hidden/a.json.md").exists()
    code = (folder / "app.py.md").read_text()
    assert code.startswith('# app.py\n\n``````{ .python linenums="1" }\nfirst = 1\n'), "more ticks than the code has"
    assert "* `a.py`" in (folder / "code/index.md").read_text()
    assert (folder / "docs/picture.svg").read_text() == (folder / "other.svg").read_text() == "<svg/>"


def test_what_belongs_to_a_step_is_indented_by_four(written: tuple[Path, list[str]]) -> None:
    folder, _ = written

    assert "1. A step:\n\n    ```\n    make\n    ```\n\nSee" in (folder / "docs/README.md").read_text()


def test_a_diagram_is_in_a_box_that_scrolls(written: tuple[Path, list[str]]) -> None:
    folder, _ = written

    box = '<div class="wide" markdown>\n\n```mermaid\nflowchart LR\n```\n\n</div>'
    assert box in (folder / "one-app/README.md").read_text()


def test_every_page_of_the_menu_is_a_document() -> None:
    documents = [*pages.documents(), *(f"docs/api/{app}.md" for app in ("todo-app",))]

    menu = tomllib.loads(configuration(documents))["project"]["nav"]

    named = [path for group in menu for paths in group.values() for path in paths]
    assert set(named) - {"docs/decisions/index.md"} <= set(documents)
    pages_of_docs = {path for path in documents if path.startswith("docs/") and path.count("/") == 1}
    assert pages_of_docs <= set(named), "docs/README.md names every page"


def test_the_reference_of_an_api_has_requests_and_types() -> None:
    document = {
        "info": {"title": "one-app"},
        "paths": {
            "/things/{id}": {
                "get": {
                    "summary": "Get thing.",
                    "security": [{"cognito": []}],
                    "parameters": [{"$ref": "#/components/parameters/id"}],
                    "responses": {
                        "200": {
                            "description": "a|b",
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                        }
                    },
                }
            }
        },
        "components": {
            "parameters": {"id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}},
            "schemas": {
                "Thing": {
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "maxLength": 9},
                        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
                        "other": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
                    },
                }
            },
        },
    }

    text = api.reference(json.loads(json.dumps(document)))

    for line in (
        "## GET /things/{id}",
        "Needs: `cognito`.",
        "| `id` (required) | path | string |",
        "| 200 | a\\|b | [Thing](#thing) |",
        "| `name` (required) | string, maxLength `9` |",
        "| `tags` | list of `a`, `b` |",
        "| `other` | [Thing](#thing) or null |",
    ):
        assert line in text.replace("\n\n", "\n").split("\n"), line


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text("[x](gone.py)")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "_tracked", lambda: {"README.md"})

    with pytest.raises(pages.BrokenLink, match=r"README.md links to gone.py, which does not exist"):
        pages.write(tmp_path / "pages")
