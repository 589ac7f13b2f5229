"""The page of the update servers: releases, the fleet, what the edge saves, and a button that releases."""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from botocore.exceptions import ClientError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import deploy.updates
from deploy import stacks
from deploy.account import client
from deploy.errors import DeployError
from deploy.publish import Publisher
from sandbox.console import metrics

CHANNEL = "stable"
"""The channel of the releases of the page."""
SIZE = 300_000
"""Bytes of their packages."""
CLIENTS = 20
"""How many clients download a release of the page through the edge."""
PAST = timedelta(days=7)
"""Over which time requests are counted. The sandbox counts from its start."""

_EDGE = ("Requests", "OriginRequests", "BytesDownloaded")
_SERVED = re.compile(r'"[A-Z]+ \S+" \d{3} (\d+)$', re.MULTILINE)
"""A line of a server's log, with the bytes of the body."""

type Json = dict[str, Any]


def routes(stage: str, apps: Mapping[str, Json]) -> list[Route]:
    """Return the routes of the page's data, which are null without update servers, and of its button."""

    def data(request: Request) -> Response:
        outputs = _outputs(apps)
        return JSONResponse(found(stage, outputs) if outputs else None)

    def released(request: Request) -> Response:
        outputs = _outputs(apps)
        if outputs is None:
            return JSONResponse({"message": "There are no update servers in this account yet."}, 404)
        try:
            return JSONResponse(release(stage, outputs))
        except (DeployError, ClientError) as error:
            return JSONResponse({"message": f"The release was refused: {error}"}, 409)
        except OSError as error:
            return JSONResponse({"message": f"Released, but the edge does not serve it: {error}"}, 502)

    return [Route("/updates.json", data), Route("/updates/release", released, methods=["POST"])]


def _outputs(apps: Mapping[str, Json]) -> Json | None:
    """Return the outputs of the app that has a publisher."""
    return next((outputs for outputs in apps.values() if "publisher" in outputs), None)


def found(stage: str, outputs: Json) -> Json:
    """Return ``{next, clients, releases, servers, desired, edge}``: what the page shows."""
    releases = _releases(Path(outputs["releases"]))
    return {
        "next": next_version([each["version"] for each in releases if each["channel"] == CHANNEL]),
        "clients": CLIENTS,
        "releases": releases,
        **_fleet(stage),
        "edge": _edge(outputs["distribution_id"], Path(outputs["log"])),
    }


def release(stage: str, outputs: Json) -> Json:
    """Release the next version as `make publish` does, and let clients download it through the edge.

    Returns the release as the index shows it. Raises DeployError, ClientError and OSError.
    """
    known = _releases(Path(outputs["releases"]))
    version = next_version([each["version"] for each in known if each["channel"] == CHANNEL])
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / f"app-{version}.bin"
        package.write_bytes(random.Random(version).randbytes(SIZE))  # noqa: S311  # a second click makes the same
        released = Publisher(stage).release(package, version, CHANNEL, root_key=Path(outputs["root_key"]))
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(_download, [outputs["edge"] + released["url"]] * CLIENTS))
    return released


def next_version(versions: Sequence[str]) -> str:
    """Return the next minor version after the highest of *versions*, of those that are three numbers."""
    numbers = [tuple(map(int, each.split("."))) for each in versions if re.fullmatch(r"\d+\.\d+\.\d+", each)]
    if not numbers:
        return "1.0.0"
    major, minor, _ = max(numbers)
    return f"{major}.{minor + 1}.0"


def _download(url: str) -> None:
    with urlopen(url, timeout=30) as answer:
        answer.read()


def _releases(folder: Path) -> list[Json]:
    """Return the releases of all channels, newest first."""
    indexes = [json.loads(file.read_bytes()) for file in folder.glob("releases/*.json")]
    listed: list[Json] = [release for index in indexes for release in index["releases"]]
    return sorted(listed, key=lambda release: str(release["published_at"]), reverse=True)


def _fleet(stage: str) -> Json:
    """Return the servers with their health, and how many the group wants."""
    resources = dict(stacks.resources(deploy.updates.stack(stage)).values())
    groups = client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[resources["AWS::AutoScaling::AutoScalingGroup"]]
    )["AutoScalingGroups"]
    health = client("elbv2").describe_target_health(
        TargetGroupArn=resources["AWS::ElasticLoadBalancingV2::TargetGroup"]
    )["TargetHealthDescriptions"]
    return {
        "desired": sum(group["DesiredCapacity"] for group in groups),
        "servers": [
            {"address": f"{each['Target']['Id']}:{each['Target']['Port']}", "state": each["TargetHealth"]["State"]}
            for each in health
        ],
    }


def _edge(distribution: str, log: Path) -> Json:
    """Return the requests and bytes of clients, and those that reached the servers."""
    dimensions = (("DistributionId", distribution), ("Region", "Global"))
    asked = {name: metrics.Metric("AWS/CloudFront", name, dimensions) for name in _EDGE}
    sums = metrics.sums(list(asked.values()), PAST)
    return {
        "requests": sums[asked["Requests"]],
        "origin_requests": sums[asked["OriginRequests"]],
        "bytes": sums[asked["BytesDownloaded"]],
        "origin_bytes": sum(map(int, _SERVED.findall(log.read_text()))) if log.exists() else 0,
    }
