"""The process from which execution environments are forked: see `localaws/lambda_/forked_environments.py`.

`python environment_template.py DESCRIPTOR ROOM` serves the emulator at the socket of that descriptor. It first tells
the names of the top-level modules that it looked for. Each request then has a program, a folder and environment
variables, with the descriptors of the environment's standard streams and of a pipe, which gets its process id and its
exit status. ROOM is space for the command line of an environment.

It has no threads, so a fork has everything. It imports nothing of localaws.
"""

from __future__ import annotations

import sys

del sys.path[0]  # the folder of this file, whose modules have the names of others

import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
from contextlib import suppress  # noqa: E402
from importlib import import_module  # noqa: E402
from types import ModuleType  # noqa: E402
from typing import Any  # noqa: E402

PRELOADED = ("boto3", "boto3.dynamodb.transform", "boto3.s3.inject", "csv", "http.cookies", "unicodedata", "zoneinfo")
"""What is imported, with all that these modules import: json, logging, email, ssl, urllib.request and most others."""
LIMIT = 1 << 20
"""Bytes of a request."""


def preload() -> set[str]:
    """Import the modules; return the top-level names of all that were looked for, also of those that are not there."""
    names: set[str] = set()

    class Noting:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            names.add(name.partition(".")[0])

    noting: Any = Noting()
    sys.meta_path.insert(0, noting)
    for name in PRELOADED:
        import_module(name)
    sys.meta_path.remove(noting)
    return (names | {name.partition(".")[0] for name in sys.modules}) - {"__main__"}


def keep_endpoints() -> None:
    """Read botocore's list of endpoints, which its first client of each process reads: a megabyte of JSON."""
    loaders: Any = import_module("botocore.loaders")
    file = os.path.join(loaders.Loader.BUILTIN_DATA_PATH, "endpoints")
    load = loaders.JSONFileLoader.load_file
    endpoints = load(loaders.JSONFileLoader(), file)

    def load_file(loader: Any, path: str) -> Any:
        return endpoints if path == file else load(loader, path)

    loaders.JSONFileLoader.load_file = load_file


class Template:
    """What forks the environments of an emulator, which asks for them at a socket."""

    def __init__(self, emulator: socket.socket) -> None:
        self._emulator = emulator
        self._running: dict[int, tuple[int, int]] = {}
        """By the descriptor of a process: its id, and the pipe for its status."""
        self._events = select.poll()
        self._events.register(emulator, select.POLLIN)

    def serve(self) -> tuple[dict[str, Any], list[int]]:
        """Fork an environment for each request. Return, in each of them only, its request and its standard streams.

        When the emulator ends, however it does, all environments end, and so does this process.
        """
        while True:
            for descriptor, _ in self._events.poll():
                if descriptor in self._running:
                    self._tell_end(descriptor)
                elif environment := self._fork():
                    return environment

    def _fork(self) -> tuple[dict[str, Any], list[int]] | None:
        request, descriptors, _, _ = socket.recv_fds(self._emulator, LIMIT, 4)
        if not request:
            self._end()
        *streams, status = descriptors
        process = os.fork()
        if not process:
            self._emulator.close()
            for each in (*self._running, *(pipe for _, pipe in self._running.values()), status):
                os.close(each)
            return json.loads(request), streams
        for stream in streams:
            os.close(stream)
        _tell(status, process)
        descriptor = os.pidfd_open(process)
        self._running[descriptor] = process, status
        self._events.register(descriptor, select.POLLIN)
        return None

    def _tell_end(self, descriptor: int) -> None:
        process, status = self._running.pop(descriptor)
        self._events.unregister(descriptor)
        os.close(descriptor)
        _tell(status, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        os.close(status)

    def _end(self) -> None:
        for process, _ in self._running.values():
            os.kill(process, signal.SIGKILL)
        os._exit(0)


def _tell(pipe: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody waits for this environment
        os.write(pipe, b"%d\n" % number)


def become(program: str, folder: str, variables: dict[str, str], streams: list[int], interrupt: Any) -> None:
    """Make this process what `python PROGRAM` would be in the folder with the variables, and run the program.

    *interrupt* is the handler of SIGINT. It is ignored where the emulator was started in the background of a script.
    """
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGINT, interrupt)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv, sys.orig_argv = [program], [sys.executable, program]
    sys.path.insert(0, os.path.dirname(os.path.realpath(program)))
    with suppress(OSError):
        _show(sys.orig_argv)
    main = ModuleType("__main__")
    main.__dict__["__file__"] = program
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main  # the second name is of multiprocessing
    with open(program) as file:
        code = compile(file.read(), program, "exec")
    exec(code, main.__dict__)  # noqa: S102


def _show(command: list[str]) -> None:
    """Let this process have the command line, for `ps` and for `make status`."""
    with open("/proc/self/stat") as file:
        start, end = map(int, file.read().rpartition(")")[2].split()[45:47])
    text = b"\0".join(map(os.fsencode, command))[: end - start - 1]
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(text.ljust(end - start, b"\0"))


if __name__ == "__main__":
    interrupt = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the emulator, which then ends this process
    control = socket.socket(fileno=int(sys.argv[1]))
    names = preload()
    keep_endpoints()
    gc.collect()
    gc.freeze()  # the collector does not write to the pages that all environments share
    os.close(os.pidfd_open(os.getpid()))  # fails here on a system without it
    control.send(json.dumps(sorted(names)).encode())
    request, streams = Template(control).serve()
    become(**request, streams=streams, interrupt=interrupt)
