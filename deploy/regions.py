"""A second Region of an app, the standby: its functions, API, buckets and pages, with the replicas of its tables.

The first Region, the home, has the tables, the author and the distribution. The standby is deployed by the same steps
from the same templates, but for the edge, by a process whose Region it is: docs/two-regions.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from deploy import apps, bootstrap, order, stacks
from deploy.account import client
from deploy.errors import NotDeployed, StackFailed

_OWN = ("Stage", "ApiId", "SenderIdentity", "StandbyRegion", "DaxClientBucket", "DaxClientKey")
"""The parameters of the home's stacks that the stacks of the standby do not share."""


def can(app: str) -> bool:
    """Return whether the app can run in two Regions."""
    return "HomeRegion" in apps.declared(app, "resources")


def standby(app: str, stage: str) -> str:
    """Return the second Region of the app in the stage, or nothing if it has none."""
    known = stacks.parameters_of(apps.stack(app, stage, "resources"), missing_ok=True)
    return known.get("StandbyRegion", "")


def parameters(app: str, stage: str, regions: Sequence[str]) -> dict[str, str]:
    """Return the parameters of the home's resources for a release to *regions*, home first; nothing to one Region.

    Without *regions* they are those of the last release. Raises NotDeployed for Regions that the stage cannot have.
    """
    known = stacks.parameters_of(apps.stack(app, stage, "resources"), missing_ok=True)
    second, here = known.get("StandbyRegion", ""), str(client("cloudformation").meta.region_name)
    if not regions:
        return {"StandbyRegion": second} if second else {}
    if len(regions) != 2 or regions[0] != here or regions[1] == here:
        raise NotDeployed(f"REGIONS={','.join(regions)}: name this Region, {here}, and then one other")
    if second and second != regions[1]:
        raise NotDeployed(f"{app} runs in {second}, too: a stage keeps its second Region")
    if known.get("ReplicaRegion", regions[1]) not in regions:
        raise NotDeployed(f"the tables of {app} have their replica in {known['ReplicaRegion']}: name this Region")
    return {"StandbyRegion": regions[1], "ReplicaRegion": regions[1]}


def release(app: str, stage: str, region: str, report: Callable[[str], None]) -> None:
    """Deploy the app to its second Region, and let the edge of the first one use it. Raises StackFailed."""
    home = stacks.outputs(apps.stack(app, stage, "resources"))
    report(f"{app}: {region}")
    given = _given(app, stage, region)
    try:
        _run(region, "standby", app, stage, *(f"{name}={value}" for name, value in given.items()))
    finally:
        apps.write_settings(app, stage, home)  # those of the standby have replaced them
    there = stacks.outputs(apps.stack(app, stage, "resources"), region=region)
    there |= stacks.outputs(apps.stack(app, stage, "app"), region=region)
    report(f"{app}: resources and edge use {region}")
    apps.deploy_resources(app, stage, PhotosReplica=there["PhotosBucket"], StandbyRegion=region)
    apps.deploy_edge(app, stage, **{f"Standby{name}": value for name, value in there.items()}, StandbyRegion=region)
    report(f"{app}: pages of {home['SiteUrl']} come from both Regions")


def _given(app: str, stage: str, region: str) -> dict[str, str]:
    """Return the parameters of the standby's stacks."""
    shared: dict[str, str] = {}
    for kind in ("app", "dax", "resources"):
        shared |= stacks.parameters_of(apps.stack(app, stage, kind), missing_ok=True)
    home = stacks.outputs(apps.stack(app, stage, "resources"))
    here = str(client("cloudformation").meta.region_name)
    declared = apps.declared(app, "resources")
    known = shared | {name: value for name, value in home.items() if name in declared}
    given = {name: value for name, value in known.items() if name not in _OWN}
    given |= {name: _stream(arn, region) for name, arn in home.items() if name.endswith("StreamArn")}
    return given | {
        "HomeRegion": here,
        "ReplicaRegion": here,
        "PhotosReplica": home["PhotosBucket"],
        "DistributionId": stacks.outputs(apps.stack(app, stage, "edge"))["DistributionId"],
    }


def _stream(arn: str, region: str) -> str:
    """Return the stream of the replica of the table with the stream *arn*."""
    table = arn.split("/")[1]
    described = client("dynamodb", region).describe_table(TableName=table)["Table"]
    return str(described["LatestStreamArn"])


def release_standby(app: str, stage: str, given: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Deploy the app to this Region, the second one of the stage: every step but the edge."""
    bootstrap.bootstrap()
    for step in order.steps(app):
        if step == "edge" or (step == "dax" and not apps.uses_dax(app, stage, given)):
            continue
        report(f"{app}: {step}")
        order.STEPS[step](app, stage, **(given if step in order.STACKS else {}))


def delete(app: str, stage: str) -> None:
    """Delete the stacks of the app in its second Region, if it has one. Raises StackFailed."""
    if region := standby(app, stage):
        _run(region, "delete-standby", app, stage)


def _run(region: str, command: str, *arguments: str) -> None:
    """Run a command of this module in another Region. Raises StackFailed."""
    environment = os.environ | {"AWS_DEFAULT_REGION": region, "AWS_REGION": region}
    done = subprocess.run(
        [sys.executable, "-m", "deploy", command, *arguments], env=environment, cwd=apps.ROOT, check=False
    )
    if done.returncode:
        raise StackFailed(f"{region}: the command {command} failed, as its last line says; the same release resumes")
