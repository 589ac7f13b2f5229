"""Software updates: the origin's zip, and the stack ``updates-<stage>`` from before.yaml or after.yaml.

Going from one template to the other is an update of the stack: nothing of what serves is replaced.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy import stacks
from deploy.apps import ROOT, PackageFailed, layer

FOLDER = ROOT / "updates"
TEMPLATES = ("before", "after")
CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"


def stack(stage: str) -> str:
    """Return the name of the stage's stack."""
    return f"updates-{stage}"


def deploy(template: str, stage: str, **parameters: str) -> dict[str, str]:
    """Bring the stack to ``updates/<template>.yaml`` and return its outputs."""
    text = (FOLDER / f"{template}.yaml").read_text()
    bucket, key = stacks.upload(package(), ".zip")
    given = {"Stage": stage, "ArtifactBucket": bucket, "ArtifactKey": key, "CloudFrontPrefixList": _prefix_list()}
    return stacks.deploy(stack(stage), text, given | parameters)


def package() -> bytes:
    """Return the zip of the origin: its one file and the packages that it needs, all pure Python."""
    origin = FOLDER / "origin"
    return layer(origin / "requirements.txt", {"server.py": origin / "server.py"}, root="")


def _prefix_list() -> str:
    """Return the id of the list of addresses from which CloudFront asks origins in this Region."""
    ec2: Any = boto3.Session().client("ec2")
    named = [{"Name": "prefix-list-name", "Values": [CLOUDFRONT]}]
    return str(ec2.describe_managed_prefix_lists(Filters=named)["PrefixLists"][0]["PrefixListId"])


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m deploy.updates", description="Deploy the update servers.")
    parser.add_argument("template", choices=TEMPLATES)
    parser.add_argument("stage")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="parameters of the template")
    arguments = parser.parse_args()
    parameters = dict(parameter.split("=", 1) for parameter in arguments.parameters)
    try:
        outputs = deploy(arguments.template, arguments.stage, **parameters)
    except (stacks.StackFailed, PackageFailed, ClientError, BotoCoreError) as error:
        return f"updates to {arguments.stage} failed: {error}"
    for name, value in outputs.items():
        print(f"{name:24} {value}")
    return None


if __name__ == "__main__":
    sys.exit(main())
