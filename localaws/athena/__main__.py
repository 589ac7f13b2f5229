"""`python -m localaws.athena`: run the queries that the emulator writes to standard input, one JSON object per line.

The engine is a separate process so that a large query cannot block or crash the emulator. It writes JSON lines to
standard output: first whether it accepts a statement, then each change of the statement's state. It exits at the end
of its input.
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

from localaws.athena.engine import Engine
from localaws.athena.failures import Cancelled, Failed, Malformed
from localaws.athena.run import Outcome, Request, Run
from localaws.athena.statements import Statement, read

_CONCURRENCY = 3


class Worker:
    """A pool that runs a few statements concurrently and queues the others."""

    def __init__(self) -> None:
        self._runs: dict[str, Run | None] = {}
        self._idle: list[Engine] = []
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="athena-"))

    def serve(self) -> None:
        """Process lines until the end of the input."""
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            for line in sys.stdin:
                message = json.loads(line)
                if "stop" in message:
                    self._stop(message["stop"])
                    continue
                request = msgspec.convert(message, Request)
                try:
                    statement = read(request.sql, request.parameters)
                except Malformed as error:
                    self._send(request.id, malformed=str(error))
                    continue
                self._runs[request.id] = None
                self._send(request.id, accepted=statement.substatement, kind=statement.kind, suffix=_suffix(statement))
                pool.submit(self._run, request, statement)
            for query_id in list(self._runs):
                self._stop(query_id)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stop(self, query_id: str) -> None:
        with self._lock:  # afterwards the engine may run another statement
            if run := self._runs.pop(query_id, None):
                run.stop()

    def _run(self, request: Request, statement: Statement) -> None:
        started = time.monotonic()
        state, reason, outcome = self._run_to_end(request, statement)
        millis = round((time.monotonic() - started) * 1000)
        self._send(request.id, state=state, reason=reason, engine_millis=millis, outcome=vars(outcome))

    def _run_to_end(self, request: Request, statement: Statement) -> tuple[str, str | None, Outcome]:
        """Run the statement and return its final state, the reason for it, and the outcome."""
        outcome = Outcome()
        try:
            with self._start_run(request) as run:
                outcome = run.outcome
                run.run(statement)
        except (Failed, Malformed) as failure:
            return "FAILED", str(failure), outcome
        except Cancelled as cancelled:
            return "CANCELLED", str(cancelled), outcome
        except (ClientError, BotoCoreError) as error:
            return "FAILED", f"FAILED: {error}", outcome
        except Exception as error:  # a bug in the engine fails only this query
            return "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}", outcome
        return "SUCCEEDED", None, outcome

    @contextlib.contextmanager
    def _start_run(self, request: Request) -> Iterator[Run]:
        self._send(request.id, state="RUNNING")
        with self._engine() as engine, tempfile.TemporaryDirectory(dir=engine.folder) as folder:
            run = Run(request, engine, Path(folder))
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

    @contextlib.contextmanager
    def _engine(self) -> Iterator[Engine]:
        """Yield an engine that no other statement uses. It is used again, unless the statement fails or is stopped."""
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        engine = idle or Engine(Path(tempfile.mkdtemp(dir=self._folder)))
        with contextlib.ExitStack() as discarded:
            discarded.callback(shutil.rmtree, engine.folder, ignore_errors=True)
            discarded.callback(engine.close)
            yield engine
            if not engine.is_stopped():
                engine.clear()
                discarded.pop_all()
                with self._lock:
                    self._idle.append(engine)

    def _send(self, query_id: str, **message: Any) -> None:
        line = json.dumps({"id": query_id, **message})
        with self._lock:
            print(line, flush=True)


def _suffix(statement: Statement) -> str:
    """Return the file extension of the result.

    https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
    """
    if statement.writes_data:
        return ""
    return ".txt" if statement.writes_text else ".csv"


if __name__ == "__main__":
    Worker().serve()
