"""The servers of a release day: an emulator, its stack and servers, and the edge after its deployment."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import boto3
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

import deploy.updates
from bench.emulator import emulator
from bench.release_day.clients import Address
from localaws.autoscaling.instances import AutoScalingGroup
from localaws.efs import file_system
from localaws.ports import find_free_port
from updates.publish import Repository, first_root

STAGE = "day"
_LINE = re.compile(r'"GET (?P<path>\S+)" (?P<status>\d+) (?P<sent>\d+)$', re.MULTILINE)
_EDGE_METRICS = ("Requests", "CacheHits", "CollapsedRequests", "OriginRequests")


class Work(NamedTuple):
    """The work of the origins since the servers started: requests, bytes sent, CPU seconds."""

    requests: int
    bytes: int
    cpu_seconds: float


class Servers:
    """The servers, at first without the edge; `add_edge` adds it."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self._endpoint = stack.enter_context(emulator())
            outputs = deploy.updates.deploy("before", STAGE)
            self._packages = folder / "packages"
            self._packages.mkdir()
            release_key = _key()
            self._repository = Repository(file_system(folder, outputs["FileSystem"]), release_key)
            self._repository.create(first_root(_key(), release_key.public_key, datetime.now(UTC)))
            self._group = AutoScalingGroup.in_stack(f"updates-{STAGE}", folder, folder)
            self._group.start()
            stack.callback(self._group.stop)
            self.address = Address(int(self._endpoint.rpartition(":")[2]), outputs["LoadBalancerDomain"])
            self._distribution = ""
            self.release("1.0.0", 1)
            self._wait()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def release(self, version: str, size: int) -> None:
        """Publish a package of *size* random bytes."""
        file = self._packages / f"app-{version}.bin"
        with file.open("wb") as content, open("/dev/urandom", "rb") as noise:
            for begin in range(0, size, 1 << 20):
                content.write(noise.read(min(1 << 20, size - begin)))
        self._repository.release(file, version)
        file.unlink()

    def add_edge(self) -> None:
        """Update the stack to the other template and serve the distribution. The servers keep running."""
        outputs = deploy.updates.deploy("after", STAGE)
        port, self._distribution = find_free_port(), outputs["DistributionId"]
        edge = subprocess.Popen([sys.executable, "-m", "localaws.cloudfront", f"{self._distribution}={port}"])
        self._stack.callback(edge.wait)
        self._stack.callback(edge.terminate)
        self.address = Address(port, outputs["DistributionDomain"])
        self._wait()

    def work(self) -> Work:
        lines = [found for found in _LINE.finditer(self._group.log.read_text()) if found["path"] != "/health"]
        times = [psutil.Process(pid).cpu_times() for pid in self._group.pids]
        return Work(
            len(lines), sum(int(line["sent"]) for line in lines), sum(each.user + each.system for each in times)
        )

    def edge_counts(self) -> dict[str, int]:
        """Return the distribution's metrics so far, or an empty dictionary without the edge."""
        if not self._distribution:
            return {}
        time.sleep(1.5)  # the edge publishes them twice a second
        return {metric: self._sum(metric) for metric in _EDGE_METRICS}

    def _sum(self, metric: str) -> int:
        now = datetime.now(UTC)
        points: list[dict[str, Any]] = boto3.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/CloudFront",
            MetricName=metric,
            Dimensions=[
                {"Name": "DistributionId", "Value": self._distribution},
                {"Name": "Region", "Value": "Global"},
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=86400,
            Statistics=["Sum"],
        )["Datapoints"]
        return int(sum(point["Sum"] for point in points))

    def _wait(self) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.address.port}/releases/index.json", headers={"Host": self.address.host}
        )
        for _ in range(400):
            try:
                urllib.request.urlopen(request, timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"no response from {request.full_url}")


def _key() -> CryptoSigner:
    return CryptoSigner(Ed25519PrivateKey.generate())
