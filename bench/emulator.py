"""An emulator for as long as something is measured."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox import settings as place


@contextmanager
def emulator() -> Iterator[str]:
    """Start an emulator for the time of the block, and have boto3 speak to it; its address."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(place.ROOT),
            "GATEWAY_PORT": str(place.port("emulator") + 1),
            "TMPDIR": folder,
            "LOG_LEVEL": "ERROR",
        }
        url = f"http://127.0.0.1:{environment['GATEWAY_PORT']}"
        process = subprocess.Popen([sys.executable, "-m", "localaws.emulator"], env=environment, cwd=folder)
        before = dict(os.environ)
        try:
            while not _answers(f"{url}/_ministack/health"):
                time.sleep(0.05)
            os.environ |= place.environment() | {"AWS_ENDPOINT_URL": url}
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
