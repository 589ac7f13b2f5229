"""Runs `chalice package` in processes that begin with Chalice imported.

To import Chalice and botocore takes longer than to package an app. So one process imports them and forks for each
package. It has no threads, which a fork would not survive. Each fork imports the code of its app anew.
https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import forkserver
from pathlib import Path

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["deploy.packaging", "jwt", "msgspec"])  # and packages that all apps import


def prepare() -> None:
    """Start the process that forks, so that the first package does not wait for it."""
    forkserver.ensure_running()


def package(project: Path, stage: str, folder: Path, environment: Mapping[str, str], lock: Path) -> tuple[bool, str]:
    """Write the SAM template and the zip of the app in *project* to *folder*.

    Return whether it succeeded, and what Chalice printed, or how its process ended if it printed nothing. Only one
    process at a time holds the file *lock*.
    """
    arguments = ["package", "--stage", stage, "--merge-template", "merge.yaml", str(folder)]
    with tempfile.NamedTemporaryFile("r") as output:
        process = _forking.Process(target=_run, args=(project, arguments, environment, lock, output.name))
        process.start()
        process.join()
        return process.exitcode == 0, output.read() or f"`chalice package` ended with status {process.exitcode}"


def _run(project: Path, arguments: list[str], environment: Mapping[str, str], lock: Path, output: str) -> None:
    """Run the command in this process, which is a fork of its own."""
    from deploy import packaging  # imported before the fork

    descriptor = os.open(output, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.environ.clear()
        os.environ.update(environment)
        sys.dont_write_bytecode = True  # without bytecode, equal source makes an equal zip
        sys.argv = ["chalice", *arguments]
        os.chdir(project)
        sys.exit(packaging.run())
