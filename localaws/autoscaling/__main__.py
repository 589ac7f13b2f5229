"""`python -m localaws.autoscaling FOLDER FILE_SYSTEMS [STACK]`: run the instances of groups until SIGTERM.

Without STACK, run those of each group that a stack makes, from its creation to its deletion.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from localaws import service_models
from localaws.autoscaling.instances import AutoScalingGroup

DISCOVERY_INTERVAL = 2
"""Seconds between two looks for new groups."""

log = logging.getLogger(__name__)


def main() -> str | None:
    """Run until SIGTERM or SIGINT. Return an error message if the stack has no group that can run."""
    service_models.share()
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    folder, file_systems, *stacks = sys.argv[1:]
    if not stacks:
        Groups(Path(folder), Path(file_systems)).run(stopped)
        return None
    try:
        group = started(stacks[0], Path(folder), Path(file_systems))
    except (ValueError, ClientError) as error:
        return str(error)
    stopped.wait()
    group.stop()
    return None


class Groups:
    """The instances of each group that a stack makes, in a folder of its own below *folder*."""

    def __init__(self, folder: Path, file_systems: Path) -> None:
        self._folder, self._file_systems = folder, file_systems
        self._running: dict[str, AutoScalingGroup | None] = {}
        session = boto3.Session()
        self._autoscaling, self._cloudformation = session.client("autoscaling"), session.client("cloudformation")

    def run(self, stopped: Event) -> None:
        """Follow the groups until *stopped*."""
        while not stopped.wait(DISCOVERY_INTERVAL):
            try:
                self._follow()
            except (BotoCoreError, ClientError) as error:
                log.warning("cannot look for groups: %s", error)
        for name in list(self._running):
            self._stop(name)

    def _follow(self) -> None:
        groups = self._autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        names = {group["AutoScalingGroupName"] for group in groups}
        for name in self._running.keys() - names:
            self._stop(name)
        if new := names - self._running.keys():
            for name, stack in self._stacks():
                if name in new:
                    self._start(name, stack)

    def _stacks(self) -> Iterator[tuple[str, str]]:
        """Yield the physical id of each resource of each complete stack, with the name of the stack."""
        for stack in self._cloudformation.describe_stacks()["Stacks"]:
            if stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                found = self._cloudformation.describe_stack_resources(StackName=stack["StackName"])["StackResources"]
                yield from ((resource["PhysicalResourceId"], stack["StackName"]) for resource in found)

    def _start(self, name: str, stack: str) -> None:
        try:
            self._running[name] = started(stack, self._folder / name, self._file_systems)
        except ValueError as error:
            log.warning("%s has no instances: %s", name, error)
            self._running[name] = None

    def _stop(self, name: str) -> None:
        if group := self._running.pop(name):
            group.stop()


def started(stack: str, folder: Path, file_systems: Path) -> AutoScalingGroup:
    folder.mkdir(parents=True, exist_ok=True)
    group = AutoScalingGroup.in_stack(stack, folder, file_systems)
    group.start()
    return group


if __name__ == "__main__":
    sys.exit(main())
