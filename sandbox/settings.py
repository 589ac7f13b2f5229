"""The settings of one stage in the sandbox, read once from the environment by the command that starts."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import localaws.settings
from localaws import allowed_pages, processes
from localaws.allowed_pages import local_origins
from sandbox import ports
from sandbox.errors import InvalidVariable

ROOT = ports.ROOT
REGION = "us-east-1"
REPLICA_REGION = "eu-west-1"


def _stage(environment: Mapping[str, str], variable: str, default: str) -> str:
    text = environment.get(variable, default)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,10}", text):
        raise InvalidVariable(f"{variable}={text} is not a stage: give one to eleven letters a-z, digits and hyphens")
    return text


def _app(environment: Mapping[str, str], variable: str) -> str | None:
    app = environment.get(variable)
    if not app:
        return None
    from deploy.apps import names  # only here, because boto3 is slow to import

    apps = names()
    if app not in apps:
        raise InvalidVariable(f"DEBUG={app} is not an app: give one of {', '.join(apps)}")
    return app


def _flag(environment: Mapping[str, str], variable: str, default: bool) -> bool:
    text = environment.get(variable) or str(int(default))
    if not text.isdecimal():
        raise InvalidVariable(f"{variable}={text} is not a number: give 0 for no, 1 for yes")
    return int(text) > 0


def _seconds(environment: Mapping[str, str], variable: str, default: float) -> float:
    text = environment.get(variable, str(default))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidVariable(f"{variable}={text} is not a number of seconds above 0")
    return seconds


@dataclass(frozen=True)
class Settings:
    """One stage. ``clone_of`` names the stage in whose AWS a clone runs; None for a stage with an AWS of its own."""

    folder: Path
    stage: str
    clone_of: str | None
    ports: Mapping[str, int]
    keep: bool
    fresh: bool
    """Whether the AWS is that of a new account, without what a team does once in its account."""
    background: bool
    """Whether the apps' background commands run, such as devices that send."""
    reload: bool
    """Whether a file that is saved is deployed."""
    debug: str | None = None
    """The app whose functions take a debugger."""
    own_pages: frozenset[str] = frozenset()
    """The origins of a developer's own pages, such as `http://localhost:3000`, which may call the sandbox too."""
    retry_delay: float = localaws.settings.Settings.retry_delay
    buffer_interval: float = 5
    """Seconds of a Firehose buffer, at most. The apps' templates have the intervals that AWS accepts."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables of docs/sandbox.md. Raises InvalidVariable and InvalidFile."""
        return cls(
            folder=ports.folder(environment),
            stage=_stage(environment, "SANDBOX_STAGE", "local"),
            clone_of=environment.get("CLONE_OF"),
            ports=ports.from_environment(environment),
            keep=_flag(environment, "KEEP", default=False),
            fresh=environment.get("ACCOUNT") == "fresh",
            background=_flag(environment, "DEVICES", default=True),
            reload=_flag(environment, "RELOAD", default="CLONE_OF" not in environment),
            debug=_app(environment, "SANDBOX_DEBUG"),
            own_pages=frozenset(environment.get(allowed_pages.VARIABLE, "").split()),
            retry_delay=_seconds(environment, "RETRY_DELAY", localaws.settings.Settings.retry_delay),
            buffer_interval=_seconds(environment, "BUFFER_INTERVAL", cls.buffer_interval),
        )

    @property
    def aws(self) -> localaws.settings.Settings:
        """The settings of the AWS that the stage is deployed to. A clone shares the folder of the first stage."""
        return localaws.settings.Settings(
            folder=self.folder.parent if self.clone_of else self.folder,
            port=self.ports["emulator"],
            dax_port=self.ports["dax"],
            mqtt_port=self.ports["mqtt"],
            regions=(REGION, REPLICA_REGION),
            keep=self.keep,
            origins=tuple(sorted(self.origins)),
            grant_requests=True,
            retry_delay=self.retry_delay,
            buffer_interval=self.buffer_interval,
        )

    @property
    def origins(self) -> frozenset[str]:
        """The origins of the stage's pages, and of those that the environment names."""
        own = (port for name, port in self.ports.items() if name not in (*ports.SHARED, ports.DEBUGGER))
        return self.own_pages.union(*map(local_origins, own))

    @property
    def environment(self) -> dict[str, str]:
        """The variables under which boto3, Chalice and the AWS CLI use the sandbox."""
        # Without bytecode the same source makes the same zip.
        return self.aws.environment | {"PYTHONDONTWRITEBYTECODE": "1"}

    @property
    def debugger(self) -> dict[str, str]:
        """The variables of the AWS for the functions that take a debugger."""
        if not self.debug:
            return {}
        functions = f"{self.debug}-{self.stage}={ROOT / self.debug}"
        return {"LOCALAWS_DEBUG": functions, "LOCALAWS_DEBUG_PORT": str(self.ports[ports.DEBUGGER])}

    @property
    def outputs_file(self) -> Path:
        """The file that is written when the stage is ready."""
        return self.folder / "outputs.json"

    @property
    def log(self) -> Path:
        """The file with what the stage's process prints."""
        return self.folder / "sandbox.log"

    @property
    def instances(self) -> Path:
        """The folder of the update servers' instances."""
        return self.folder / "state" / "fleet"

    def url(self, name: str) -> str:
        """Return the address of a port by its name, without a closing slash."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def outputs(self) -> dict[str, Any] | None:
        """Return what a ready stage wrote, or None if the stage does not run or is not ready."""
        if not processes.pid(self.folder) or not self.outputs_file.exists():
            return None
        outputs: dict[str, Any] = json.loads(self.outputs_file.read_text())
        return outputs

    def running(self) -> Settings | None:
        """Return these settings with the stage and the ports of the AWS that run in the folder; None if none does.

        A stage may run on other ports than those of this environment.
        """
        outputs = self.outputs()
        if outputs is None:
            return None
        running = {name: outputs[f"{name}_port"] for name in ports.SHARED}
        return replace(self, stage=outputs["stage"], ports={**self.ports, **running})

    def clones(self) -> list[Path]:
        """Return the folders of the clones that run in this stage's AWS."""
        files = self.folder.glob(f"*/{processes.PID}")
        return sorted(file.parent for file in files if processes.pid(file.parent))

    def clone_environment(self, stage: str) -> dict[str, str]:
        """Return the variables of a clone named *stage*: free ports for the servers that it does not share."""
        variables = ports.port_variables()
        shared = {variables[name][0]: str(self.ports[name]) for name in ports.SHARED}
        own = {"SANDBOX_DIR": str(self.folder / stage), "SANDBOX_STAGE": stage, "CLONE_OF": self.stage}
        return ports.free_variables() | shared | own
