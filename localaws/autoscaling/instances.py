"""The instances of a stack's Auto Scaling group, as processes of this machine.

The emulator keeps a group and its launch template and starts nothing. This runs as many processes as the group desires,
each what the launch template's user data says: the zip from S3, started by the unit's ExecStart, on a folder that plays
the file system that it mounts. It does what a target group and its group do with instances: a process that answers its
health check is registered, one that does not is taken out of service, one that has ended is replaced.
Scaling itself, which needs metrics of instances, it leaves to whoever sets the desired capacity.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
"""

from __future__ import annotations

import base64
import io
import logging
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

EVERY = 0.25
"""Seconds between looks, and between health checks: those of a target group are made for a slower network."""

_ARTIFACT = re.compile(r"^aws s3 cp .*s3://(?P<bucket>[^/\s]+)/(?P<key>\S+) ", re.MULTILINE)
_UNPACKED = re.compile(r"^\S+ -m zipfile -e \S+ (?P<folder>\S+)", re.MULTILINE)
_MOUNTED = re.compile(r'"(?P<id>fs-\w+):/ (?P<folder>\S+) efs ')
_START = re.compile(r"^ExecStart=(?P<python>\S+) (?P<arguments>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Launch:
    """What the user data of a launch template starts."""

    program: Path
    command: tuple[str, ...]


@dataclass
class Instance:
    process: subprocess.Popen[bytes]
    port: int
    in_service: bool = False
    failures: int = field(default=0)

    @property
    def target(self) -> dict[str, Any]:
        return {"Id": "127.0.0.1", "Port": self.port}


class Fleet:
    """The instances of *stack*; *folder* has its file systems by their ids, programs and a log."""

    def __init__(self, stack: str, folder: Path) -> None:
        self._folder = folder
        self._stack = stack
        self._instances: list[Instance] = []
        self._stopped = Event()
        self._thread = Thread(target=self._follow, name="fleet", daemon=True)

    @property
    def log(self) -> Path:
        """What the instances print, line by line."""
        return self._folder / "instances.log"

    @property
    def pids(self) -> list[int]:
        return [instance.process.pid for instance in self._instances]

    def start(self) -> None:
        """Begin to follow the group, from a target group without the targets of an earlier run."""
        session = boto3.Session()
        self._autoscaling, self._elb = session.client("autoscaling"), session.client("elbv2")
        resources = session.client("cloudformation").describe_stack_resources(StackName=self._stack)["StackResources"]
        of_type = {resource["ResourceType"]: resource["PhysicalResourceId"] for resource in resources}
        self._group = of_type["AWS::AutoScaling::AutoScalingGroup"]
        self._target_group = self._elb.describe_target_groups(
            TargetGroupArns=[of_type["AWS::ElasticLoadBalancingV2::TargetGroup"]]
        )["TargetGroups"][0]
        self._deregister(*(d["Target"] for d in self._health()))
        self._launch = self._prepare(_user_data(session, self._describe()["LaunchTemplate"]), session.client("s3"))
        self._thread.start()

    def stop(self) -> None:
        """Take all out of service and end them."""
        self._stopped.set()
        self._thread.join()
        self._end(*self._instances)
        self._instances = []

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except (BotoCoreError, ClientError) as error:
                log.warning("the group %s cannot be followed: %s", self._group, error)
            self._stopped.wait(EVERY)

    def _look(self) -> None:
        dead = [instance for instance in self._instances if instance.process.poll() is not None]
        self._instances = [instance for instance in self._instances if instance not in dead]
        desired = self._describe()["DesiredCapacity"]
        surplus, self._instances = self._instances[desired:], self._instances[:desired]
        self._end(*dead, *surplus)
        while len(self._instances) < desired:
            self._instances.append(self._start())
        for instance in self._instances:
            self._check(instance)

    def _check(self, instance: Instance) -> None:
        group = self._target_group
        healthy = _answers(f"http://127.0.0.1:{instance.port}{group['HealthCheckPath']}", group["Matcher"]["HttpCode"])
        instance.failures = 0 if healthy else instance.failures + 1
        if healthy and not instance.in_service:
            self._elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[instance.target])
            instance.in_service = True
        if instance.in_service and instance.failures >= group["UnhealthyThresholdCount"]:
            self._deregister(instance.target)
            instance.in_service = False

    def _end(self, *instances: Instance) -> None:
        self._deregister(*(instance.target for instance in instances))
        for instance in instances:
            instance.process.terminate()
        for instance in instances:
            try:
                instance.process.wait(5)
            except subprocess.TimeoutExpired:
                instance.process.kill()
                instance.process.wait()

    def _deregister(self, *targets: dict[str, Any]) -> None:
        if targets:
            self._elb.deregister_targets(
                TargetGroupArn=self._target_group["TargetGroupArn"], Targets=[dict(target) for target in targets]
            )

    def _describe(self) -> dict[str, Any]:
        answer = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self._group])
        group: dict[str, Any] = answer["AutoScalingGroups"][0]
        return group

    def _health(self) -> list[dict[str, Any]]:
        answer = self._elb.describe_target_health(TargetGroupArn=self._target_group["TargetGroupArn"])
        health: list[dict[str, Any]] = answer["TargetHealthDescriptions"]
        return health

    def _prepare(self, user_data: str, s3: Any) -> Launch:
        """Unpack the program, and put this machine's places where the user data has an instance's."""
        artifact, unpacked, mounted, start = (
            _found(pattern, user_data) for pattern in (_ARTIFACT, _UNPACKED, _MOUNTED, _START)
        )
        program, files = self._folder / "program", file_system(self._folder, mounted["id"])
        shutil.rmtree(program, ignore_errors=True)
        content = s3.get_object(Bucket=artifact["bucket"], Key=artifact["key"])["Body"].read()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(program)
        here = {"0.0.0.0": "127.0.0.1", mounted["folder"]: str(files)}  # noqa: S104  # an instance's, not ours
        arguments = [
            here.get(argument, argument.replace(unpacked["folder"], str(program)))
            for argument in shlex.split(start["arguments"])
        ]
        return Launch(program, (sys.executable, *arguments))

    def _start(self) -> Instance:
        port = free_port()
        command = [str(port) if part == str(self._target_group["Port"]) else part for part in self._launch.command]
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self._launch.program)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return Instance(process, port)


def file_system(folder: Path, identifier: str) -> Path:
    """Return the folder that plays the file system *identifier* for the fleet of *folder*."""
    files = folder / identifier
    files.mkdir(parents=True, exist_ok=True)
    return files


def _user_data(session: boto3.Session, template: dict[str, Any]) -> str:
    versions = session.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]]
    )["LaunchTemplateVersions"]
    return base64.b64decode(versions[0]["LaunchTemplateData"]["UserData"]).decode()


def _found(pattern: re.Pattern[str], user_data: str) -> re.Match[str]:
    found = pattern.search(user_data)
    if found is None:
        raise ValueError(f"the user data has nothing of the form {pattern.pattern}")
    return found


def _answers(url: str, status: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return str(answer.status) == status
    except (OSError, urllib.error.HTTPError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
