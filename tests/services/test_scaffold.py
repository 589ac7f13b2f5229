"""New services: which names work, and that a name that does not leaves nothing behind."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from services import openapi, scaffold

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, for which the contract of a service is not written."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    monkeypatch.setattr(scaffold, "ROOT", tmp_path)
    monkeypatch.setattr(openapi, "write", lambda app: None)
    return tmp_path


def files(root: Path) -> list[str]:
    found = [path.relative_to(root) for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in found if path.parts[0] != ".ruff_cache"]


@pytest.mark.parametrize(
    ("name", "thing"),
    [
        ("orders-app", "order"),
        ("movies-app", "movie"),
        ("addresses-app", "address"),
        ("categories-app", "category"),
        ("people-app", "person"),
        ("children-app", "child"),
        ("boxes-app", "box"),
        ("statuses-app", "status"),
    ],
)
def test_a_service_is_named_by_its_plural_and_each_thing_by_its_singular(root: Path, name: str, thing: str) -> None:
    scaffold.new(name)

    app = (root / name / "app.py").read_text()
    assert f"def get_{thing}({thing}_id: str)" in app
    assert f'"/{name.removesuffix("-app")}/{{{thing}_id}}"' in app
    for file in root.rglob("*.py"):
        ast.parse(file.read_text())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("returns-app", "the code already uses the name return"),
        ("imports-app", "import"),
        ("classes-app", "class"),
        ("keys-app", "key"),
        ("settings-app", "settings"),
        ("pages-app", "pages"),
        ("collections-app", "Collection"),
        ("lines-app", "Line"),
        ("apps-app", "app"),
        ("tables-app", "table"),
        ("items-app", "items"),
        ("lists-app", "list"),
        ("fields-app", "field"),
        ("versions-app", "version"),
        ("queries-app", "query"),
        ("tests-app", "tests"),
        ("testimonials-app", "pytest"),
        ("news-app", "plural"),
        ("series-app", "plural"),
        ("media-app", "plural"),
        ("price-lists-app", "one word"),
        ("pricelists2-app", "one word"),
        ("Orders-app", "one word"),
        ("orders", "one word"),
        ("../orders-app", "one word"),
        ("", "one word"),
    ],
)
def test_a_name_that_does_not_work_is_refused_with_the_reason(root: Path, name: str, reason: str) -> None:
    with pytest.raises(scaffold.ScaffoldError, match=reason):
        scaffold.new(name)

    assert files(root) == []


@pytest.mark.parametrize("error", [openapi.UnresolvedType("no type"), SyntaxError("broken"), KeyboardInterrupt()])
def test_a_service_that_cannot_be_finished_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(app: str) -> None:
        raise error

    monkeypatch.setattr(openapi, "write", fail)

    with pytest.raises((scaffold.ScaffoldError, KeyboardInterrupt)):
        scaffold.new("orders-app")

    assert files(root) == []
    assert not (root / "orders-app").exists()
