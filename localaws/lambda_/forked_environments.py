"""Gap: each execution environment is a new process of Python, which imports boto3 again and shares no memory.

On Linux, environments are forked from one process that has imported what Lambda's runtime for Python has before the
code: `environment_template.py`. A cold start takes less CPU time, and a process less memory.

An environment starts as a new process of Python where a fork would differ:

* It has another program: a debugger is to attach, or the clock was turned.
* The code or a layer has a module with the name of one that is imported, but other files. So a function gets its own
  botocore, and its own module that hides one of Python's.
* Its variables change what the interpreter or the C library reads when a process starts.

All forks have the same seed of hashes, so the same order of the strings in a set.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
No longer needed when the processes of two functions that import boto3 share the memory of its modules.
"""

from __future__ import annotations

import filecmp
import functools
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path
from threading import Lock
from typing import IO, Any

from ministack.core import lambda_runtime

START_VARIABLES = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "HOME", "MALLOC_", "GLIBC_", "OPENSSL_")
"""What the names of variables begin with that are read when a process of Python starts."""

_PROGRAM = Path(__file__).with_name("environment_template.py")
_NAMES_LIMIT = 1 << 16
"""Bytes of the list of imported modules."""

_logger = logging.getLogger(__name__)
_starting = Lock()


class Environment:
    """A forked environment, with the part of the interface of `subprocess.Popen` that the emulator uses."""

    def __init__(self, template: socket.socket, program: str, folder: str, variables: Mapping[str, str]) -> None:
        """Raises OSError if there is no template any more."""
        self.args = [sys.executable, program]
        self.returncode: int | None = None
        self._reading = Lock()
        their_in, stdin = os.pipe()
        stdout, their_out = os.pipe()
        stderr, their_err = os.pipe()
        status, their_status = os.pipe()
        self.stdin: IO[str] = os.fdopen(stdin, "w", buffering=1)
        self.stdout, self.stderr = os.fdopen(stdout), os.fdopen(stderr)
        self._status = os.fdopen(status, "rb")
        request = {"program": program, "folder": folder, "variables": dict(variables)}
        theirs = [their_in, their_out, their_err, their_status]
        try:
            socket.send_fds(template, [json.dumps(request).encode()], theirs)
        finally:
            for each in theirs:
                os.close(each)
        told = self._status.readline()
        if not told:
            raise ConnectionResetError("the template of the execution environments has ended")
        self.pid = int(told)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, negative for a signal. Raises TimeoutExpired."""
        events = select.poll()
        events.register(self._status, select.POLLIN)
        if self.returncode is None and not events.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        with self._reading:
            if self.returncode is None:
                told = self._status.readline()
                if not told:  # the template was killed
                    self._signal(signal.SIGKILL)
                self.returncode = int(told or -signal.SIGKILL)
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, or None while the environment runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def terminate(self) -> None:
        if self.poll() is None:
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        if self.poll() is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Template:
    """The process from which environments are forked. It ends with this process, however that ends."""

    def __init__(self) -> None:
        """Start it with the environment variables of this process. Raises OSError if it does not work here."""
        self._variables = dict(os.environ)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, str(_PROGRAM), str(theirs.fileno()), "-" * 512]
        pipe = subprocess.PIPE  # as an environment has
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=[theirs.fileno()])
        theirs.close()
        told = ours.recv(_NAMES_LIMIT)
        if not told:
            raise ChildProcessError(self._process.communicate()[1].decode(errors="replace"))
        self._emulator = ours
        self._imported = frozenset(json.loads(told))

    def fork(self, program: str, folder: str, variables: Mapping[str, str]) -> Environment:
        """Raises OSError."""
        return Environment(self._emulator, program, folder, variables)

    def is_like(self, program: str, folder: str, variables: Mapping[str, str]) -> bool:
        """Return whether a fork has all that a new process for that program would have."""
        return (
            Path(program).read_text() == lambda_runtime._PYTHON_WORKER_SCRIPT
            and _at_start(variables) == _at_start(self._variables)
            and not any(_hidden(each, self._imported) for each in _folders(folder, variables))
        )


def _at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(START_VARIABLES)}


def _folders(code: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders from which the program imports before all others, without links."""
    yield os.path.realpath(code)
    for layer in filter(None, variables.get("_LAMBDA_LAYERS_DIRS", "").split(os.pathsep)):
        yield os.path.realpath(layer)
        yield os.path.realpath(os.path.join(layer, "python"))


@functools.lru_cache(maxsize=128)
def _hidden(folder: str, imported: frozenset[str]) -> frozenset[str]:
    """Return the names of the modules in the folder that would hide one that is imported and differs.

    Code may add a folder of its own to the path. So packages are looked for in all folders below, but no modules of
    Python: packages have many modules with their names.
    """
    found: set[str] = set()
    looked_for = imported
    for place, folders, files in os.walk(folder):
        names = {name.partition(".")[0] for name in (*folders, *files)} & looked_for
        found.update(name for name in names if not _is_same(name, place))
        looked_for = imported - sys.stdlib_module_names
    return frozenset(found)


def _is_same(name: str, folder: str) -> bool:
    """Return whether the module in the folder has the files of that of this process, or is no module that hides it."""
    ours, theirs = (_files(name, path) for path in (None, [folder]))
    if not ours or not theirs:
        return bool(ours)
    return ours.keys() == theirs.keys() and all(
        filecmp.cmp(file, theirs[place], shallow=False) for place, file in ours.items()
    )


def _files(name: str, path: list[str] | None) -> dict[str, str]:
    """Return the files of a module: the place of each in its package, and the file. A folder of data has none."""
    spec = PathFinder.find_spec(name, path)
    if spec is None or not spec.origin:
        return {}
    if not spec.submodule_search_locations:
        return {"": spec.origin}
    (package,) = map(Path, spec.submodule_search_locations)
    files = (file for file in package.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return {str(file.relative_to(package)): str(file) for file in files}


@functools.cache
def _template() -> Template | None:
    try:
        return Template()
    except OSError as error:
        _logger.warning("Each execution environment is a new process of Python: %s", error)
        return None


def forking(start: Any) -> Any:
    """Wrap the start of a process: fork it if it is an execution environment of Python."""

    def popen(command: list[str], **options: Any) -> Any:
        if command[0] == sys.executable:
            with _starting:
                template = _template()
            asked = command[1], options["cwd"], options["env"]
            with suppress(OSError):
                if template and template.is_like(*asked):
                    return template.fork(*asked)
        return start(command, **options)

    return popen


def apply() -> None:
    if hasattr(os, "pidfd_open"):  # Linux
        named = vars(subprocess) | {"Popen": forking(subprocess.Popen)}
        lambda_runtime.subprocess = types.SimpleNamespace(**named)
