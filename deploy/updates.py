"""Deploys the update servers and their publisher: the stack ``updates-<stage>``, from before.yaml or after.yaml.

A change from one template to the other updates the stack. It does not replace the servers.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from deploy import stacks
from deploy.account import client
from deploy.apps import ROOT, layer

FOLDER = ROOT / "updates"
TEMPLATES = ("before", "after")
RUNTIME = f"python3.{sys.version_info.minor}"
LAMBDA = (
    "--only-binary=:all:",
    "--implementation=cp",
    f"--python-version=3.{sys.version_info.minor}",
    *(f"--platform=manylinux_2_{glibc}_x86_64" for glibc in (34, 28, 17)),
    "--platform=manylinux2014_x86_64",
)
"""pip's options for packages that run on Lambda, which has glibc 2.34."""
CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"


def stack(stage: str) -> str:
    """Return the name of the stage's stack."""
    return f"updates-{stage}"


def template_of(stage: str) -> str | None:
    """Return the template that the stage's stack has, or None if there is no stack."""
    if stack(stage) not in stacks.existing():
        return None
    return "after" if "Distribution" in stacks.template_of(stack(stage))["Resources"] else "before"


def template(name: str) -> dict[str, Any]:
    """Return the parsed template."""
    parsed: dict[str, Any] = stacks.read((FOLDER / f"{name}.yaml").read_text())
    return parsed


def declared(name: str) -> dict[str, Any]:
    """Return by name the parameters that the template declares."""
    found: dict[str, Any] = template(name)["Parameters"]
    return found


def deploy(template: str, stage: str, **parameters: str) -> dict[str, str]:
    """Deploy ``updates/<template>.yaml`` with the zips, and return the outputs. Raises StackFailed, PackageFailed."""
    text = (FOLDER / f"{template}.yaml").read_text()
    bucket, key = stacks.upload(package(), ".zip")
    _, publisher_key = stacks.upload(publisher_package(), ".zip")
    given = {
        "Stage": stage,
        "ArtifactBucket": bucket,
        "ArtifactKey": key,
        "PublisherKey": publisher_key,
        "PublisherRuntime": RUNTIME,
        "CloudFrontPrefixList": prefix_lists()[0],
    }
    outputs = stacks.deploy(stack(stage), text, given | parameters)
    refresh(outputs["Publisher"])
    return outputs


def refresh(publisher: str) -> None:
    """Have the function *publisher* sign everything again, without waiting for it. Without a release, it does nothing.

    The schedule invokes it for the first time after a day. Until then this is the only invocation, without which the
    alarm on missing invocations would be raised.
    """
    payload = json.dumps({"command": "refresh"})
    client("lambda").invoke(FunctionName=publisher, InvocationType="Event", Payload=payload)


def package() -> bytes:
    """Return the zip of the origin: its one file and the packages that it requires, all pure Python."""
    origin = FOLDER / "origin"
    return layer(origin / "requirements.txt", {"server.py": origin / "server.py"}, root="")


def publisher_package() -> bytes:
    """Return the zip of the function that publishes, with the packages for Lambda's system."""
    files = {f"updates/{name}": FOLDER / name for name in ("__init__.py", "files.py", "publish.py", "publisher.py")}
    return layer(FOLDER / "publisher-requirements.txt", files, root="", platform=LAMBDA)


def prefix_lists() -> list[str]:
    """Return the id of the prefix list with the addresses from which CloudFront connects to origins in this Region.

    The list is empty in a Region that has none.
    """
    named = [{"Name": "prefix-list-name", "Values": [CLOUDFRONT]}]
    return [each["PrefixListId"] for each in client("ec2").describe_managed_prefix_lists(Filters=named)["PrefixLists"]]
