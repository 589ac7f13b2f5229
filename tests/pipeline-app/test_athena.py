"""Statements of Athena: the same token is the same statement, and every wait ends."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.athena import Athena
from chalicelib.runs import QueryFailed, StillRunning


class FakeAthena:
    """Records what was started by its token. Each execution goes through `states`."""

    def __init__(self) -> None:
        self.clock = 1000.0
        self.executions: dict[str, dict[str, Any]] = {}
        self.states = ["SUCCEEDED"]
        self.statistics = {"TotalExecutionTimeInMillis": 7, "DataScannedInBytes": 8}
        self.pauses: list[float] = []

    def start_query_execution(self, **request: Any) -> dict[str, str]:
        token = request["ClientRequestToken"]
        assert 32 <= len(token) <= 128
        self.executions.setdefault(token, {"request": request, "states": list(self.states), "at": self.clock})
        return {"QueryExecutionId": token}

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:
        execution = self.executions[QueryExecutionId]
        states = execution["states"]
        state = states.pop(0) if len(states) > 1 else states[0]
        status = {"State": state, "SubmissionDateTime": datetime.fromtimestamp(execution["at"], UTC)}
        return {
            "QueryExecution": {
                "Status": status | {"StateChangeReason": "Bytes scanned limit was exceeded"},
                "Statistics": self.statistics,
                "ResultConfiguration": {"OutputLocation": "s3://x/y.csv"},
            }
        }

    def sleep(self, seconds: float) -> None:
        self.clock += seconds
        self.pauses.append(seconds)


@pytest.fixture
def fake() -> FakeAthena:
    return FakeAthena()


@pytest.fixture
def athena(fake: FakeAthena) -> Athena:
    return Athena(fake, "workgroup", "database", fake.sleep, lambda: fake.clock)


def run(athena: Athena, name: str = "a", seconds: float = 60) -> Any:
    return athena.run(name, lambda token: f"SELECT '{token[:4]}'", ["'x'"], seconds)


def test_a_statement_returns_its_result_and_its_cost(athena: Athena, fake: FakeAthena) -> None:
    fake.states = ["QUEUED", "RUNNING", "SUCCEEDED"]

    result = run(athena)

    assert result[1:] == (1_000_000, 7, 8, "s3://x/y.csv")
    request = fake.executions[result.token]["request"]
    assert (request["WorkGroup"], request["ExecutionParameters"]) == ("workgroup", ["'x'"])
    assert request["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"]["Enabled"]


def test_the_same_name_starts_nothing_new(athena: Athena, fake: FakeAthena) -> None:
    assert run(athena) == run(athena)
    assert list(fake.executions) == [hashlib.sha256(b"a 0").hexdigest()], "the token of an earlier release"
    run(athena, "b")
    assert len(fake.executions) == 2


def test_a_failed_statement_raises_its_reason_and_runs_again_next_time(athena: Athena, fake: FakeAthena) -> None:
    fake.states = ["FAILED"]
    with pytest.raises(QueryFailed, match="Bytes scanned limit"):
        run(athena)
    fake.clock += 30
    fake.states = ["SUCCEEDED"]

    result = run(athena)

    assert len(fake.executions) == 2
    assert run(athena) == result


def test_a_slow_statement_is_found_by_the_next_call(athena: Athena, fake: FakeAthena) -> None:
    fake.states = ["RUNNING"]
    with pytest.raises(StillRunning):
        run(athena, seconds=20)
    (execution,) = fake.executions.values()
    execution["states"] = ["SUCCEEDED"]

    run(athena)

    assert len(fake.executions) == 1
    assert execution["at"] < fake.clock <= execution["at"] + 20


def test_the_pauses_between_two_polls_grow_to_two_seconds_at_most(athena: Athena, fake: FakeAthena) -> None:
    fake.states = [*["RUNNING"] * 9, "SUCCEEDED"]

    run(athena)

    assert fake.pauses == sorted(fake.pauses)
    assert 0 < fake.pauses[0] < 0.2
    assert 1 < fake.pauses[-1] < 2


def test_a_statement_that_ends_at_the_deadline_is_in_time(athena: Athena, fake: FakeAthena) -> None:
    fake.states = ["RUNNING", "SUCCEEDED"]
    run(athena)

    assert run(athena, "b", seconds=fake.pauses[0])
    with pytest.raises(StillRunning):
        run(athena, "c", seconds=fake.pauses[0] / 2)


def test_a_statement_without_statistics_cost_nothing(athena: Athena, fake: FakeAthena) -> None:
    fake.statistics = {}

    assert run(athena)[2:4] == (0, 0)
