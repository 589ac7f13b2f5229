"""Processes that run beside this one, and processes in the background that a later command stops."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from localaws.settings import PACKAGE

PID = "pid"
MAX_LOG = 20 * 2**20
"""The bytes of a log, at most, until it is looked at again."""
_LOOK = 60
"""Seconds from one look at a log to the next."""


class NotStarted(Exception):
    """A process ended before it was ready; the message has the end of its log."""


@contextlib.contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with *command* in *folder* until the block ends; *log* gets its output (None: where ours goes).

    The process gets PATH and *environment*, but no other variables of this process. It can import the same modules.
    """
    inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE.parent)}
    with log.open("wb") if log else contextlib.nullcontext() as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            env=inherited | dict(environment),
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)  # the emulator saves its state
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when *process* answers a GET of *url* with success. Raises NotStarted if it ends before."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise NotStarted(f"the process for {url} ended with status {process.returncode}")


def start(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run Python with *command* in the background, with its output in *log*; return when *ready* does.

    Raises NotStarted.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    with log.open("ab") as output:  # so that what is written after `limit_log` goes to the new end
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | dict(environment or {}),
            cwd=cwd,
        )
    while not ready():
        if process.poll() is not None:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            raise NotStarted(f"The process ended with status {process.returncode}. The end of {log}:\n{end}")
        time.sleep(0.1)


@contextlib.contextmanager
def limited_log(log: Path, maximum: int = MAX_LOG) -> Iterator[None]:
    """Look once a minute, until the block ends, whether the log of this process has more than *maximum* bytes.

    Then its content goes to the file `<name>.1`, in place of what was there, and the log begins again.
    """
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK):
            limit_log(log, maximum)

    threading.Thread(target=look, name="limited-log", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def limit_log(log: Path, maximum: int) -> None:
    """Move the content of a log with more than *maximum* bytes to `<name>.1`. Its writers append, so they go on."""
    if log.exists() and log.stat().st_size > maximum:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


@contextlib.contextmanager
def pid_file(folder: Path) -> Iterator[None]:
    """Keep this process's id in *folder* until the block ends, so that `stop` finds it."""
    file = folder / PID
    file.write_text(str(os.getpid()))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def pid(folder: Path) -> int | None:
    """Return the id of the process whose `pid_file` is in *folder*, or None if it does not run."""
    try:
        number = int((folder / PID).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return number if is_running(number) else None


def stop(folder: Path) -> bool:
    """Send SIGTERM to the process of *folder* and wait until it has ended; return whether there was one."""
    number = pid(folder)
    if number is None:
        return False
    os.kill(number, signal.SIGTERM)
    while pid(folder):  # it removes its file last
        time.sleep(0.05)
    deadline = time.monotonic() + 5
    while is_running(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    return True


def is_running(number: int) -> bool:
    """Return whether a process has the id *number*."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True
