"""The instances of an Auto Scaling group: started from its launch template, registered while healthy, and replaced."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from localaws.autoscaling import __main__ as following
from localaws.autoscaling.instances import AutoScalingGroup
from localaws.efs import file_system
from localaws.testing import eventually, is_listening, until

STACK = "web"
SERVER = """
import argparse, http.server, pathlib

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--host")
parser.add_argument("--port", type=int)
arguments = parser.parse_args()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if (arguments.folder / "unhealthy").exists() else 200)
        self.end_headers()
        self.wfile.write((arguments.folder / "page").read_bytes())

print("started", flush=True)
http.server.HTTPServer((arguments.host, arguments.port), Handler).serve_forever()
"""
USER_DATA = """#!/bin/bash
echo "fs-0123:/ /srv/pages efs _netdev,ro,tls 0 0" >>/etc/fstab
aws s3 cp s3://artifacts/server.zip /tmp/server.zip
python3.13 -m zipfile -e /tmp/server.zip /opt/server
cat >/etc/systemd/system/server.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3.13 /opt/server/server.py /srv/pages --host 0.0.0.0 --port 8080
UNIT
systemctl enable --now server
"""


def target_group(name: str) -> dict[str, object]:
    properties = {"Name": name, "Port": 8080, "Protocol": "HTTP", "VpcId": "vpc-1", "HealthCheckPath": "/health"}
    return {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": properties}


def resources(name: str, user_data: str) -> dict[str, object]:
    """Return a launch template, a target group *name*, and a group of one or two instances."""
    return {
        "LaunchTemplate": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"UserData": {"Fn::Base64": user_data}}},
        },
        "TargetGroup": target_group(name),
        "Group": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "LaunchTemplate"},
                    "Version": {"Fn::GetAtt": ["LaunchTemplate", "LatestVersionNumber"]},
                },
                "TargetGroupARNs": [{"Ref": "TargetGroup"}],
                "AvailabilityZones": ["us-east-1a"],
                "MinSize": "1",
                "MaxSize": "2",
            },
        },
    }


def create_stack(name: str, resources: dict[str, object]) -> None:
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


@pytest.fixture(scope="module", autouse=True)
def _endpoint(emulator: str) -> Iterator[None]:
    os.environ["AWS_ENDPOINT_URL"] = emulator
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("server.py", SERVER)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="server.zip", Body=archive.getvalue())
    yield
    del os.environ["AWS_ENDPOINT_URL"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file system that the instances mount."""
    pages = file_system(tmp_path_factory.mktemp("instances"), "fs-0123")
    (pages / "page").write_bytes(b"from the file system")
    return pages


@pytest.fixture(scope="module")
def group(pages: Path) -> Iterator[AutoScalingGroup]:
    create_stack(STACK, resources(STACK, USER_DATA))
    group = AutoScalingGroup.in_stack(STACK, pages.parent, pages.parent)
    group.start()
    yield group
    group.stop()


def ports() -> set[int]:
    """Return the ports of the registered targets."""
    elb = boto3.client("elbv2")
    (target_group,) = elb.describe_target_groups(Names=[STACK])["TargetGroups"]
    health = elb.describe_target_health(TargetGroupArn=target_group["TargetGroupArn"])["TargetHealthDescriptions"]
    return {description["Target"]["Port"] for description in health}


def set_desired_capacity(capacity: int) -> None:
    found = boto3.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId="Group")
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    boto3.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=capacity)


def test_an_instance_runs_the_program_of_the_user_data_and_is_registered(group: AutoScalingGroup) -> None:
    [port] = until(ports)

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert answer.read() == b"from the file system"
    assert len(group.pids) == 1
    assert group.log.read_text().startswith("started")


def test_the_number_of_instances_follows_the_desired_capacity(group: AutoScalingGroup) -> None:
    for capacity in (2, 1):
        set_desired_capacity(capacity)
        until(lambda capacity=capacity: len(ports()) == len(group.pids) == capacity)  # type: ignore[misc]


def test_an_instance_that_is_killed_is_replaced(group: AutoScalingGroup) -> None:
    before = until(ports)
    os.kill(group.pids[0], signal.SIGKILL)

    after = until(lambda: not ports() & before and ports())

    assert len(after) == 1


def test_an_instance_that_fails_its_health_check_is_deregistered_until_it_passes(
    group: AutoScalingGroup, pages: Path
) -> None:
    [port] = until(ports)
    (pages / "unhealthy").touch()
    try:
        until(lambda: not ports())
    finally:
        (pages / "unhealthy").unlink()

    assert until(ports) == {port}


def test_a_stack_without_a_group_is_an_error(tmp_path: Path) -> None:
    create_stack("no-group", {"TargetGroup": target_group("no-group")})

    with pytest.raises(ValueError, match=r"the stack no-group has no AWS::AutoScaling::AutoScalingGroup"):
        AutoScalingGroup.in_stack("no-group", tmp_path, tmp_path)


def test_user_data_of_another_form_is_an_error_that_shows_the_missing_line(tmp_path: Path) -> None:
    user_data = "#!/bin/bash\naws s3 cp s3://artifacts/server.zip /tmp/server.zip\n"
    create_stack("other-form", resources("other-form", user_data))

    with pytest.raises(ValueError, match=r"no line of the form `python3.13 -m zipfile -e FILE FOLDER`"):
        AutoScalingGroup.in_stack("other-form", tmp_path, tmp_path).start()


def test_each_group_of_a_stack_has_instances_until_it_is_deleted(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "DISCOVERY_INTERVAL", 0.1)
    stopped, elb = threading.Event(), boto3.client("elbv2")
    thread = threading.Thread(target=following.Groups(tmp_path, pages.parent).run, args=(stopped,))
    thread.start()
    try:
        create_stack("followed", resources("followed", USER_DATA))
        (group,) = elb.describe_target_groups(Names=["followed"])["TargetGroups"]
        arn = group["TargetGroupArn"]
        target = until(lambda: elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"])[0]["Target"]
        assert is_listening(target["Port"])

        boto3.client("cloudformation").delete_stack(StackName="followed")
        assert eventually(lambda: not is_listening(target["Port"]))
    finally:
        stopped.set()
        thread.join()
