"""Imports point one way: app, wiring, what is outside, the domain, common."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
APPS = sorted(config.parent.parent for config in ROOT.glob("*/.chalice/config.json"))
AWS = {"boto3", "botocore", "amazondax"}


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def packages(file: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(file)}


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_only_app_and_wiring_know_the_wiring(app: Path) -> None:
    for file in (app / "chalicelib").glob("*.py"):
        if file.name != "wiring.py":
            assert "chalicelib.wiring" not in imports(file), file
        assert "app" not in packages(file), file


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_the_domain_knows_no_aws_and_no_http(app: Path) -> None:
    outside = [file for file in (app / "chalicelib").glob("*.py") if packages(file) & (AWS | {"chalice"})]
    knows = {"common.aws", "common.rest"}
    domain = [
        file
        for file in (app / "chalicelib").glob("*.py")
        if file.name not in ("wiring.py", "__init__.py") and file not in outside and not imports(file) & knows
    ]

    assert domain, "no domain at all"
    for file in domain:
        assert not (packages(file) | imports(file)) & {"os", "socket", "http", "urllib.request", "requests"}, file


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_handlers_decide_nothing(app: Path) -> None:
    for node in ast.parse((app / "app.py").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            assert len(node.body) <= 6, node.name
            kinds = {type(inner) for inner in ast.walk(node)}
            assert not kinds & {ast.If, ast.Try, ast.For, ast.While}, node.name


def test_common_knows_no_app() -> None:
    for file in (ROOT / "common").glob("*.py"):
        assert not packages(file) & {"chalicelib", "app", "sandbox", "deploy"}, file


def test_no_app_knows_the_sandbox() -> None:
    for app in APPS:
        for file in [app / "app.py", *(app / "chalicelib").glob("*.py")]:
            assert not packages(file) & {"sandbox", "deploy", "tests"}, file


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_every_route_is_in_a_readme(app: Path) -> None:
    readme = "".join(file.read_text() for file in (ROOT / "README.md", app / "README.md") if file.exists())
    for node in ast.walk(ast.parse((app / "app.py").read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "route":
            path = str(ast.literal_eval(node.args[0])).partition("{")[0].rstrip("/")
            assert f" {path}" in readme, path
