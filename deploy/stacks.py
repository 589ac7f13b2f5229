"""CloudFormation stacks: deploy, read and delete them."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from pathlib import Path
from typing import Any, Literal

import yaml
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import intrinsics_multi_constructor

from deploy.account import client
from deploy.errors import StackFailed

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_FIRST_LOOK, _POLL = 0.05, 5
"""Seconds until the first look at a stack, and between two looks at most. A local AWS makes a small stack at once."""
_PUBLIC = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]


def deploy(name: str, template: str, parameters: dict[str, str]) -> dict[str, str]:
    """Create or update the stack from the text of a template, and return its outputs. Raises StackFailed.

    Passes only the parameters that the template declares. On an update, those that are not passed keep their values.
    """
    cloudformation = client("cloudformation")
    bucket, key = upload(template.encode(), ".template")
    url = f"{client('s3').meta.endpoint_url}/{bucket}/{key}"
    declared = {p["ParameterKey"] for p in cloudformation.get_template_summary(TemplateURL=url)["Parameters"]}
    given = {key: value for key, value in parameters.items() if key in declared}
    change = "update" if _ready(name) else "create"
    kept = (parameters_of(name).keys() & declared) - given.keys() if change == "update" else set()
    request = {
        "StackName": name,
        "TemplateURL": url,
        "Parameters": [
            *({"ParameterKey": key, "ParameterValue": value} for key, value in given.items()),
            *({"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)),
        ],
        "Capabilities": _CAPABILITIES,
    }
    try:
        getattr(cloudformation, f"{change}_stack")(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise StackFailed(f"{name}: {error}") from error
        return outputs(name)
    if _ended(name) != f"{change.upper()}_COMPLETE":
        raise StackFailed(f"{name}: {_reasons(name)}")
    return outputs(name)


def outputs(name: str, missing_ok: bool = False, region: str | None = None) -> dict[str, str]:
    """Return the outputs of the stack, by default in this Region; none if it does not exist and *missing_ok*."""
    return {each["OutputKey"]: each["OutputValue"] for each in _described(name, missing_ok, region).get("Outputs", [])}


def parameters_of(name: str, missing_ok: bool = False) -> dict[str, str]:
    """Return the parameters of the stack; none if it does not exist and *missing_ok*."""
    described = _described(name, missing_ok)
    return {each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", [])}


def existing() -> set[str]:
    """Return the names of all stacks of the account in this Region."""
    pages = client("cloudformation").get_paginator("describe_stacks").paginate()
    return {stack["StackName"] for page in pages for stack in page["Stacks"]}


def exports() -> set[str]:
    """Return the names of everything that the stacks of the account export in this Region."""
    pages = client("cloudformation").get_paginator("list_exports").paginate()
    return {export["Name"] for page in pages for export in page["Exports"]}


def resources(name: str) -> dict[str, tuple[str, str]]:
    """Return by logical id the type and the physical id of each resource of the stack."""
    pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {r["LogicalResourceId"]: (r["ResourceType"], r["PhysicalResourceId"]) for r in listed}


def template_of(name: str, template_stage: Literal["Original", "Processed"] = "Processed") -> Any:
    """Return the template of the stack as a document, before or after its transforms.

    A stack that is not complete has one, too.
    """
    body = client("cloudformation").get_template(StackName=name, TemplateStage=template_stage)["TemplateBody"]
    return body if isinstance(body, dict) else read(body)


def retained(name: str) -> set[str]:
    """Return the logical ids of the resources that CloudFormation keeps when it deletes the stack."""
    declared = template_of(name)["Resources"]
    return {logical for logical, resource in declared.items() if resource.get("DeletionPolicy", "Delete") != "Delete"}


def delete(name: str) -> None:
    """Delete the stack and wait until it is deleted. Raises StackFailed."""
    _ended(name)  # AWS deletes no stack that it is updating
    client("cloudformation").delete_stack(StackName=name)
    if _ended(name) is not None:
        raise StackFailed(f"{name}: {_reasons(name)}")


@functools.cache
def read(template: str) -> Any:
    """Return the text of a template as a document, with intrinsic functions in their long form. Do not change it."""
    return parse(template)


def parse(template: str) -> Any:
    """Return the text of a template as a new document, with intrinsic functions in their long form."""
    return yaml.load(template, Loader=_Loader)  # noqa: S506


class _Loader(yaml.CSafeLoader):
    """Loads templates by libyaml, which takes an eighth of the time."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def upload_code(template: dict[str, Any], folder: Path) -> str:
    """Upload the zips that a SAM template in *folder* refers to; return the template as JSON that refers to S3.

    It does what `aws cloudformation package` does, for functions and layers. Functions with one zip share its upload.
    """
    places = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
    uploaded = functools.cache(lambda name: "s3://" + "/".join(upload((folder / name).read_bytes(), ".zip")))
    for resource in template["Resources"].values():
        place = places.get(resource["Type"])
        if place and isinstance(resource["Properties"][place], str):
            resource["Properties"][place] = uploaded(resource["Properties"][place])
    return json.dumps(template, indent=1)


def upload(content: bytes, suffix: str) -> tuple[str, str]:
    """Store *content* in the account's bucket for code and templates; return bucket and key."""
    (bucket, account), key = _artifacts(), hashlib.sha256(content).hexdigest() + suffix
    client("s3").put_object(Bucket=bucket, Key=key, Body=content, ExpectedBucketOwner=account)
    return bucket, key


def artifacts() -> str:
    """Return the name of the account's bucket for code and templates, which is created on first use."""
    return _artifacts()[0]


def artifacts_name() -> str:
    """Return the name that the account's bucket for code and templates has, whether it exists or not."""
    account, region = client("sts").get_caller_identity()["Account"], client("s3").meta.region_name
    return f"chalice-suite-artifacts-{account}-{region}"


_NEVER_CREATED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS")
"""The states of a stack whose creation failed or never began. AWS neither updates it nor creates another one."""

_STUCK = {
    "UPDATE_ROLLBACK_FAILED": "mend the cause, and run `aws cloudformation continue-update-rollback --stack-name {}`",
    "DELETE_FAILED": "mend the cause, and run `aws cloudformation delete-stack --stack-name {}`",
}
"""The states that only a person can end, and how.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""


def _ready(name: str) -> bool:
    """Bring the stack to where it can be created or updated; return whether it exists.

    A command that was killed leaves CloudFormation at work, so this waits for its end. Raises StackFailed.
    """
    status = _ended(name)
    if status in _STUCK:
        raise StackFailed(f"{name} is in {status}, {_reasons(name)}: {_STUCK[status].format(name)} first")
    if status in _NEVER_CREATED:
        delete(name)
        return False
    return status is not None


def _described(name: str, missing_ok: bool, region: str | None = None) -> dict[str, Any]:
    """Return the description of the stack; an empty one if it does not exist and *missing_ok*."""
    try:
        stack: dict[str, Any] = client("cloudformation", region).describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if missing_ok and "does not exist" in str(error):
            return {}
        raise
    return {} if missing_ok and stack["StackStatus"] in (*_NEVER_CREATED, "DELETE_COMPLETE") else stack


def _status(name: str) -> str | None:
    """Return the status of the stack, or None if there is none."""
    try:
        status = str(_described(name, missing_ok=False)["StackStatus"])
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if status == "DELETE_COMPLETE" else status


def _ended(name: str) -> str | None:
    """Wait until CloudFormation does no more with the stack; return its status, or None if there is none."""
    longest = min(client("cloudformation").get_waiter("stack_create_complete").config.delay, _POLL)
    pause = _FIRST_LOOK
    while (status := _status(name)) and status.endswith("_IN_PROGRESS") and status not in _NEVER_CREATED:
        time.sleep(pause)
        pause = min(2 * pause, longest)
    return status


def _reasons(name: str) -> str:
    """Return why the last operation failed."""
    cloudformation = client("cloudformation")
    reasons: list[str] = []
    for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:  # newest first
        of_stack = event.get("PhysicalResourceId") == event["StackId"]
        if of_stack and event["ResourceStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"):
            break
        if event["ResourceStatus"].endswith("FAILED") and "cancelled" not in str(event):
            reasons.insert(0, f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}")
    if any("DescribeEvents" in reason for reason in reasons):  # the validation before the deployment has its own list
        invalid = cloudformation.describe_events(StackName=name, Filters={"FailedEvents": True})["OperationEvents"]
        reasons += [e["ValidationStatusReason"] for e in invalid if "ValidationStatusReason" in e]
    return "; ".join(reasons) or str(_status(name))


@functools.cache
def _artifacts() -> tuple[str, str]:
    """Return the account's bucket for code and templates, created on first use, and the account.

    Another account may have created a bucket of this name, and deployments read from it. Each request therefore names
    the account that must own it. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """
    s3, account = client("s3"), client("sts").get_caller_identity()["Account"]
    region, bucket = s3.meta.region_name, artifacts_name()
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError:
        configuration = {} if region == "us-east-1" else {"LocationConstraint": region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": configuration} if configuration else {}))
        s3.put_public_access_block(
            Bucket=bucket, ExpectedBucketOwner=account, PublicAccessBlockConfiguration=dict.fromkeys(_PUBLIC, True)
        )
    return bucket, account
