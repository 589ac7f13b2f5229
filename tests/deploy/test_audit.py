"""`make audit`: exceptions with reasons, and the permissions that are granted and used."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy import apps, order
from deploy.audit import __main__ as command
from deploy.audit import permissions
from deploy.audit.findings import Accepted, Finding, exceptions, judged
from deploy.errors import PackageFailed

FINDING = Finding("checkov", "CKV_1", "todo-app/resources Files", "Ensure something")
ROLE = ("todo-app/app", "ApiHandlerRole")


@pytest.mark.parametrize(
    ("accepted", "open_", "stale"),
    [
        ([], 1, 0),
        ([Accepted("checkov", "CKV_1", "a reason")], 0, 0),
        ([Accepted("checkov", "CKV_1", "a reason", ["todo-app/* Files"])], 0, 0),
        ([Accepted("checkov", "CKV_1", "a reason", ["blog-app/*"])], 1, 1),
        ([Accepted("checkov", "CKV_2", "a reason")], 1, 1),
        ([Accepted("checkov", "CKV_*", "a reason")], 0, 0),
        ([Accepted("cfn-lint", "CKV_1", "a reason")], 1, 0),  # a tool that did not run
    ],
)
def test_a_finding_needs_a_reason_and_a_reason_a_finding(accepted: list[Accepted], open_: int, stale: int) -> None:
    left, unused = judged([FINDING, FINDING], accepted, ["checkov"])

    assert (len(left), len(unused)) == (open_, stale)


def test_each_exception_has_a_reason_and_stands_once() -> None:
    listed = exceptions()

    assert all(len(each.because.split()) >= 5 for each in listed)
    assert len({(each.tool, each.rule, tuple(each.places)) for each in listed}) == len(listed)


TEMPLATE = """
Resources:
  ApiHandlerRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: own
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: 'dynamodb:Get*', Resource: '*'}
              - {Effect: Deny, Action: 's3:*', Resource: '*'}
  More:
    Type: AWS::IAM::Policy
    Properties:
      Roles: [!Ref ApiHandlerRole]
      PolicyDocument:
        Statement: {Effect: Allow, Action: [sqs:SendMessage], Resource: '*'}
"""


@pytest.fixture
def templates(tmp_path: Path) -> dict[str, Path]:
    file = tmp_path / "app.yaml"
    file.write_text(TEMPLATE)
    return {"todo-app/app": file}


def use(
    action: str, decision: str = "Allow", role: str = "todo-app-test-ApiHandlerRole-ABC123", session: str = "function"
) -> str:
    return json.dumps({"role": role, "session": session, "action": action, "decision": decision, "resource": "*"})


def test_what_policies_allow_is_read_from_the_templates(templates: dict[str, Path]) -> None:
    assert permissions.granted(templates) == {ROLE: {"dynamodb:Get*", "sqs:SendMessage"}}


def test_what_was_used_is_kept_without_the_names_of_the_stage(templates: dict[str, Path]) -> None:
    used = [use("dynamodb:GetItem"), use("dynamodb:GetItem"), use("s3:GetObject", "Deny"), use("x:Y", role="own-1")]
    used.append(use("sqs:SendMessage", session=permissions.TRIAL))

    kept = [json.loads(line) for line in permissions.record(used, permissions.granted(templates), "test")]

    assert kept == [
        {"template": "todo-app/app", "role": "ApiHandlerRole", "action": "dynamodb:GetItem", "decision": "Allow"},
        {"template": "todo-app/app", "role": "ApiHandlerRole", "action": "s3:GetObject", "decision": "Deny"},
    ]


def test_what_is_missing_and_what_is_too_much_is_found(templates: dict[str, Path]) -> None:
    grants = permissions.granted(templates)
    used = [use("dynamodb:GetItem"), use("dynamodb:GetItem", "Deny"), use("s3:GetObject", "Deny")]
    lines = permissions.record(used, grants, "test")

    found = list(permissions.compared(grants, lines))

    assert [(each.rule, each.place, each.message) for each in found] == [
        ("missing s3:GetObject", "todo-app/app ApiHandlerRole", "s3:GetObject was denied"),
        ("unused sqs:SendMessage", "todo-app/app ApiHandlerRole", "sqs:SendMessage was never used"),
    ]


def test_every_template_that_a_release_deploys_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.audit import templates as module

    monkeypatch.setattr(module, "packaged", lambda app, folder: "{}")
    written = module.write(tmp_path)

    kinds = [(app, kind) for app in apps.names() for kind in apps.KINDS if kind in order.steps(app)]
    files = {f"{file.parent.name}/{kind}" for app, kind in kinds if (file := apps.template_file(app, kind))}
    assert files | {"updates/before", "updates/after", "deploy/dax", "deploy/account"} <= set(written)


def test_an_app_that_cannot_be_packaged_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.audit import templates as module

    place = f'File "{apps.ROOT}/todo-app/app.py", line 3, in <module>'
    printed = f"Traceback:\n  {place}\nNameError: name 'x' is not defined\n"
    failed = subprocess.CompletedProcess((), 1, stdout="", stderr=printed)
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(module.policies, "write", lambda *_: None)

    with pytest.raises(PackageFailed) as refused:
        module.packaged("todo-app", tmp_path)

    assert str(refused.value) == "todo-app: todo-app/app.py, line 3: NameError: name 'x' is not defined"


def test_a_finding_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.templates, "write", lambda folder: {})
    monkeypatch.setattr(command, "transformed", lambda written, folder: ({}, [Finding("SAM", "x", "a/app", "bad")]))
    monkeypatch.setattr("sys.argv", ["audit", "--folder", str(tmp_path), "--tool", "SAM"])

    assert str(command.main()).startswith("1 lines above have no reason")
    assert "SAM x  a/app: bad" in capsys.readouterr().out
    shutil.rmtree(tmp_path)


def test_without_a_record_the_permissions_are_not_judged_and_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.templates, "write", lambda folder: {})
    monkeypatch.setattr(permissions, "USED", tmp_path / "used.jsonl")
    permissions.USED.touch()
    monkeypatch.setattr("sys.argv", ["audit", "--folder", str(tmp_path), "--tool", "permissions"])

    assert command.main() is None
    assert "permissions: not judged" in capsys.readouterr().out
