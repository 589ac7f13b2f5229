"""A whole stage, all stacks under one name: made like another one, or deleted with all that is in it.

`python -m deploy.stages clone|delete`: see `make help`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy import apps, signing_keys, site, stacks, updates

_SITE_OF_ITS_OWN = {"SiteUrl", "Domain", "Certificate", "DomainCertificate", "OriginDomain"}
"""Parameters that say where a stage is; no two stages can be at one place."""

_MARK = "/{stage}/clone-of"
"""The SSM parameter that says of which stage another is a clone."""


class Refused(Exception):
    """This cannot be cloned or deleted; the message says why."""


def clone(source: str, target: str, **parameters: str) -> dict[str, str]:
    """Make the stage *target* of the same apps, stacks and parameters as *source*; return each new API's address.

    No data is copied, and keys and secrets are made anew. *parameters* are given to every stack that knows them. A
    clone that was interrupted goes on where it was. Raises Refused and StackFailed.
    """
    begin(source, target)
    like = {app: Like(app, source, target, parameters) for app in of(source)}
    with ThreadPoolExecutor() as pool:
        servers = pool.submit(_updates, source, target, parameters)
        list(pool.map(_resources, like.values()))
        addresses = dict(pool.map(_app, like.values()))
        list(pool.map(_delivery, like.values()))
        list(pool.map(_edge, like.values()))
        servers.result()
    return addresses


def begin(source: str, target: str) -> None:
    """Check that *target* may become a clone of *source*, and mark it as one. Raises Refused."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,10}", target) or target.endswith(tuple(f"-{k}" for k in apps.KINDS if k)):
        raise Refused(f"{target!r}: a stage has one to eleven letters, digits and hyphens, such as feature-x")
    if not of(source):
        raise Refused(f"there is no stage {source}")
    for other in _names() - {target}:
        if target.startswith(f"{other}-") or other.startswith(f"{target}-"):
            raise Refused(f"the names of {target} and of {other} would begin alike: choose another name")
    ssm, mark = boto3.Session().client("ssm"), _MARK.format(stage=target)
    try:
        marked = ssm.get_parameter(Name=mark)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        marked = None
    if marked != source and of(target):
        raise Refused(f"{target} is there already, and is no clone of {source}")
    ssm.put_parameter(Name=mark, Value=source, Type="String", Overwrite=True)


def of(stage: str) -> list[str]:
    """Return the apps that have stacks of the stage."""
    there = stacks.existing()
    return [app for app in apps.names() if any(apps.stack(app, stage, kind) in there for kind in apps.KINDS)]


def stacks_of(stage: str, kinds: Sequence[str] = apps.KINDS) -> dict[str, str]:
    """Return the names of the stage's stacks of these kinds, each with its app; the update servers' is of kind ""."""
    there = stacks.existing()
    named = {apps.stack(app, stage, kind): app for kind in kinds for app in apps.names()}
    if "" in kinds:
        named[updates.stack(stage)] = "updates"
    return {name: app for name, app in named.items() if name in there}


def _names() -> set[str]:
    """Return the stages that have resources."""
    pattern = re.compile(rf"(?:{'|'.join(apps.names())})-(.+)-resources")
    return {match[1] for name in stacks.existing() if (match := pattern.fullmatch(name))}


@dataclass(frozen=True)
class Like:
    """An app of the stage *source*, and what its stacks are to be given in *target*."""

    app: str
    source: str
    target: str
    given: dict[str, str] = field(default_factory=dict)

    def has(self, kind: str) -> bool:
        """Return whether the source has this stack."""
        return apps.stack(self.app, self.source, kind) in stacks.existing()

    def parameters(self, kind: str) -> dict[str, str]:
        """Return the settings of the source's stack as the target's stack has them.

        A parameter with a default is a setting; one without is an output of another stack, which each stage has for
        itself. A sender is an SES identity, of which an account has one an address: the target's get a tag,
        ``hello+feature-x@blog.example``, that most mail servers deliver to the same box (RFC 5233).
        """
        file = {"dax": "../deploy/dax.yaml", "": "merge.yaml"}.get(kind, f"{kind}.yaml")
        settings = _settings(apps.ROOT / self.app / file, apps.stack(self.app, self.source, kind))
        tagged = {name: self._tagged(value) for name, value in settings.items() if name.endswith("Sender")}
        return settings | tagged | self.given

    def _tagged(self, address: str) -> str:
        local, _, domain = address.rpartition("@")
        return f"{local.partition('+')[0]}+{self.target}@{domain}"


def _settings(template: Path, stack: str) -> dict[str, str]:
    """Return those parameters of the stack that are settings, which another stage may have too."""
    declared = _declared(template)
    return {
        name: value
        for name, value in stacks.parameters_of(stack).items()
        if "Default" in declared.get(name, {}) and name not in _SITE_OF_ITS_OWN
    }


def _declared(template: Path) -> dict[str, Any]:
    declared: dict[str, Any] = stacks.read(template.read_text()).get("Parameters", {})
    return declared


def _updates(source: str, target: str, given: dict[str, str]) -> None:
    """Bring the update servers, with the edge before them if the source has it. They have no releases yet."""
    stack = updates.stack(source)
    if stack in stacks.existing():
        template = "after" if "DistributionId" in stacks.outputs(stack) else "before"
        updates.deploy(template, target, **_settings(updates.FOLDER / f"{template}.yaml", stack) | given)


def _resources(like: Like) -> None:
    apps.deploy_resources(like.app, like.target, **like.parameters("resources"))


def _app(like: Like) -> tuple[str, str]:
    if not like.has(""):
        raise Refused(f"{like.app} was brought to {like.source} by `chalice deploy`: `make release` it there first")
    if like.has("dax"):
        apps.deploy_dax(like.app, like.target, **like.parameters("dax"))
    address = apps.release(like.app, like.target, **like.parameters(""))["EndpointURL"]
    return next(iter(apps.register(like.app, like.target, address).items()))


def _delivery(like: Like) -> None:
    if like.has("delivery"):
        apps.deploy_delivery(like.app, like.target, **like.parameters("delivery"))


def _edge(like: Like) -> None:
    """Bring the distribution, and tell the app where it is unless a domain was given."""
    if not like.has("edge"):
        return
    edge = apps.deploy_edge(like.app, like.target, **like.parameters("edge"))
    if "SiteUrl" not in like.given and "SiteUrl" in _declared(apps.ROOT / like.app / "resources.yaml"):
        apps.deploy_resources(like.app, like.target, SiteUrl=f"https://{edge['DistributionDomain']}")
        apps.release(like.app, like.target)
    if site.is_there(like.app):
        site.publish(like.app, like.target)


def contents(stage: str) -> list[tuple[str, str]]:
    """Return type and name of all that has data in the stage, and of what CloudFormation would keep."""
    return sorted({held for name in stacks_of(stage) for held in _held(name)})


def delete(stage: str, force: bool = False) -> list[tuple[str, str]]:
    """Delete the stage with all its data, and return what is left because nobody here knows how to delete its type.

    The last stacks go first: what serves before what is served. What was interrupted goes on where it was.
    Raises Refused for production unless *force*, and StackFailed.
    """
    if stage == "prod" and not force:
        raise Refused("prod is production: FORCE=1 if you mean it")
    left: list[tuple[str, str]] = []
    for app in apps.names():
        if (apps.ROOT / app / ".chalice" / "deployed" / f"{stage}.json").exists():
            subprocess.run([apps.chalice(), "delete", "--stage", stage], cwd=apps.ROOT / app, check=True)
    with ThreadPoolExecutor() as pool:
        for kind in reversed(apps.KINDS):
            left += [held for lefts in pool.map(_delete_stack, stacks_of(stage, [kind])) for held in lefts]
    for app in apps.names():
        if apps.has_signing_key(app):
            signing_keys.delete(app, stage)
        _forget(app, stage)
    _delete_parameters([_MARK.format(stage=stage), *(apps.address_parameter(app, stage) for app in apps.names())])
    return left


def _held(stack: str) -> list[tuple[str, str]]:
    kept = stacks.retained(stack)
    found = stacks.resources(stack)
    return [found[logical] for logical in found if logical in kept or found[logical][0] in _FIRST]


def _delete_stack(name: str) -> list[tuple[str, str]]:
    """Delete what the stack holds and then the stack: while it is there, it says what is still to be deleted."""
    left = []
    for kind, identifier in _held(name):
        remove = _REMOVE.get(kind)
        if remove is None:
            left.append((kind, identifier))
        else:
            remove(identifier)
    stacks.delete(name)
    return left


def _delete_bucket(bucket: str) -> None:
    s3 = boto3.Session().client("s3")
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            if objects:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        s3.delete_bucket(Bucket=bucket)
    except s3.exceptions.NoSuchBucket:
        return


def _delete_table(table: str) -> None:
    """Delete a table and its replicas; AWS keeps a Region that was copied from for a day, and says so."""
    dynamodb = boto3.Session().client("dynamodb")
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return
    here = dynamodb.meta.region_name
    replicas = {replica["RegionName"] for replica in described.get("Replicas", [])} - {here}
    for region in replicas | {here}:
        _unprotect(table, region)
    for region in replicas:
        dynamodb.update_table(TableName=table, ReplicaUpdates=[{"Delete": {"RegionName": region}}])
        boto3.Session(region_name=region).client("dynamodb").get_waiter("table_not_exists").wait(TableName=table)
    if replicas:
        dynamodb.get_waiter("table_exists").wait(TableName=table)
    dynamodb.delete_table(TableName=table)
    dynamodb.get_waiter("table_not_exists").wait(TableName=table)


def _unprotect(table: str, region: str) -> None:
    dynamodb = boto3.Session(region_name=region).client("dynamodb")
    if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=table)


def _delete_user_pool(pool: str) -> None:
    cognito = boto3.Session().client("cognito-idp")
    try:
        protection = cognito.describe_user_pool(UserPoolId=pool)["UserPool"].get("DeletionProtection")
        if protection == "ACTIVE":
            cognito.update_user_pool(UserPoolId=pool, DeletionProtection="INACTIVE")
        cognito.delete_user_pool(UserPoolId=pool)
    except cognito.exceptions.ResourceNotFoundException:
        return


def _delete_secret(secret: str) -> None:
    """Delete a secret at once, so that its name is free for a stage of the same name."""
    secrets = boto3.Session().client("secretsmanager")
    try:
        secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    except secrets.exceptions.ResourceNotFoundException:
        return


def _delete_file_system(file_system: str) -> None:
    """Delete a file system, which nobody may have mounted then: its mount targets go first."""
    efs = boto3.Session().client("efs")
    try:
        while targets := efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"]:
            for target in targets:
                if target["LifeCycleState"] == "available":
                    efs.delete_mount_target(MountTargetId=target["MountTargetId"])
            time.sleep(1)
        efs.delete_file_system(FileSystemId=file_system)
    except efs.exceptions.FileSystemNotFound:
        return


def _detach_policy(policy: str) -> None:
    """Take the policy from the devices that have it, whose certificates are theirs and stay."""
    iot = boto3.Session().client("iot")
    for page in iot.get_paginator("list_targets_for_policy").paginate(policyName=policy):
        for target in page["targets"]:
            iot.detach_policy(policyName=policy, target=target)


_FIRST = ("AWS::S3::Bucket", "AWS::IoT::Policy")
"""What CloudFormation does not delete while something is in it, or has it."""

_REMOVE: dict[str, Callable[[str], None]] = {
    "AWS::Cognito::UserPool": _delete_user_pool,
    "AWS::DynamoDB::GlobalTable": _delete_table,
    "AWS::DynamoDB::Table": _delete_table,
    "AWS::EFS::FileSystem": _delete_file_system,
    "AWS::IoT::Policy": _detach_policy,
    "AWS::S3::Bucket": _delete_bucket,
    "AWS::SecretsManager::Secret": _delete_secret,
}


def _delete_parameters(names: list[str]) -> None:
    ssm: Any = boto3.Session().client("ssm")
    for start in range(0, len(names), 10):
        ssm.delete_parameters(Names=names[start : start + 10])


def _forget(app: str, stage: str) -> None:
    """Delete what deploying the stage has left in the working copy."""
    (apps.ROOT / app / "chalicelib" / "stages" / f"{stage}.json").unlink(missing_ok=True)
    shutil.rmtree(apps.ROOT / "dist" / f"{app}-{stage}", ignore_errors=True)


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m deploy.stages", description="Clone or delete a whole stage.")
    steps = parser.add_subparsers(required=True)
    step = steps.add_parser("clone", help="make a stage like another; no data is copied")
    step.add_argument("source")
    step.add_argument("target")
    step.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="parameters of the target's stacks")
    step.set_defaults(run=_clone)
    step = steps.add_parser("delete", help="delete a stage with all its data")
    step.add_argument("stage")
    step.add_argument("--force", action="store_true", help="do not ask, and do not spare prod")
    step.set_defaults(run=_delete)
    arguments = parser.parse_args()
    try:
        result: str | None = arguments.run(arguments)
    except (Refused, stacks.StackFailed, apps.PackageFailed, ClientError, BotoCoreError) as error:
        return f"{arguments.run.__name__[1:]} failed: {error}"
    return result


def _clone(arguments: argparse.Namespace) -> None:
    parameters = dict(parameter.split("=", 1) for parameter in arguments.parameters)
    for name, value in clone(arguments.source, arguments.target, **parameters).items():
        print(f"{name:32} {value}")
    print("Its keys and secrets are new: put the payment provider's into place (docs/paid-content.md). Data: none.")


def _delete(arguments: argparse.Namespace) -> str | None:
    stage = arguments.stage
    for kind, name in contents(stage):
        print(f"{kind:28} {name}")
    if not arguments.force and stage != "prod" and not _agreed(stage):
        return "Nothing was deleted."
    for kind, name in delete(stage, arguments.force):
        print(f"left, to be deleted by hand: {kind} {name}")
    return None


def _agreed(stage: str) -> bool:
    try:
        return input(f"All of this goes, with what is in it. Type {stage} to go on: ") == stage
    except EOFError:
        return False


if __name__ == "__main__":
    sys.exit(main())
