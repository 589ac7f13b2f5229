"""`make close` and `make open`: the function of an API gets the routes that are closed."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from typing import Any

import boto3
import pytest

from deploy import close
from deploy.errors import NotDeployed
from localaws.testing import active

APP = "todo-app"


@pytest.fixture
def stage(emulator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stage with the function that `chalice deploy` makes for the API of todo-app."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    stage, code = uuid.uuid4().hex[:6], io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def app(event, context):\n    pass\n")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Statement": [trust]})
    role = boto3.client("iam").create_role(RoleName=f"{APP}-{stage}", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    functions = boto3.client("lambda")
    functions.create_function(
        FunctionName=f"{APP}-{stage}",
        Runtime="python3.13",
        Handler="app.app",
        Role=role,
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"STAGE": stage}},
    )
    active(functions, f"{APP}-{stage}")
    return stage


def variables(stage: str) -> dict[str, Any]:
    configuration = boto3.client("lambda").get_function_configuration(FunctionName=f"{APP}-{stage}")
    return dict(configuration["Environment"]["Variables"])


def test_routes_are_closed_and_opened_one_by_one(stage: str) -> None:
    assert close.close(APP, stage, "POST /files") == ["POST /files"]
    assert close.close(APP, stage, "DELETE /todos/{todo_id}") == ["DELETE /todos/{todo_id}", "POST /files"]
    assert variables(stage) == {"STAGE": stage, "CLOSED_ROUTES": "DELETE /todos/{todo_id};POST /files"}

    assert close.reopen(APP, stage, "POST /files") == ["DELETE /todos/{todo_id}"]
    assert close.reopen(APP, stage, "DELETE /todos/{todo_id}") == []
    assert variables(stage) == {"STAGE": stage}


def test_a_route_that_the_app_has_not_is_refused_with_its_writes(stage: str) -> None:
    with pytest.raises(NotDeployed, match=r"no route 'POST /file'. Its writes: .*POST /files"):
        close.close(APP, stage, "POST /file")

    assert variables(stage) == {"STAGE": stage}
