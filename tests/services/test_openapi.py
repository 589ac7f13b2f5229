"""The contract of each app: an OpenAPI document beside the code that always matches the code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chalice import Chalice
from msgspec import Struct
from openapi_spec_validator import validate

from common import rest
from services import openapi

ROOT = Path(__file__).parent.parent.parent
APPS = sorted(config.parent.parent.name for config in ROOT.glob("*/.chalice/config.json"))


def test_a_command_checks_the_document_of_an_app() -> None:
    """Each app's test_app.py checks its own."""
    command = [sys.executable, "-m", "services", "openapi", APPS[0], "--check"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("app", APPS)
def test_the_document_is_valid(app: str) -> None:
    validate(json.loads((ROOT / app / "openapi.json").read_text()))


class NewThing(Struct):
    name: str


module = SimpleNamespace(NewThing=NewThing)


def app_with(handler: Callable[[], Any]) -> Chalice:
    """An app with one route."""
    app = Chalice("things-app", configure_logs=False)
    app.route("/things", methods=["POST"])(handler)
    return app


def test_a_body_is_described_by_its_type() -> None:
    def add_thing() -> rest.Created[NewThing]:
        return rest.created(rest.body(app, NewThing))

    app = app_with(add_thing)

    described = openapi.document(app)["paths"]["/things"]["post"]

    schema = described["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/NewThing"}


@pytest.mark.parametrize("call", ["body", "query"])
def test_an_unresolved_type_raises_an_error_that_names_the_handler(call: str) -> None:
    def add_by_module() -> rest.Created[NewThing]:
        return rest.created(rest.body(app, module.NewThing))

    def add_by_query() -> rest.Created[NewThing]:
        return rest.created(rest.query(app, cls=NewThing))

    handler = {"body": add_by_module, "query": add_by_query}[call]
    app = app_with(handler)

    with pytest.raises(openapi.UnresolvedType, match=rf"{handler.__name__}: .*rest\.{call}"):
        openapi.document(app)


def test_a_missing_return_type_raises_an_error_that_names_the_handler() -> None:
    def add_untyped():  # type: ignore[no-untyped-def]
        return {}

    with pytest.raises(openapi.UnresolvedType, match="add_untyped"):
        openapi.document(app_with(add_untyped))
