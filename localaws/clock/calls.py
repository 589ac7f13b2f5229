"""The control call that turns the clock, and what the emulator does when it was turned.

`GET /_localaws/clock` answers ``{"now": ISO 8601, "offset": seconds}``. `POST` with ``{"advance": seconds}`` turns the
clock forward, and answers the same; it must be signed with the root key. Schedules that are due then run once. An
execution environment of a Python function with the old clock ends, as on AWS one that was idle for long. One of
another runtime keeps the clock of the machine.

A request may be signed at the time of either clock, within the skew that AWS allows: a client of localaws has the clock
of the machine, a function the clock that was turned. A presigned link lives on the clock of localaws only.
https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html

A certificate is valid from the time of the machine on: OpenSSL, here and in a device, has no other clock.
"""

from __future__ import annotations

import datetime as dates
import json
import os
import types
from datetime import UTC, datetime
from typing import Any

from ministack.core import lambda_runtime, sigv4, x509_utils

from localaws import clock, control

CALL = "clock"


def show(request: control.Request) -> control.Response:
    return control.answer(200, {"now": datetime.now(UTC).isoformat(), "offset": clock.offset()})


def advance(request: control.Request) -> control.Response:
    try:
        clock.turn(float(json.loads(request.body)["advance"]))
    except (ValueError, KeyError, TypeError) as error:
        return control.answer(400, {"message": f'send {{"advance": seconds}}: {error}'})
    end_idle_environments()
    return show(request)


def end_idle_environments() -> None:
    with lambda_runtime._lock:
        pools = list(lambda_runtime._workers.values())
        ended = [worker for pool in pools for worker in pool if not worker.in_use and not has_clock(worker)]
        for pool in pools:
            pool[:] = [worker for worker in pool if worker not in ended]
    lambda_runtime.kill_workers(ended)


def has_clock(worker: Any) -> bool:
    return getattr(worker, "has_clock", False)


def release_worker(release: Any) -> Any:
    """Wrap the end of an invocation: an environment with the old clock is not used again."""

    def release_or_end(worker: Any) -> None:
        release(worker)
        if worker is not None and clock.offset() and not has_clock(worker):
            end_idle_environments()

    return release_or_end


def spawn(start: Any) -> Any:
    """Wrap the start of an execution environment to note whether it has the clock."""

    def spawn_with_clock(worker: Any) -> None:
        worker.has_clock = bool(clock.offset())
        start(worker)

    return spawn_with_clock


def runtime_binary(detect: Any) -> Any:
    """Wrap the choice of the program of an environment: once the clock was turned, Python installs it first."""

    def detect_with_clock(runtime: str) -> tuple[str, str]:
        binary, script = detect(runtime)
        if runtime.startswith("python") and clock.offset():
            script = INSTALL.format(module=clock.__file__, file=os.environ[clock.VARIABLE]) + script
        return binary, script

    return detect_with_clock


INSTALL = """
import importlib.util
_ms_clock = importlib.util.spec_from_file_location("localaws_clock", {module!r})
_ms_module = importlib.util.module_from_spec(_ms_clock)
_ms_clock.loader.exec_module(_ms_module)
_ms_module.install({file!r})
"""


def request_time_failure(check: Any) -> Any:
    """Wrap the check of the time of a request: either clock may be right."""

    def check_both(signature: Any, *, now: Any = None) -> Any:
        failure = check(signature, now=now)
        if failure and now is None and clock.offset():
            failure = check(signature, now=datetime.fromtimestamp(clock.real_time(), UTC))
        return failure

    return check_both


class MachineTime(datetime):
    """A moment of the clock of the machine."""

    @classmethod
    def now(cls, tz: dates.tzinfo | None = None) -> MachineTime:
        return cls.fromtimestamp(clock.real_time(), tz)


def install() -> None:
    """Add the control call to the emulator. It has no effect on the emulator until the clock is turned."""
    control.CALLS["GET", CALL] = show
    control.CALLS["POST", CALL] = advance
    sigv4.request_time_failure = request_time_failure(sigv4.request_time_failure)
    x509_utils._dt = types.SimpleNamespace(**vars(dates) | {"datetime": MachineTime})
    lambda_runtime.Worker._spawn = spawn(lambda_runtime.Worker._spawn)
    lambda_runtime._detect_runtime_binary = runtime_binary(lambda_runtime._detect_runtime_binary)
    from ministack.services import lambda_svc

    lambda_svc.release_worker = release_worker(lambda_svc.release_worker)
