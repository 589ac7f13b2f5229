"""The sandbox that a soak test or a game day starts for itself, beside that of the user."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localaws.ports import find_free_port
from sandbox.ports import port_variables
from sandbox.settings import ROOT, Settings


class NotRun(Exception):
    """A command of the sandbox failed; the message has what it printed."""


class OwnSandbox:
    """A sandbox of the stage *name* on free ports, in *folder*, without devices. It keeps its data over a restart."""

    def __init__(self, folder: Path, name: str, **variables: str) -> None:
        ports = {variable: str(find_free_port()) for variable, _ in port_variables().values()}
        own = {"SANDBOX_DIR": str(folder), "SANDBOX_STAGE": name, "KEEP": "1", "DEVICES": "0", "RELOAD": "0"}
        # The same root key after the restart: clients keep theirs.
        key = {
            "LOCALAWS_ACCESS_KEY_ID": "AKIAOWNSANDBOXOWNSAN",
            "LOCALAWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        }
        self._environment = os.environ | own | ports | key | variables
        self.settings = Settings.from_environment(self._environment)

    @property
    def outputs(self) -> dict[str, Any]:
        return self.settings.outputs() or {}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start with an empty AWS, and stop at the end. Raises NotRun."""
        self._command("down")  # one whose command was killed
        shutil.rmtree(self.settings.folder, ignore_errors=True)
        try:
            self._command("up")
            yield
        finally:
            self._command("down")

    def restart(self) -> None:
        """Stop and start, with all data. Raises NotRun."""
        self._command("down")
        self._command("up")

    def _command(self, name: str) -> None:
        command = [sys.executable, "-m", "sandbox", name]
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotRun(f"{name}: {done.stdout}{done.stderr}")
