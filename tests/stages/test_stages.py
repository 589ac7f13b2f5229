"""Run all end-to-end tests on two stages of one AWS at the same time, then check that the stages share no data.

It takes some minutes, so it is not part of `make test`: `make test-stages`. What needs a sandbox for itself
(`pytest.mark.alone`) is left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from contents import everything

ROOT = Path(__file__).parent.parent.parent
OTHER = "twin"
BY_CHANCE = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[\w.+-]+@example\.com|\b\w+-[0-9a-f]{8}\b")
"""Random names that tests and functions make: ids, addresses, devices."""


@pytest.fixture
def twin(sandbox: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The outputs of a second stage of everything."""
    subprocess.run([sys.executable, "-m", "sandbox", "clone", OTHER], cwd=ROOT, check=True, capture_output=True)
    yield json.loads((Path(os.environ["SANDBOX_DIR"]) / OTHER / "outputs.json").read_text())
    subprocess.run([sys.executable, "-m", "sandbox", "delete", OTHER], cwd=ROOT, check=True, capture_output=True)


def suite(folder: Path, stage: str, outputs: dict[str, Any], report: Path) -> subprocess.Popen[bytes]:
    """Start all tests on the stage that is served from *folder*."""
    command = [sys.executable, "-m", "pytest", "-o", "pythonpath=. tests", "--running", "-m", "not alone", "tests/e2e"]
    own = {"SANDBOX_DIR": str(folder), "SANDBOX_STAGE": stage}
    with report.open("wb") as output:
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=output, stderr=output)


def names(outputs: dict[str, Any], stage: str) -> set[str]:
    """Return the random names in a stage's items, objects and mails. All stages share the account's mailbox."""
    senders = {app["sender"] for app in outputs.values() if isinstance(app, dict) and "sender" in app}
    mails = httpx.get(f"{outputs['console']}/mails.json").json()
    sent = json.dumps([mail for mail in mails if mail["Source"] in senders])
    return set(BY_CHANCE.findall(everything(stage) + sent))


def test_both_stages_pass_at_once_and_share_no_data(
    sandbox: dict[str, Any], twin: dict[str, Any], tmp_path: Path
) -> None:
    folder, here = Path(os.environ["SANDBOX_DIR"]), os.environ["SANDBOX_STAGE"]
    seeded = names(sandbox, here) & names(twin, OTHER)
    reports = {stage: tmp_path / f"{stage}.txt" for stage in (here, OTHER)}

    running = [
        suite(folder, here, sandbox, reports[here]),
        suite(folder / OTHER, OTHER, twin, reports[OTHER]),
    ]
    ended = [process.wait() for process in running]

    for report in reports.values():
        print(report.read_text())
    assert ended == [0, 0]
    own, others = names(sandbox, here), names(twin, OTHER)
    assert min(len(own), len(others)) > 200
    assert own & others == seeded
