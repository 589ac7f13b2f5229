"""Deletes a stage with all its data: every stack, and the resources that CloudFormation would keep."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deploy import apps, clone, regions, signing_keys, stacks
from deploy.account import client
from deploy.errors import NotDeleted
from deploy.stages import stacks_of


def contents(stage: str) -> list[tuple[str, str]]:
    """Return type and name of the resources of the stage that hold data or that CloudFormation would keep."""
    return sorted({held for name in stacks_of(stage) for held in _held(name)})


def delete(stage: str, force: bool = False) -> list[tuple[str, str]]:
    """Delete the stage with all its data; return type and name of the resources that this module cannot delete.

    The stacks are deleted in the reverse of the order in which they were deployed. The same call resumes a deletion
    that was interrupted. Raises NotDeleted for production unless *force*, and StackFailed.
    """
    if stage == "prod" and not force:
        raise NotDeleted("prod is production: add FORCE=1 to delete it")
    left: list[tuple[str, str]] = []
    for app in apps.names():
        if (apps.ROOT / app / ".chalice" / "deployed" / f"{stage}.json").exists():
            command = [*apps.CHALICE, "delete", "--stage", stage]
            subprocess.run(command, cwd=apps.ROOT / app, check=True, env=apps.chalice_environment())
    for app in filter(regions.can, apps.names()):
        regions.delete(app, stage)
    with ThreadPoolExecutor() as pool:
        for kind in reversed(apps.KINDS):
            left += [held for lefts in pool.map(_delete_stack, stacks_of(stage, [kind])) for held in lefts]
    for app in apps.names():
        if apps.has_signing_key(app):
            signing_keys.delete(app, stage)
        _delete_log_groups(app, stage)
        _forget(app, stage)
    _delete_parameters([clone.mark(stage), *(apps.address_parameter(app, stage) for app in apps.names())])
    return left


def delete_standby(app: str, stage: str) -> list[tuple[str, str]]:
    """Delete the stacks of an app in this Region, the second one of the stage; return what cannot be deleted."""
    left: list[tuple[str, str]] = []
    for kind in reversed(apps.KINDS):
        if (name := apps.stack(app, stage, kind)) in stacks.existing():
            left += _delete_stack(name)
    _delete_log_groups(app, stage)
    _delete_parameters([apps.address_parameter(app, stage)])
    return left


def _held(stack: str) -> list[tuple[str, str]]:
    kept = stacks.retained(stack)
    found = stacks.resources(stack)
    return [found[logical] for logical in found if logical in kept or found[logical][0] in _FIRST]


def _delete_stack(name: str) -> list[tuple[str, str]]:
    """Delete what the stack would keep and then the stack, which until then lists what remains to be deleted."""
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
    s3 = client("s3")
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
    """Delete a table and its replicas. AWS refuses to delete a Region from which a replica was made in the last day."""
    dynamodb = client("dynamodb")
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
        client("dynamodb", region).get_waiter("table_not_exists").wait(TableName=table)
    if replicas:
        dynamodb.get_waiter("table_exists").wait(TableName=table)
    dynamodb.delete_table(TableName=table)
    dynamodb.get_waiter("table_not_exists").wait(TableName=table)


def _unprotect(table: str, region: str) -> None:
    dynamodb = client("dynamodb", region)
    if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=table)


def _delete_user_pool(pool: str) -> None:
    cognito = client("cognito-idp")
    try:
        protection = cognito.describe_user_pool(UserPoolId=pool)["UserPool"].get("DeletionProtection")
        if protection == "ACTIVE":
            cognito.update_user_pool(UserPoolId=pool, DeletionProtection="INACTIVE")
        cognito.delete_user_pool(UserPoolId=pool)
    except cognito.exceptions.ResourceNotFoundException:
        return


def _delete_secret(secret: str) -> None:
    """Delete a secret without recovery, so that a stage of the same name can create it again."""
    secrets = client("secretsmanager")
    try:
        secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    except secrets.exceptions.ResourceNotFoundException:
        return


def _delete_file_system(file_system: str) -> None:
    """Delete a file system after its mount targets."""
    efs = client("efs")
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
    """Detach the policy from the certificates of devices, which stay."""
    iot = client("iot")
    for page in iot.get_paginator("list_targets_for_policy").paginate(policyName=policy):
        for target in page["targets"]:
            iot.detach_policy(policyName=policy, target=target)


_FIRST = ("AWS::S3::Bucket", "AWS::IoT::Policy")
"""The types that CloudFormation cannot delete while they contain something or are attached to something."""

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
    ssm: Any = client("ssm")
    for start in range(0, len(names), 10):
        ssm.delete_parameters(Names=names[start : start + 10])


def _delete_log_groups(app: str, stage: str) -> None:
    """Delete the log groups of no stack: those of functions of `chalice deploy`, and those that an update replaced."""
    logs: Any = client("logs")
    prefix = f"/aws/lambda/{app}-{stage}"
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
        for group in page["logGroups"]:
            if f"{group['logGroupName']}-".startswith(f"{prefix}-"):
                logs.delete_log_group(logGroupName=group["logGroupName"])


def _forget(app: str, stage: str) -> None:
    """Delete the files that deploying the stage wrote to the working copy."""
    (apps.ROOT / app / "chalicelib" / "stages" / f"{stage}.json").unlink(missing_ok=True)
    shutil.rmtree(apps.ROOT / app / ".chalice" / "policies" / stage, ignore_errors=True)
    shutil.rmtree(apps.ROOT / "dist" / f"{app}-{stage}", ignore_errors=True)
