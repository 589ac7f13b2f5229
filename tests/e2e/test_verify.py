"""`make verify` on the deployed stage: green, nothing left, and red with the step's name when one thing is broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from contents import everything
from users import stage
from waiting import until

from deploy import apps, stacks, stages
from sandbox.settings import Settings

ROOT = Path(__file__).parent.parent.parent
UPDATES = "updates"


def verify(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user runs it."""
    command = ["make", "--assume-old=.venv/run", "verify", f"STAGE={stage()}", *options]
    environment = os.environ | Settings.from_environment().environment
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def identities() -> list[str]:
    """Return the users of the stage's user pools, and the identities of its identity pools."""
    cognito, pools = boto3.client("cognito-idp"), boto3.client("cognito-identity")
    found = []
    for app in stages.of(stage()):
        outputs = stacks.outputs(apps.stack(app, stage(), "resources"))
        if "UserPoolId" in outputs:
            pages = cognito.get_paginator("list_users").paginate(UserPoolId=outputs["UserPoolId"])
            found += [user["Username"] for page in pages for user in page["Users"]]
        if "IdentityPoolId" in outputs:
            listed = pools.list_identities(IdentityPoolId=outputs["IdentityPoolId"], MaxResults=60)["Identities"]
            found += [identity["IdentityId"] for identity in listed]
    return sorted(found)


def kept() -> set[str]:
    """Return what the stage holds, without what its reports say: they are made again all the time."""
    changing = re.compile(r"quality|#arrivals|#freshness|#object|'(errors|arrival day)/|^athena/|^runs/")
    return {line for line in everything(stage()).splitlines() if not changing.search(line)}


def made() -> list[str]:
    """Return what the stage holds of any verification, for example from a consumer that was stopped for a test."""
    return [line for line in everything(stage()).splitlines() if "verify-" in line]


@pytest.mark.alone
def test_every_journey_passes_and_leaves_nothing(sandbox: dict[str, Any]) -> None:
    before, before_made, people = kept(), made(), identities()

    done = verify()

    assert done.returncode == 0, done.stdout + done.stderr
    passed = set(re.findall(r"^([\w-]+): passed", done.stdout, re.MULTILINE))
    assert passed >= {*stages.of(stage()), UPDATES}
    for ending in ("xml", "html"):
        assert (ROOT / "dist" / f"verify-{stage()}.{ending}").stat().st_size > 1000
    assert identities() == people
    assert kept() == before
    assert made() == before_made


# One thing is broken


def physical(app: str, logical: str) -> str:
    """Return the physical id of a resource of the app's stack."""
    return stacks.resources(apps.stack(app, stage(), "app"))[logical][1]


@contextmanager
def denied(app: str, role: str, action: str) -> Iterator[None]:
    """A role lacks a permission."""
    iam, name = boto3.client("iam"), physical(app, role)
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="denied", PolicyDocument=policy)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="denied")


@contextmanager
def stopped(app: str, function: str) -> Iterator[None]:
    """A consumer of a stream or of a queue is stopped."""
    functions, name = boto3.client("lambda"), physical(app, function)
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]

    def enable(enabled: bool) -> None:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)
        wanted = "Enabled" if enabled else "Disabled"
        until(lambda: functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == wanted)

    enable(False)
    try:
        yield
    finally:
        enable(True)


@contextmanager
def wrong_origin(distribution: str, origin: str) -> Iterator[None]:
    """A distribution reads from a place that does not exist."""
    cloudfront = boto3.client("cloudfront")

    def set_path(path: str) -> None:
        found = cloudfront.get_distribution_config(Id=distribution)
        config = found["DistributionConfig"]
        (changed,) = (each for each in config["Origins"]["Items"] if each["Id"] == origin)
        changed["OriginPath"] = path
        cloudfront.update_distribution(Id=distribution, IfMatch=found["ETag"], DistributionConfig=config)
        invalidate(distribution)

    set_path("/nowhere")
    try:
        yield
    finally:
        set_path("")


def invalidate(distribution: str) -> None:
    """Let the edge read its configuration again, and forget what it has."""
    cloudfront = boto3.client("cloudfront")
    batch = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": os.urandom(8).hex()}
    made = cloudfront.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)["Invalidation"]["Id"]
    cloudfront.get_waiter("invalidation_completed").wait(DistributionId=distribution, Id=made)


def distribution_of(app: str) -> str:
    return stacks.outputs(apps.stack(app, stage(), "edge"))["DistributionId"]


def updates_distribution() -> str:
    return stacks.outputs(f"updates-{stage()}")["DistributionId"]


BROKEN: dict[str, tuple[Callable[[], AbstractContextManager[None]], str]] = {
    "todo-app": (
        lambda: denied("todo-app", "ApiHandlerRole", "s3:PutObject"),
        "A presigned upload takes the announced file, and no byte more.",
    ),
    "blog-app": (lambda: stopped("blog-app", "WelcomeSubscribers"), "A subscriber gets a welcome mail."),
    "video-app": (
        lambda: wrong_origin(distribution_of("video-app"), "content"),
        "The signed link plays through the distribution, also from the middle.",
    ),
    "receipts-app": (
        lambda: stopped("receipts-app", "SendReceipts"),
        "A purchase in the shop becomes a receipt, and SES takes its mail.",
    ),
    "pipeline-app": (
        lambda: stopped("pipeline-app", "TrackDevices"),
        "The API shows the latest values of the device.",
    ),
    "updates": (lambda: wrong_origin(updates_distribution(), "servers"), "A client gets the list of releases."),
}
"""For each app something to break, and the step that must fail then."""


@pytest.mark.alone
def test_one_broken_thing_is_named_for_each_app(sandbox: dict[str, Any]) -> None:
    def run(app: str) -> subprocess.CompletedProcess[str]:
        broken, _ = BROKEN[app]
        with broken():
            return verify(f"APP={app}", "LONGEST=20")

    with ThreadPoolExecutor(len(BROKEN)) as pool:
        runs = dict(zip(BROKEN, pool.map(run, BROKEN), strict=True))

    for app, (_, failed) in BROKEN.items():
        assert runs[app].returncode != 0, runs[app].stdout
        assert f"verify failed: {app}: “{failed}” Expected " in runs[app].stderr, runs[app].stdout
        assert f"{app}: failed: {failed}" in runs[app].stdout
