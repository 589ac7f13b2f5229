"""Where a sandbox is: its folder, its ports, and the environment that makes boto3 speak to it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = Path(os.environ.get("SANDBOX_DIR", ROOT / ".sandbox"))
STAGE = os.environ.get("SANDBOX_STAGE", "local")
LIKE = os.environ.get("SANDBOX_LIKE")
"""The stage of which this one is a clone, in the AWS of that one's sandbox; None where this one has its own AWS."""
REGION = "us-east-1"
REPLICA_REGION = "eu-west-1"

OUTPUTS = FOLDER / "outputs.json"
PID = FOLDER / "pid"
LOG = FOLDER / "sandbox.log"
FLEET = FOLDER / "state" / "fleet"

PORTS = {
    "emulator": ("EMULATOR_PORT", 4566),
    "dax": ("SANDBOX_DAX_PORT", 8111),
    "console": ("CONSOLE_PORT", 4500),
    "todo-app": ("TODO_PORT", 4501),
    "blog-app": ("BLOG_PORT", 4502),
    "video-app": ("VIDEO_PORT", 4503),
    "pipeline-app": ("PIPELINE_PORT", 4504),
    "payments": ("PAYMENTS_PORT", 4507),
    "updates": ("UPDATES_PORT", 4505),
    "mqtt": ("IOT_PORT", 8883),
}
"""By name, the variable that moves a port, and the port."""

ADDRESSES = ("web", "site", "dashboard", "cdn", "edge", "origin", "api")
"""Which of an app's outputs a person may open."""

OF_THE_AWS = ("emulator", "dax", "mqtt")
"""Those that all stages of a sandbox share; each stage has the others for itself."""


class PortBusy(Exception):
    """Something else listens on a port of the sandbox."""


def port(name: str) -> int:
    """Return the port of *name*: the emulator, the console, the payment provider or an app's page."""
    variable, default = PORTS[name]
    return int(os.environ.get(variable, default))


def url(name: str) -> str:
    """Return the address of *name* without a closing slash."""
    return f"http://127.0.0.1:{port(name)}"


def ports_of_a_clone() -> dict[str, str]:
    """Return by variable the ports of one more stage in this sandbox's AWS; those of its own are free ones."""
    return {variable: str(port(name) if name in OF_THE_AWS else _free_port()) for name, (variable, _) in PORTS.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pid(folder: Path = FOLDER) -> int | None:
    """Return the id of the process that serves the stage of *folder*, if it runs."""
    try:
        number = int((folder / PID.name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return number if runs(number) else None


def runs(pid: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def clones() -> list[Path]:
    """Return the folders of the stages that are served beside this one, in its AWS."""
    return sorted(file.parent for file in FOLDER.glob(f"*/{PID.name}") if pid(file.parent))


def require_free_ports() -> None:
    """Raise PortBusy, naming the port and the variable that moves it, if one is taken."""
    for name, (variable, _) in PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port(name)))
            except OSError as error:
                raise PortBusy(
                    f"port {port(name)} ({name}) is busy; free it or choose another: {variable}=… make run"
                ) from error


def environment() -> dict[str, str]:
    """Return the variables under which boto3, Chalice and the AWS CLI speak to the sandbox.

    AWS_DATA_PATH shortens the waits of `chalice deploy`, which are made for a slower cloud.
    """
    return {
        "AWS_ENDPOINT_URL": url("emulator"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_DATA_PATH": str(ROOT / "localaws" / "botodata"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
