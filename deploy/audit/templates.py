"""The templates as a release deploys them, written to a folder for the tools."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy import apps, order, policies, stacks, updates
from deploy.errors import PackageFailed

STAGE = "audit"
ACCOUNT = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "0" * 12, "Stage": STAGE}
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/x/stream/2030-01-01T00:00:00.000"

SETTINGS = {
    "USER_POOL_ARN": "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_x",
    "POSTS_STREAM_ARN": STREAM,
    "SUBSCRIBERS_STREAM_ARN": STREAM,
    "PAYMENTS_STREAM_ARN": STREAM,
    "ALERTS_STREAM_ARN": STREAM,
    "MAIL_EVENTS_TOPIC": "arn:aws:sns:us-east-1:000000000000:x",
    "READS": "closed",
    **dict.fromkeys(("MONTH_PRICE", "YEAR_PRICE", "LINK_LIFE", "REPORT_RATE"), "1"),
}
"""Outputs of the resources that the decorators of an app need in a certain form. The others get any text."""


def write(folder: Path) -> dict[str, Path]:
    """Write every template to *folder*; return the files by name, such as ``todo-app/resources``.

    The app's own template is the SAM template that `chalice package` writes. Raises PackageFailed.
    """
    written = {}
    for name, text in _texts(folder):
        file = folder / f"{name.replace('/', '-')}.yaml"
        file.write_text(text)
        written[name] = file
    return written


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for app in apps.names():
        for kind in apps.KINDS:
            if kind in order.steps(app) and apps.template_file(app, kind).parent == apps.ROOT / app:
                yield f"{app}/{kind}", packaged(app, folder) if kind == "app" else _text(app, kind)
    for name in updates.TEMPLATES:
        yield f"updates/{name}", (updates.FOLDER / f"{name}.yaml").read_text()
    for file in sorted((apps.ROOT / "deploy").glob("*.yaml")):
        yield f"deploy/{file.stem}", file.read_text()
    for file in sorted(apps.ROOT.glob("*-app/[qr]*s*.yaml")):
        if file.stem in ("quicksight", "redshift"):
            yield f"{file.parent.name}/{file.stem}", file.read_text()


def _text(app: str, kind: str) -> str:
    return apps.template_file(app, kind).read_text()


def packaged(app: str, folder: Path) -> str:
    """Return the SAM template that `chalice package` writes to *folder* for the app and a new stage.

    The code is a place in a bucket, and what only a deployed stage knows is any text. Raises PackageFailed.
    """
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name in apps.template(app, "resources")["Outputs"]]
    settings = {name: SETTINGS.get(name, f"audit-{name.lower().replace('_', '-')}") for name in names}
    project, out = apps.ROOT / app, folder / app
    policies.write(project, STAGE, {name: ACCOUNT.get(name, "audit") for name in policies.places(project)})
    done = subprocess.run(
        [*apps.CHALICE, "package", "--stage", STAGE, "--merge-template", "merge.yaml", str(out)],
        cwd=project,
        env={**apps.chalice_environment(), **settings, "AWS_DEFAULT_REGION": ACCOUNT["AWS::Region"]},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageFailed(f"{app}: {apps.packaging_error(done.stdout + done.stderr)}")
    template: dict[str, Any] = stacks.parse((out / "sam.yaml").read_text())
    places = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
    for resource in template["Resources"].values():
        if place := places.get(resource["Type"]):
            resource["Properties"][place] = "s3://bucket/key"
    return json.dumps(template, indent=1)
