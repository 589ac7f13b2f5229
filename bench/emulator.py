"""An emulator that runs during a benchmark."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from localaws import serve
from localaws.settings import PACKAGE, Settings


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of the process and its workers, in seconds."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


@contextmanager
def emulator() -> Iterator[str]:
    """Run an emulator until the block ends, and point boto3 to it; the value is its address."""
    with tempfile.TemporaryDirectory() as folder, serve.emulator(Path(folder)) as url:
        before = dict(os.environ)
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",  # the root key of an emulator alone
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": Settings.regions[0],
            "AWS_DATA_PATH": str(PACKAGE / "botodata"),
        }
        try:
            yield url
        finally:
            os.environ.clear()
            os.environ |= before
