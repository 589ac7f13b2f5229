"""An emulator that runs during a benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox import settings


@contextmanager
def emulator() -> Iterator[str]:
    """Start an emulator for the block and point boto3 to it; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(settings.ROOT),
            "GATEWAY_PORT": str(settings.port("emulator") + 1),
            "TMPDIR": folder,
            "LOG_LEVEL": "ERROR",
        }
        url = f"http://127.0.0.1:{environment['GATEWAY_PORT']}"
        process = subprocess.Popen([sys.executable, "-m", "localaws.emulator"], env=environment, cwd=folder)
        before = dict(os.environ)
        try:
            while not _answers(f"{url}/_ministack/health"):
                time.sleep(0.05)
            os.environ |= settings.environment() | {"AWS_ENDPOINT_URL": url}
            yield url
        finally:
            os.environ.clear()
            os.environ |= before
            process.terminate()
            process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except OSError:
        return False
    return True
