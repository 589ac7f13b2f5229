"""Runs plain `chalice local`, as a developer does in the folder of an app."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent


@contextmanager
def running(app: str, stage: str, port: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Run the app of *stage* on *port* until the end of the context; yield its URL, once it answers."""
    command = [Path(sys.executable).with_name("chalice"), "local", "--stage", stage, "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--no-autoreload"],
        cwd=ROOT / app,
        env=os.environ | dict(environment),
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            httpx.get(f"{url}/health")
            break
        except httpx.ConnectError:
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait()
