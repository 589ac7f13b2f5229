"""`python -m deploy delete`: it says what it deletes and where, and asks. tests/e2e/test_clone.py deletes a stage."""

from __future__ import annotations

import io
import sys

import boto3
import pytest

from deploy import __main__ as command
from deploy import delete, stages

TARGET = "account 000000000000, Region us-east-1, endpoint https://cloudformation.us-east-1.amazonaws.com"


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that the command deletes."""
    deleted: list[str] = []
    monkeypatch.setattr(command, "target", lambda: TARGET)
    monkeypatch.setattr(command, "contents", lambda stage: [("AWS::DynamoDB::Table", f"todo-app-{stage}-todos")])
    monkeypatch.setattr(command, "delete", lambda stage, force: deleted.append(stage) or [])
    monkeypatch.setattr(stages, "stacks_of", lambda stage: {f"todo-app-{stage}": "todo-app"})
    return deleted


def run(monkeypatch: pytest.MonkeyPatch, typed: str, *options: str) -> str | None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    monkeypatch.setattr(sys, "argv", ["deploy", "delete", "feature-x", *options])
    return command.main()


def test_a_stage_is_deleted_when_its_name_is_typed(
    deleted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "feature-x\n") is None

    printed = capsys.readouterr().out
    assert printed.startswith(TARGET)
    assert "todo-app-feature-x-todos" in printed
    assert deleted == ["feature-x"]


@pytest.mark.parametrize("typed", ["", "\n", "y\n", "feature\n"])
def test_nothing_is_deleted_when_anything_else_is_typed(
    typed: str, deleted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, typed) == "Nothing was deleted."
    assert deleted == []


def test_force_does_not_ask(deleted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "", "--force") is None
    assert deleted == ["feature-x"]


def test_without_a_stack_of_the_stage_nothing_is_deleted(deleted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "stacks_of", lambda stage: {})

    assert "SANDBOX=1" in str(run(monkeypatch, "feature-x\n"))
    assert deleted == []


def test_the_log_groups_of_functions_that_are_gone_are_deleted(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    logs = boto3.client("logs")
    names = [f"/aws/lambda/todo-app-{name}" for name in ("gone", "gone-make_thumbnails", "goner", "other")]
    for name in names:
        logs.create_log_group(logGroupName=name)

    delete.delete("gone")

    left = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/todo-app-")["logGroups"]
    assert [group["logGroupName"] for group in left] == names[2:]
