"""The instances of an Auto Scaling group, as local processes.

The emulator stores Auto Scaling groups and launch templates but starts nothing. An AutoScalingGroup runs as many
processes as the group's desired capacity, and does what Auto Scaling and Elastic Load Balancing do with instances. It
registers a process that passes the target group's health check, takes one that fails it out of service, and replaces
one that exits. It does not scale by itself, because there are no instance metrics: set the desired capacity instead.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html

The user data of the launch template must install a Python program from S3 and start it by systemd, with these lines:

    echo "fs-0123:/ /srv/data efs ..." >>/etc/fstab                                (optional)
    aws s3 cp s3://BUCKET/KEY /tmp/app.zip
    python3.13 -m zipfile -e /tmp/app.zip /opt/app
    ExecStart=/usr/bin/python3.13 /opt/app/server.py --host 0.0.0.0 --port 8080

Each process runs the ExecStart command with this machine's Python and these replacements: the unpacked zip for
/opt/app, the folder of the file system for the mount point /srv/data, 127.0.0.1 for 0.0.0.0, and a free port for the
target group's port. All other lines are ignored.
"""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from localaws.changes.client import Changes
from localaws.efs import file_system
from localaws.ports import find_free_port

log = logging.getLogger(__name__)

POLL_INTERVAL = 0.5
"""Seconds between looks at the processes, and between health checks of an instance that is not in service, or fails.
It replaces the target group's HealthCheckIntervalSeconds, which is at least 5."""
HEALTHY_INTERVAL = 5
"""Seconds between health checks of an instance that is in service."""

_MOUNT = re.compile(r'"(?P<id>fs-\w+):/ (?P<folder>\S+) efs ')
_COPY = re.compile(r"^aws s3 cp .*s3://(?P<bucket>[^/\s]+)/(?P<key>\S+) ", re.MULTILINE)
_UNZIP = re.compile(r"^\S+ -m zipfile -e \S+ (?P<folder>\S+)", re.MULTILINE)
_EXEC_START = re.compile(r"^ExecStart=(?P<python>\S+) (?P<arguments>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Launch:
    """The unpacked program of the user data, and the command that starts it."""

    program: Path
    command: tuple[str, ...]


@dataclass
class Instance:
    """A process, and the state of its health checks. *failures* counts consecutive failed checks."""

    process: subprocess.Popen[bytes]
    port: int
    in_service: bool = False
    failures: int = 0
    checked: float = -math.inf
    """When its health was last checked, seconds of time.monotonic()."""

    @property
    def target(self) -> dict[str, Any]:
        """The TargetDescription for Elastic Load Balancing."""
        return {"Id": "127.0.0.1", "Port": self.port}


class AutoScalingGroup:
    """The processes of the group *name*, registered with one target group.

    *folder* holds the unpacked program and the instances' log, *file_systems* the file systems by their ids.
    """

    def __init__(self, name: str, target_group_arn: str, folder: Path, file_systems: Path) -> None:
        self._name, self._target_group_arn, self._folder = name, target_group_arn, folder
        self._file_systems = file_systems
        self._instances: list[Instance] = []
        self._desired = 0
        self._changes = Changes(os.environ["AWS_ENDPOINT_URL"], "autoscaling")
        self._changed, self._stopped = Event(), Event()
        self._thread = Thread(target=self._run, name=f"instances-{name}", daemon=True)

    @classmethod
    def in_stack(cls, stack: str, folder: Path, file_systems: Path) -> Self:
        """Return the group of a CloudFormation stack that has one group and one target group.

        Raises ValueError if the stack has none. The emulator's DescribeAutoScalingGroups omits TargetGroupARNs, so the
        target group is read from the stack.
        """
        resources = boto3.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        ids = {resource["ResourceType"]: resource["PhysicalResourceId"] for resource in resources}
        try:
            group = ids["AWS::AutoScaling::AutoScalingGroup"]
            target_group = ids["AWS::ElasticLoadBalancingV2::TargetGroup"]
        except KeyError as missing:
            raise ValueError(f"the stack {stack} has no {missing.args[0]}") from None
        return cls(group, target_group, folder, file_systems)

    @property
    def log(self) -> Path:
        """The file with the output of all instances."""
        return self._folder / "instances.log"

    @property
    def pids(self) -> list[int]:
        """The process ids of the instances."""
        return [instance.process.pid for instance in self._instances]

    def start(self) -> None:
        """Deregister targets of an earlier run, and start following the group's desired capacity.

        Raises ValueError if the launch template's user data does not have the form that this module's docstring shows.
        """
        session = boto3.Session()
        self._autoscaling, self._elb = session.client("autoscaling"), session.client("elbv2")
        self._target_group = self._elb.describe_target_groups(TargetGroupArns=[self._target_group_arn])["TargetGroups"][
            0
        ]
        self._deregister(*(description["Target"] for description in self._health()))
        (group,) = self._describe()
        self._launch = self._prepare(_user_data(session, group["LaunchTemplate"]), session.client("s3"))
        self._changed.set()
        Thread(target=self._wait_for_changes, name=f"changes-{self._name}", daemon=True).start()
        self._thread.start()

    def stop(self) -> None:
        """Deregister and terminate all instances."""
        self._stopped.set()
        self._thread.join()
        self._terminate(*self._instances)
        self._instances = []

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._reconcile()
            except (BotoCoreError, ClientError) as error:
                log.warning("cannot update the instances of %s: %s", self._name, error)
                self._changed.set()
            self._stopped.wait(POLL_INTERVAL)

    def _wait_for_changes(self) -> None:
        while not self._stopped.is_set():
            if self._changes.wait():
                self._changed.set()

    def _reconcile(self) -> None:
        """Replace exited instances, start or terminate instances up to the desired capacity, and check their health."""
        exited = [instance for instance in self._instances if instance.process.poll() is not None]
        self._instances = [instance for instance in self._instances if instance not in exited]
        if self._changed.is_set():
            self._changed.clear()
            self._desired = self._desired_capacity()
        surplus, self._instances = self._instances[self._desired :], self._instances[: self._desired]
        self._terminate(*exited, *surplus)
        while len(self._instances) < self._desired:
            self._instances.append(self._start_instance())
        for instance in self._instances:
            self._check_health(instance)

    def _check_health(self, instance: Instance) -> None:
        is_healthy = instance.in_service and not instance.failures
        if is_healthy and time.monotonic() - instance.checked < HEALTHY_INTERVAL:
            return
        instance.checked = time.monotonic()
        group = self._target_group
        url = f"http://127.0.0.1:{instance.port}{group['HealthCheckPath']}"
        healthy = _is_healthy(url, group["Matcher"]["HttpCode"])
        instance.failures = 0 if healthy else instance.failures + 1
        if healthy and not instance.in_service:
            self._elb.register_targets(TargetGroupArn=self._target_group_arn, Targets=[instance.target])
            instance.in_service = True
        if instance.in_service and instance.failures >= group["UnhealthyThresholdCount"]:
            self._deregister(instance.target)
            instance.in_service = False

    def _terminate(self, *instances: Instance) -> None:
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
        with contextlib.suppress(self._elb.exceptions.TargetGroupNotFoundException):  # deleted with its stack
            if targets:
                self._elb.deregister_targets(
                    TargetGroupArn=self._target_group_arn, Targets=[dict(target) for target in targets]
                )

    def _describe(self) -> list[dict[str, Any]]:
        """Return the group, or nothing if it was deleted."""
        answer = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self._name])
        found: list[dict[str, Any]] = answer["AutoScalingGroups"]
        return found

    def _desired_capacity(self) -> int:
        return next((int(group["DesiredCapacity"]) for group in self._describe()), 0)

    def _health(self) -> list[dict[str, Any]]:
        answer = self._elb.describe_target_health(TargetGroupArn=self._target_group_arn)
        health: list[dict[str, Any]] = answer["TargetHealthDescriptions"]
        return health

    def _prepare(self, user_data: str, s3: Any) -> Launch:
        """Unpack the program, and replace the paths of an instance in its command with paths of this machine."""
        copy = _require(_COPY, user_data, "aws s3 cp s3://BUCKET/KEY FILE")
        unzip = _require(_UNZIP, user_data, "python3.13 -m zipfile -e FILE FOLDER")
        start = _require(_EXEC_START, user_data, "ExecStart=PYTHON ARGUMENTS")
        program = self._folder / "program"
        shutil.rmtree(program, ignore_errors=True)
        content = s3.get_object(Bucket=copy["bucket"], Key=copy["key"])["Body"].read()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(program)
        replacements = {"0.0.0.0": "127.0.0.1"}  # noqa: S104  # the address in the user data
        if mount := _MOUNT.search(user_data):
            replacements[mount["folder"]] = str(file_system(self._file_systems, mount["id"]))
        arguments = [
            replacements.get(argument, argument.replace(unzip["folder"], str(program)))
            for argument in shlex.split(start["arguments"])
        ]
        return Launch(program, (sys.executable, *arguments))

    def _start_instance(self) -> Instance:
        port = find_free_port()
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


def _user_data(session: boto3.Session, template: dict[str, Any]) -> str:
    versions = session.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]]
    )["LaunchTemplateVersions"]
    return base64.b64decode(versions[0]["LaunchTemplateData"]["UserData"]).decode()


def _require(pattern: re.Pattern[str], user_data: str, form: str) -> re.Match[str]:
    found = pattern.search(user_data)
    if found is None:
        raise ValueError(f"the launch template's user data has no line of the form `{form}`")
    return found


def _is_healthy(url: str, status: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return str(answer.status) == status
    except (OSError, urllib.error.HTTPError):
        return False
