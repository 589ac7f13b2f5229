"""`make release` is killed again and again, in the emulator. The same command goes on and ends right."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from deploy import apps, bootstrap, stacks, stages
from deploy.delete import delete

ROOT = Path(__file__).parent.parent.parent
STAGE = "killed"
MOMENTS = [
    (r"^video-app: resources$", 0.5),
    (r"^video-app: app$", 1.5),
    (r"^video-app: register done", 0.0),
    (r"^video-app: edge$", 0.3),
    (r"^video-app: site$", 0.1),
]
"""The line after which a command is killed, and the seconds between the two."""


@pytest.fixture
def account(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point the clients of the deployment to the emulator, and prepare the account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    monkeypatch.setenv("AWS_DATA_PATH", str(ROOT / "localaws" / "botodata"))
    bootstrap.bootstrap()
    yield
    delete(STAGE)


def start() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deploy", "release", "video-app", STAGE]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_after(pattern: str, seconds: float) -> list[str]:
    """Start a release, kill it at the moment, and return its lines until then."""
    lines = []
    with start() as release:
        assert release.stdout
        for line in release.stdout:
            lines.append(line.rstrip("\n"))
            if re.search(pattern, lines[-1]):
                time.sleep(seconds)
                release.send_signal(signal.SIGKILL)
                break
    return lines


def test_a_killed_release_continues(account: None) -> None:
    for pattern, seconds in MOMENTS:
        lines = kill_after(pattern, seconds)
        assert re.search(pattern, lines[-1]), lines

    with start() as release:
        output, _ = release.communicate()

    assert release.returncode == 0, output
    states = {name: stacks._status(name) for name in stages.stacks_of(STAGE)}
    assert set(states) == {apps.stack("video-app", STAGE, kind) for kind in ("resources", "app", "edge")}
    assert set(states.values()) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    domain = stacks.outputs(f"video-app-{STAGE}-edge")["DistributionDomain"]
    assert stacks.outputs(f"video-app-{STAGE}-resources")["SiteUrl"] == f"https://{domain}"
    bucket = stacks.outputs(f"video-app-{STAGE}-resources")["SiteBucket"]
    keys = {item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]}
    assert {"index.html", "config.json", "published.json", "shared/page.js"} <= keys
