"""Athena: one statement from its start to its end, once for the same token."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.runs import QueryFailed, Result, StillRunning
from common import aws

_POLL = (0.1, 0.2, 0.4, 0.8, 1.5)
"""Seconds between two looks; the last one goes on."""


class Athena:
    """Runs statements in *database*, in *workgroup*, through an Athena *client*; waits until *deadline* (monotonic)."""

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

    def run(self, name: str, statement: Callable[[str], str], parameters: Sequence[str], seconds: float) -> Result:
        """Return the result of the statement that *statement* makes of its token, waiting at most so many seconds.

        The same *name* makes the same token, and with it Athena starts nothing new: a caller that comes again gets the
        statement that is running or has ended. Only after one that failed before is there another, under a new token.
        Raises QueryFailed, StillRunning.
        https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
        """
        started = self._now()
        attempt = 0
        while True:
            token = hashlib.sha256(f"{name} {attempt}".encode()).hexdigest()
            execution = self._ended(self._start(statement(token), parameters, token), started + seconds)
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

    def _ended(self, execution_id: str, deadline: float) -> dict[str, Any]:
        for wait in _waits():
            with aws.translated():
                execution = self._client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return dict(execution)
            if self._now() + wait > deadline:
                raise StillRunning(f"query {execution_id}")
            self._sleep(wait)
        raise AssertionError  # the waits have no end


def _waits() -> Iterator[float]:
    yield from _POLL
    while True:
        yield _POLL[-1]


def _result(token: str, execution: Mapping[str, Any]) -> Result:
    return Result(
        token,
        int(execution["Status"]["SubmissionDateTime"].timestamp() * 1000),
        execution["Statistics"].get("TotalExecutionTimeInMillis", 0),
        execution["Statistics"].get("DataScannedInBytes", 0),
        execution["ResultConfiguration"]["OutputLocation"],
    )
