"""The sandbox that a soak test, a game day or a measurement starts for itself, beside that of the user."""

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

from localaws import processes
from sandbox.ports import free_variables
from sandbox.settings import ROOT, Settings


class NotRun(Exception):
    """A command of the sandbox failed; the message has what it printed."""


class OwnSandbox:
    """A sandbox of the stage *name* on free ports, in *folder*, by the code in *root*.

    It has no devices and deploys no file that is saved, unless the *variables* say so.
    """

    def __init__(self, folder: Path, name: str, root: Path = ROOT, **variables: str) -> None:
        own = {"SANDBOX_DIR": str(folder), "SANDBOX_STAGE": name, "DEVICES": "0", "RELOAD": "0"}
        # The same root key after the restart: clients keep theirs.
        key = {
            "LOCALAWS_ACCESS_KEY_ID": "AKIAOWNSANDBOXOWNSAN",
            "LOCALAWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        }
        self._root = root
        self._environment = os.environ | own | free_variables() | key | variables
        self.settings = Settings.from_environment(self._environment)

    @property
    def outputs(self) -> dict[str, Any]:
        return self.settings.outputs() or {}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start with an empty AWS, and stop at the end. Raises NotRun."""
        if processes.pid(self.settings.folder):  # one whose command was killed
            self._command("down")
        shutil.rmtree(self.settings.folder, ignore_errors=True)
        try:
            self._command("up")
            yield
        finally:
            self._command("down")

    def clone(self, stage: str) -> None:
        """Start a second stage of all apps in the same AWS. It stops with the first. Raises NotRun."""
        self._command("clone", stage)

    def restart(self) -> None:
        """Stop and start, with all data if the variables have KEEP. Raises NotRun."""
        self._command("down")
        self._command("up")

    def _command(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "sandbox", *arguments]
        done = subprocess.run(
            command, cwd=self._root, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NotRun(f"{arguments[0]}: {done.stdout}{done.stderr}")
