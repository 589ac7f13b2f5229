"""An instance as the templates start it: it signals when it serves, and no other instance ends before that."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
PROGRAMS = ("dnf", "useradd", "mount", "mountpoint", "aws", "python3.13", "systemctl", "curl", "sleep")
STUB = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
test "${0##*/}" != "$FAILS"
"""


@pytest.fixture(params=["before", "after"])
def resources(request: pytest.FixtureRequest) -> dict[str, Any]:
    resources: dict[str, Any] = _template(request.param)["Resources"]
    return resources


def test_an_instance_signals_when_it_answers_its_health_check(resources: dict[str, Any], tmp_path: Path) -> None:
    targets = resources["Targets"]["Properties"]

    status, calls = start(resources, tmp_path)

    assert status == 0
    systemctl, health, wait, signal = calls[-4:]
    assert systemctl == "systemctl enable --now origin"
    assert health.startswith("curl ")
    assert health.endswith(f"http://127.0.0.1:{targets['Port']}{targets['HealthCheckPath']}")
    looks = targets["HealthyThresholdCount"] * targets["HealthCheckIntervalSeconds"]
    assert int(wait.removeprefix("sleep ")) > looks
    assert signal == "cfn-signal --exit-code 0 --stack StackName --resource Servers --region Region"
    assert resources["Servers"]["Type"] == "AWS::AutoScaling::AutoScalingGroup"


@pytest.mark.parametrize("program", ["dnf", "mountpoint", "aws", "curl"])
def test_an_instance_that_fails_to_start_signals_at_once(
    resources: dict[str, Any], tmp_path: Path, program: str
) -> None:
    status, calls = start(resources, tmp_path, fails=program)

    assert status == 1
    assert calls[-2].startswith(program)
    assert [call[:24] for call in calls if call.startswith("cfn-signal")] == ["cfn-signal --exit-code 1"]


def test_an_instance_whose_signal_is_refused_serves_too(resources: dict[str, Any], tmp_path: Path) -> None:
    """CloudFormation refuses the signal of an instance that the group started by itself."""
    status, _ = start(resources, tmp_path, fails="cfn-signal")

    assert status == 0


def test_an_instance_ends_only_after_another_has_signalled(resources: dict[str, Any]) -> None:
    group = resources["Servers"]
    rolling = group["UpdatePolicy"]["AutoScalingRollingUpdate"]
    endpoint = resources["CloudFormationEndpoint"]["Properties"]

    assert rolling["WaitOnResourceSignals"] is True
    assert {"HealthCheck", "ReplaceUnhealthy", "AlarmNotification"} <= set(rolling["SuspendProcesses"])
    assert group["CreationPolicy"]["ResourceSignal"]["Count"] == int(group["Properties"]["MinSize"])
    # Instances reach CloudFormation only through this endpoint, so it must exist before the first instance.
    assert endpoint["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.cloudformation"}
    assert endpoint["PrivateDnsEnabled"] is True
    assert "CloudFormationEndpoint" in group["DependsOn"]


@pytest.mark.parametrize("name", ["before", "after"])
def test_a_group_has_room_for_one_more_instance_during_an_update(name: str) -> None:
    template = _template(name)
    rolling = template["Resources"]["Servers"]["UpdatePolicy"]["AutoScalingRollingUpdate"]

    assert rolling["MinInstancesInService"] == int(template["Resources"]["Servers"]["Properties"]["MinSize"])
    assert template["Parameters"]["MaxInstances"]["MinValue"] > rolling["MinInstancesInService"]


def start(resources: dict[str, Any], folder: Path, fails: str = "") -> tuple[int, list[str]]:
    """Run the user data with *folder* as its root; return the exit status and the commands that it ran, in order.

    Stubs replace the programs that change a machine, and only record their calls. The one named by *fails* also fails.
    """
    for place in [*(folder / "bin" / name for name in PROGRAMS), folder / "opt/aws/bin/cfn-signal"]:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(STUB)
        place.chmod(0o755)
    for used in ("etc/systemd/system", "srv", "tmp"):
        (folder / used).mkdir(parents=True)
    text = resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    text = re.sub(r"\$\{(?:AWS::)?(\w+)\}", r"\1", text)
    text = re.sub(r"/(etc|srv|opt|tmp)/", rf"{folder}/\1/", text)
    calls = folder / "calls"
    done = subprocess.run(
        ["bash", "-c", text],
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls), "FAILS": fails},
        check=False,
    )
    return done.returncode, calls.read_text().splitlines()


def _template(name: str) -> dict[str, Any]:
    template: dict[str, Any] = yaml_parse((ROOT / "updates" / f"{name}.yaml").read_text())
    return template
