"""`python -m localaws.athena`: runs the queries that the emulator hands it, a line of JSON each, on standard input.

It is a process of its own, so that no query, however large, holds up or ends the emulator. It answers lines of JSON:
first whether it accepts the statement, then how the statement goes. It ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from localaws.athena.failures import Cancelled, Failed, Malformed
from localaws.athena.run import Outcome, Request, Run
from localaws.athena.statements import Statement, read

_TOGETHER = 3


class Worker:
    """Runs a few statements side by side, the others in their turn."""

    def __init__(self) -> None:
        self._runs: dict[str, Run | None] = {}
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="athena-"))

    def serve(self) -> None:
        """Take lines until there are no more."""
        with ThreadPoolExecutor(_TOGETHER) as pool:
            for line in sys.stdin:
                message = json.loads(line)
                if "stop" in message:
                    self._stop(message["stop"])
                    continue
                request = msgspec.convert(message, Request)
                try:
                    statement = read(request.sql, request.parameters)
                except Malformed as refusal:
                    self._answer(request.id, malformed=str(refusal))
                    continue
                self._runs[request.id] = None
                self._answer(
                    request.id, accepted=statement.substatement, kind=statement.kind, suffix=_suffix(statement)
                )
                pool.submit(self._run, request, statement)
            for at in list(self._runs):
                self._stop(at)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stop(self, at: str) -> None:
        with self._lock:
            run = self._runs.pop(at, None)
        if run:
            run.stop()

    def _run(self, request: Request, statement: Statement) -> None:
        began = time.monotonic()
        state, reason, outcome = self._ended(request, statement)
        millis = round((time.monotonic() - began) * 1000)
        self._answer(request.id, state=state, reason=reason, engine_millis=millis, outcome=vars(outcome))

    def _ended(self, request: Request, statement: Statement) -> tuple[str, str | None, Outcome]:
        """Run the statement and return the state in which it ends, why, and what it came to."""
        outcome = Outcome()
        try:
            with self._running(request) as run:
                outcome = run.outcome
                run.run(statement)
        except (Failed, Malformed) as failure:
            return "FAILED", str(failure), outcome
        except Cancelled as cancelled:
            return "CANCELLED", str(cancelled), outcome
        except (ClientError, BotoCoreError) as error:
            return "FAILED", f"FAILED: {error}", outcome
        except Exception as error:  # a defect of the engine ends one query, and no other
            return "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}", outcome
        return "SUCCEEDED", None, outcome

    @contextlib.contextmanager
    def _running(self, request: Request) -> Iterator[Run]:
        self._answer(request.id, state="RUNNING")
        with (
            tempfile.TemporaryDirectory(dir=self._folder) as folder,
            contextlib.closing(Run(request, Path(folder))) as run,
        ):
            with self._lock:
                if request.id in self._runs:
                    self._runs[request.id] = run
                else:
                    run.stop()
            try:
                yield run
            finally:
                with self._lock:
                    self._runs.pop(request.id, None)

    def _answer(self, at: str, **answer: Any) -> None:
        line = json.dumps({"id": at, **answer})
        with self._lock:
            print(line, flush=True)


def _suffix(statement: Statement) -> str:
    """https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html"""
    if statement.writes_data:
        return ""
    return ".txt" if statement.writes_text else ".csv"


if __name__ == "__main__":
    Worker().serve()
