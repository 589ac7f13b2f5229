"""Athena: runs a statement to its end, and starts nothing new for a known token. Adapter for Athena."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.runs import QueryFailed, QueryResult, StillRunning
from common import aws

_POLL_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.5)
"""Seconds between two polls. The last value repeats."""


class Athena:
    """Runs statements in *database* and *workgroup*, through an Athena *client*."""

    def __init__(
        self,
        client: Any,
        workgroup: str,
        database: str,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._workgroup = workgroup
        self._database = database
        self._sleep = sleep
        self._now = now

    def run(self, name: str, statement: Callable[[str], str], parameters: Sequence[str], seconds: float) -> QueryResult:
        """Return the result of the SQL that *statement* makes from its token, waiting at most *seconds*.

        The token is a hash of *name*. Athena starts nothing new for a token that it knows, so a repeated call gets the
        statement that is running or has ended. A statement that failed before this call runs again, under a new token.
        Raises QueryFailed, StillRunning.
        https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
        """
        started = self._now()
        attempt = 0
        while True:
            token = hashlib.sha256(f"{name} {attempt}".encode()).hexdigest()
            execution = self._wait(self._start(statement(token), parameters, token), started + seconds)
            status = execution["Status"]
            if status["State"] == "SUCCEEDED":
                return _result(token, execution)
            if status["SubmissionDateTime"].timestamp() >= started:
                raise QueryFailed(status.get("StateChangeReason") or status["State"])
            attempt += 1

    def _start(self, sql: str, parameters: Sequence[str], token: str) -> str:
        with aws.translated():
            answer = self._client.start_query_execution(
                QueryString=sql,
                ClientRequestToken=token,
                QueryExecutionContext={"Database": self._database},
                WorkGroup=self._workgroup,
                ResultReuseConfiguration={"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 60}},
                **({"ExecutionParameters": list(parameters)} if parameters else {}),
            )
        return str(answer["QueryExecutionId"])

    def _wait(self, execution_id: str, deadline: float) -> dict[str, Any]:
        """Return the execution when it has ended. Raises StillRunning at the *deadline* (seconds since 1970)."""
        for pause in _pauses():
            with aws.translated():
                execution = self._client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return dict(execution)
            if self._now() + pause > deadline:
                raise StillRunning(f"query {execution_id}")
            self._sleep(pause)
        raise AssertionError  # the pauses are endless


def _pauses() -> Iterator[float]:
    yield from _POLL_SECONDS
    while True:
        yield _POLL_SECONDS[-1]


def _result(token: str, execution: Mapping[str, Any]) -> QueryResult:
    return QueryResult(
        token,
        int(execution["Status"]["SubmissionDateTime"].timestamp() * 1000),
        execution["Statistics"].get("TotalExecutionTimeInMillis", 0),
        execution["Statistics"].get("DataScannedInBytes", 0),
        execution["ResultConfiguration"]["OutputLocation"],
    )
