"""Import time of todo-app at a cold start, compared with the minimum: Chalice, boto3 and one client.

Both run in turns, in fresh processes, from the files of the zip that `chalice package` makes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import zipfile

from deploy import apps, policies

_RUNS = 15
_MINIMUM = "import chalice, boto3; boto3.client('dynamodb')"
_APP = "import app; from chalicelib import wiring; wiring.todos()"
_SETTINGS = ("TABLE", "FILES_BUCKET", "USER_POOL_ARN", "USER_POOL_ID", "USER_POOL_CLIENT_ID", "IDENTITY_POOL_ID")


def run() -> None:
    """Print both times and their ratio."""
    environment = {name: f"arn:aws:x:us-east-1:0:{name}" for name in _SETTINGS}
    environment |= {"STAGE": "bench", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= environment
    project = apps.ROOT / "todo-app"
    policies.write(project, "bench", dict.fromkeys(policies.places(project), "bench"))  # the zip has none of them
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(apps.package("todo-app", "bench") / "deployment.zip").extractall(folder)
        pairs = [(_milliseconds(folder, _MINIMUM), _milliseconds(folder, _APP)) for _ in range(_RUNS)]
    minimum, app = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(app / minimum for minimum, app in pairs)
    print(f"import   chalice + boto3 + a client {minimum:6.0f} ms   todo-app {app:6.0f} ms   ratio {ratio:.2f}")


def _milliseconds(folder: str, statement: str) -> float:
    timed = f"import time; t = time.perf_counter(); {statement}; print((time.perf_counter() - t) * 1000)"
    environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", timed], env=environment, check=True, cwd=folder, capture_output=True, text=True
    )
    return float(done.stdout)
