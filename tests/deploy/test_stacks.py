"""A stack is created or updated from every state in which an earlier command may have left it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy import stacks
from deploy.errors import StackFailed

ID = "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1"


class CloudFormation:
    """A client of an account with one stack, whose status changes each time that somebody looks."""

    def __init__(self, statuses: list[str | None]) -> None:
        self._statuses = statuses
        self.done: list[str] = []
        self.events: list[tuple[str, str, str]] = []

    def describe_stacks(self, StackName: str) -> Any:
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status is None:
            error = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
            raise ClientError({"Error": error}, "DescribeStacks")
        return {"Stacks": [{"StackName": StackName, "StackStatus": status, "StackId": ID}]}

    def get_template_summary(self, TemplateURL: str) -> Any:
        return {"Parameters": []}

    def create_stack(self, **request: Any) -> None:
        self.done.append("create")
        self._statuses[:] = ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]

    def update_stack(self, **request: Any) -> None:
        self.done.append("update")
        self._statuses[:] = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]

    def delete_stack(self, StackName: str) -> None:
        self.done.append("delete")
        self._statuses[:] = ["DELETE_IN_PROGRESS", None]

    def describe_stack_events(self, StackName: str) -> Any:
        fields = ("PhysicalResourceId", "LogicalResourceId", "ResourceStatus", "ResourceStatusReason")
        events = [(ID if resource == "shop" else resource, resource, *rest) for resource, *rest in self.events]
        return {"StackEvents": [{"StackId": ID, **dict(zip(fields, event, strict=True))} for event in events]}

    def get_waiter(self, name: str) -> Any:
        return type("Waiter", (), {"config": type("Config", (), {"delay": 0})})


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str | None]], CloudFormation]:
    def account(statuses: list[str | None]) -> CloudFormation:
        client = CloudFormation(statuses)
        s3 = type("S3", (), {"meta": type("Meta", (), {"endpoint_url": "http://s3"})})
        monkeypatch.setattr(stacks, "client", lambda service, *_: client if service == "cloudformation" else s3)
        monkeypatch.setattr(stacks, "upload", lambda content, suffix: ("bucket", "key"))
        return client

    return account


@pytest.mark.parametrize(
    ("statuses", "done"),
    [
        ([None], ["create"]),
        (["DELETE_COMPLETE"], ["create"]),
        (["CREATE_COMPLETE"], ["update"]),
        (["UPDATE_COMPLETE"], ["update"]),
        (["UPDATE_ROLLBACK_COMPLETE"], ["update"]),
        (["IMPORT_COMPLETE"], ["update"]),
        (["ROLLBACK_COMPLETE"], ["delete", "create"]),
        (["ROLLBACK_FAILED"], ["delete", "create"]),
        (["REVIEW_IN_PROGRESS"], ["delete", "create"]),
        (["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"], ["update"]),
        (["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"], ["delete", "create"]),
        (["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"], ["update"]),
        (["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"], ["update"]),
        (["DELETE_IN_PROGRESS", None], ["create"]),
    ],
)
def test_every_state_comes_to_its_end(
    account: Callable[..., CloudFormation], statuses: list[str | None], done: list[str]
) -> None:
    client = account(statuses)

    stacks.deploy("shop", "", {})

    assert client.done == done


@pytest.mark.parametrize(
    ("statuses", "command"),
    [
        (["UPDATE_ROLLBACK_FAILED"], "aws cloudformation continue-update-rollback --stack-name shop"),
        (["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"], "continue-update-rollback --stack-name shop"),
        (["DELETE_FAILED"], "aws cloudformation delete-stack --stack-name shop"),
    ],
)
def test_a_state_that_only_a_person_can_end_is_named(
    account: Callable[..., CloudFormation], statuses: list[str | None], command: str
) -> None:
    client = account(statuses)
    client.events = [("Users", "UPDATE_FAILED", "no more pools"), ("shop", "UPDATE_IN_PROGRESS", "User Initiated")]

    with pytest.raises(StackFailed) as failed:
        stacks.deploy("shop", "", {})

    assert f"shop is in {statuses[-1]}, Users: no more pools: " in str(failed.value)
    assert command in str(failed.value)
    assert client.done == []


def test_the_reason_is_that_of_this_update(account: Callable[..., CloudFormation]) -> None:
    client = account(["UPDATE_ROLLBACK_COMPLETE"])
    client.update_stack = lambda **request: None  # type: ignore[method-assign]
    client.events = [
        ("shop", "UPDATE_ROLLBACK_COMPLETE", ""),
        ("Client", "UPDATE_FAILED", "Resource update cancelled"),
        ("Users", "UPDATE_FAILED", "no more pools"),
        ("shop", "UPDATE_IN_PROGRESS", "User Initiated"),
        ("Site", "UPDATE_FAILED", "an earlier reason"),
        ("shop", "UPDATE_IN_PROGRESS", "User Initiated"),
    ]

    with pytest.raises(StackFailed, match=r"^shop: Users: no more pools$"):
        stacks.deploy("shop", "", {})


def test_reading_a_stack_changes_nothing(account: Callable[..., CloudFormation]) -> None:
    client = account(["ROLLBACK_COMPLETE"])

    assert stacks.outputs("shop", missing_ok=True) == {}
    assert stacks.parameters_of("shop", missing_ok=True) == {}
    assert client.done == []


def test_functions_with_one_zip_share_its_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads: list[bytes] = []

    def upload(content: bytes, suffix: str) -> tuple[str, str]:
        uploads.append(content)
        return "bucket", f"{content.decode()}{suffix}"

    monkeypatch.setattr(stacks, "upload", upload)
    for name in ("code", "layer"):
        (tmp_path / f"{name}.zip").write_text(name)
    function = {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "./code.zip"}}
    layer = {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "./layer.zip"}}
    template = {"Resources": {"One": function, "Two": copy.deepcopy(function), "Layer": layer}}

    resources = json.loads(stacks.upload_code(template, tmp_path))["Resources"]

    assert sorted(uploads) == [b"code", b"layer"]
    assert {resources[name]["Properties"]["CodeUri"] for name in ("One", "Two")} == {"s3://bucket/code.zip"}
    assert resources["Layer"]["Properties"]["ContentUri"] == "s3://bucket/layer.zip"
