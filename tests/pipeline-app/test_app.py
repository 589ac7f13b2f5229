"""The routes and the messages of the queue, through Chalice's test client."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from chalice.app import Chalice, IAMAuthorizer
from chalice.test import Client, HTTPResponse
from odd_requests import odd_requests
from report_memory import MemoryIndex, MemoryStore

import app
from chalicelib import notifications, queues, report_views
from chalicelib.arrivals import OPENING, DeliveredObject
from chalicelib.devices import Devices
from chalicelib.editions import Edition
from chalicelib.pacing import Period
from chalicelib.readings import Reading
from chalicelib.report_batches import RUN_SECONDS, ReportBatches, RerunMessage, read
from chalicelib.report_views import MAX_BYTES
from common import pages
from common.events import each_group
from services import openapi

NOON = 1_900_000_000_000
CONFIG = Path(__file__).parent.parent.parent / "pipeline-app" / ".chalice" / "config.json"


@pytest.fixture
def call(client: Client) -> Any:
    def call(method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        sent = {"Content-Type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}
        return client.http.request(method, path, headers=sent, body=json.dumps(body).encode())

    return call


def edition(name: str, period: str, version: str, generated_at: int = NOON) -> Edition:
    return Edition(
        name=name,
        period=period,
        version=version,
        generated_at=generated_at,
        bytes_scanned=5000,
        ms=20,
        visible_at=NOON + 3000,
        newest_event=NOON,
    )


def publish(index: MemoryIndex, store: MemoryStore, rows: int, version: str = "v1", device: str = "d") -> None:
    row = {"metric": "m", "hour": "2030-01-01 10:00:00.000", "count": "1", "min": "1.0", "max": "1.0", "avg": "1.0"}
    table = [{"device_id": f"{device}-{number}", **row} for number in range(rows)]
    store.put("hourly", "2030-01-01", version, [], table)
    index.publish(edition("hourly", "2030-01-01", version))


def test_devices_and_alerts_are_shown(call: Any, devices: Devices) -> None:
    reading = Reading(
        device_id="pump-1", metric="temperature", value=81, unit="C", ts=NOON, seq=1, arrived_at=NOON + 5, record=1
    )
    devices.track("pump-1", [reading])

    shown = call("GET", "/devices/pump-1")

    assert shown.json_body == {
        "device_id": "pump-1",
        "last_seen": "2030-03-17T17:46:40.005Z",
        "metrics": {"temperature": {"value": 81.0, "unit": "C", "ts": "2030-03-17T17:46:40.000Z", "seq": 1}},
        "alerts": [
            {"metric": "temperature", "raised_at": "2030-03-17T17:46:40.000Z", "value": 81.0, "threshold": 80.0}
        ],
    }
    assert call("GET", "/devices?prefix=pump&limit=1").json_body == {"items": [shown.json_body], "cursor": None}
    assert call("GET", "/alerts").json_body["items"][0]["state"] == "raised"
    assert call("GET", "/devices/pump-1", If_None_Match=shown.headers["ETag"]).status_code == 304
    assert call("GET", "/devices/none").status_code == 404
    assert call("GET", f"/devices/{'x' * 2049}").status_code == 404


@pytest.mark.parametrize(("device_id", "path"), [("pump 1", "pump%201"), ("line:3", "line%3A3"), ("a/b", "a%2Fb")])
def test_a_device_is_found_by_an_id_with_any_character(call: Any, devices: Devices, device_id: str, path: str) -> None:
    reading = Reading(
        device_id=device_id, metric="temperature", value=21, unit="C", ts=NOON, seq=1, arrived_at=NOON + 5, record=1
    )
    devices.track(device_id, [reading])

    assert call("GET", f"/devices/{path}").json_body["device_id"] == device_id


def test_a_report_is_404_until_it_exists(call: Any, index: MemoryIndex, store: MemoryStore) -> None:
    assert call("GET", "/reports/hourly?period=2030-01-01").status_code == 404
    publish(index, store, 2)

    report = call("GET", "/reports/hourly?period=2030-01-01").json_body

    assert (report["name"], report["period"], report["bytes_scanned"]) == ("hourly", "2030-01-01", 5000)
    assert (len(report["rows"]), report["cursor"]) == (2, None)
    assert call("GET", "/reports").json_body["items"][0]["periods"] == ["2030-01-01"]
    assert call("GET", "/reports/none?period=2030-01-01").status_code == 404


def test_the_latest_edition_of_a_report_is_downloaded(call: Any, index: MemoryIndex, store: MemoryStore) -> None:
    assert call("GET", "/reports/hourly/download?period=2030-01-01").status_code == 404
    publish(index, store, 2)

    answer = call("GET", "/reports/hourly/download?period=2030-01-01")

    assert answer.json_body == {"url": "https://reporting.example.com/hourly/2030-01-01/v1"}
    assert answer.headers["Cache-Control"] == "no-store"  # the address is a secret
    assert call("GET", "/reports/none/download?period=2030-01-01").status_code == 404
    refused = call("GET", "/reports/hourly/download?period=today")
    assert refused.status_code == 400
    assert "period" in refused.json_body["Message"]


@pytest.mark.parametrize("period", ["", "2030-1-1", "2030-01-01'--", "yesterday", "%00"])
def test_an_invalid_period_is_rejected_by_name(call: Any, period: str) -> None:
    refused = call("GET", f"/reports/hourly?period={period}")

    assert refused.status_code in (400, 404)
    assert period == "" or "period" in refused.json_body["Message"]


def test_a_report_with_many_rows_is_paged(call: Any, index: MemoryIndex, store: MemoryStore) -> None:
    publish(index, store, 60_000)

    found, cursor, answers = [], "", 0
    while cursor is not None:
        answer = call("GET", f"/reports/hourly?period=2030-01-01{cursor and f'&cursor={cursor}'}")
        assert len(answer.body) < MAX_BYTES + 1000
        found += [row["device_id"] for row in answer.json_body["rows"]]
        cursor, answers = answer.json_body["cursor"], answers + 1

    assert answers > 1
    assert found == [f"d-{number}" for number in range(60_000)]


def test_a_page_has_all_rows_that_fit_into_a_response(
    call: Any, index: MemoryIndex, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(index, store, 3)
    rows = call("GET", "/reports/hourly?period=2030-01-01").json_body["rows"]
    room = len(json.dumps(rows[:2], separators=(",", ":"))) - len("[]") + len(",")

    for limit, fitting in ((room, 2), (room - 1, 1)):
        monkeypatch.setattr(report_views, "MAX_BYTES", limit)
        assert len(call("GET", "/reports/hourly?period=2030-01-01").json_body["rows"]) == fitting


def test_all_pages_are_of_the_edition_of_the_first(call: Any, index: MemoryIndex, store: MemoryStore) -> None:
    publish(index, store, 3, "v1")
    cursor = call("GET", "/reports/hourly?period=2030-01-01&limit=2").json_body["cursor"]
    publish(index, store, 3, "v2", device="new")

    second = call("GET", f"/reports/hourly?period=2030-01-01&limit=2&cursor={cursor}").json_body
    publish(index, store, 3, "v3", device="newer")

    assert [row["device_id"] for row in second["rows"]] == ["d-2"]
    assert call("GET", f"/reports/hourly?period=2030-01-01&cursor={cursor}").status_code == 400


@pytest.mark.parametrize("first", ["9" * 4300, "9" * 4301, "-1", "1.5", "", "x", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_cursor_with_another_number_is_refused_whatever_its_length(
    call: Any, index: MemoryIndex, store: MemoryStore, first: str
) -> None:
    publish(index, store, 3)

    refused = call("GET", f"/reports/hourly?period=2030-01-01&cursor={pages.cursor(f'v1 {first}')}")

    assert refused.status_code == 400
    assert "cursor" in refused.json_body["Message"]


def test_a_report_can_be_filtered_by_device(call: Any, index: MemoryIndex, store: MemoryStore) -> None:
    publish(index, store, 20)

    rows = call("GET", "/reports/hourly?period=2030-01-01&device_id=d-7").json_body["rows"]

    assert [row["device_id"] for row in rows] == ["d-7"]


def test_the_status_says_how_fresh_everything_is(call: Any, index: MemoryIndex) -> None:
    assert call("GET", "/status").json_body == {"freshness": {"devices": None, "reports": None}, "reports": []}
    index.record_last_run(edition("quality", "2030-03-17", "v", generated_at=NOON + 1000))
    index.record_freshness("devices", NOON, NOON + 1234)
    index.record_freshness("reports", NOON, NOON + 3000)

    status = call("GET", "/status").json_body

    assert status["freshness"]["devices"]["seconds"] == 1.234
    assert status["freshness"]["reports"]["seconds"] == 3.0
    assert status["reports"][0]["generated_at"] == "2030-03-17T17:46:41.000Z"


def test_a_rerun_is_requested(call: Any, reruns: list[tuple[str, list[str]]]) -> None:
    assert call("POST", "/reports/hourly/runs", {"from": "2030-01-01", "to": "2030-01-02"}).status_code == 202
    assert reruns == [("hourly", ["2030-01-01", "2030-01-02"])]


@pytest.mark.parametrize("period", ["2030-01-01' OR '1'='1", "x", 5, None])
def test_a_rerun_of_an_invalid_period_is_rejected(
    call: Any, reruns: list[tuple[str, list[str]]], period: object
) -> None:
    refused = call("POST", "/reports/hourly/runs", {"period": period})

    assert (refused.status_code, reruns) == (400, [])
    assert "period" in refused.json_body["Message"]
    name = call("POST", "/reports/hourly%3B%20DROP%20TABLE%20readings/runs", {"period": "2030-01-01"})
    assert (name.status_code, reruns) == (404, [])


def test_only_operators_run_reports() -> None:
    application: Chalice = app.app
    signed = {
        path
        for path, methods in application.routes.items()
        for entry in methods.values()
        if isinstance(entry.authorizer, IAMAuthorizer)
    }

    assert signed == {"/reports/{name}/runs"}


# Messages


def message(name: str, body: object) -> dict[str, str]:
    return {"messageId": name, "body": body if isinstance(body, str) else json.dumps(body)}


def created(key: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": key, "size": 1, "eTag": "e"}}}]}


KEY = "readings/day%3D2030-01-01/arrived-2030-01-02/a+b.parquet"


def test_messages_name_new_objects_and_reports_to_run_again() -> None:
    batch = read(
        {
            "Records": [
                message("1", created(KEY)),
                message("2", {"Service": "Amazon S3", "Event": "s3:TestEvent"}),
                message("3", {"report": "hourly", "periods": ["2030-01-01"]}),
                message("4", "junk"),
                message("5", created("readings/x")),
            ]
        }
    )

    key = "readings/day=2030-01-01/arrived-2030-01-02/a b.parquet"
    assert batch.objects == {f"{key} e": DeliveredObject("readings", "2030-01-01", "2030-01-02", 1 + OPENING)}
    assert batch.ids == ["1", "2"]
    assert batch.reruns == {"3": RerunMessage(report="hourly", periods=["2030-01-01"])}
    assert list(batch.malformed) == ["4", "5"]


class MemoryRuns:
    """Runs that record their arguments and their deadlines."""

    def __init__(self) -> None:
        self.objects: list[str] = []
        self.reruns: list[tuple[str, list[str], str]] = []
        self.deadlines: list[float] = []
        self.periods: list[Period] = []

    def run_due(self, periods: Collection[Period], deadline: float) -> None:
        self.periods += periods
        self.deadlines.append(deadline)

    def update(self, objects: Mapping[str, DeliveredObject], deadline: float) -> None:
        self.objects += objects
        self.deadlines.append(deadline)

    def rerun(self, name: str, periods: Sequence[str], request_id: str, deadline: float) -> None:
        self.reruns.append((name, list(periods), request_id))
        self.deadlines.append(deadline)


def test_a_malformed_message_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = MemoryRuns()
    monkeypatch.setenv("PARTIAL_BATCH", "1")
    batch = {"Records": [message("1", "junk"), message("2", created(KEY))]}

    answer = each_group(app.app, ReportBatches(runs).groups(batch))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert len(runs.objects) == 1


def test_a_wake_up_message_names_the_periods_to_look_at() -> None:
    class Sqs:
        sent: ClassVar[list[dict[str, Any]]] = []

        def send_message(self, **request: Any) -> None:
            self.sent.append(request)

    periods = [Period("event day", "2030-01-01"), Period("arrival day", "2030-01-02")]
    queues.Queue(Sqs(), "url").wake(periods, 300)
    (request,) = Sqs.sent
    runs = MemoryRuns()

    each_group(app.app, ReportBatches(runs).groups({"Records": [message("1", request["MessageBody"])] * 2}))

    assert request["DelaySeconds"] == 300
    assert sorted(runs.periods) == sorted(periods)
    assert notifications.created_objects(request["MessageBody"]) == [], "what an earlier release reads"


def test_all_messages_of_an_invocation_share_one_deadline() -> None:
    runs, clock = MemoryRuns(), count(1000.0)
    rerun = {"report": "hourly", "periods": ["2030-01-01"]}
    batch = {"Records": [message("1", created(KEY)), *(message(n, rerun) for n in "23")]}

    each_group(app.app, ReportBatches(runs, lambda: next(clock)).groups(batch))

    assert runs.reruns == [("hourly", ["2030-01-01"], "2"), ("hourly", ["2030-01-01"], "3")]
    assert len(runs.deadlines) == 3
    (deadline,) = set(runs.deadlines)
    assert deadline == 1000 + RUN_SECONDS
    assert json.loads(CONFIG.read_text())["lambda_functions"]["run_reports"]["lambda_timeout"] - 60 >= RUN_SECONDS


def test_a_failed_message_comes_back_later_each_time() -> None:
    class Sqs:
        def __init__(self) -> None:
            self.waits: dict[str, int] = {}

        def change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> None:
            assert len(Entries) <= 10
            self.waits |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}

    sqs = Sqs()
    sent = [
        {
            "messageId": f"m{number}",
            "receiptHandle": f"r{number}",
            "attributes": {"ApproximateReceiveCount": str(number)},
        }
        for number in range(1, 13)
    ]

    queues.Queue(sqs, "url").back_off({"Records": sent}, [f"m{number}" for number in range(1, 12)])

    assert [sqs.waits[f"r{number}"] for number in range(1, 12)] == [4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800, 1800]


def test_no_odd_request_is_a_server_error(call: Any) -> None:
    for method, path, headers, body, *_ in odd_requests("pipeline-app"):
        assert call(method, path, body, **headers).status_code < 500, (method, path[:200], headers)


def test_no_odd_cursor_of_a_report_is_a_server_error(call: Any, index: MemoryIndex, store: MemoryStore) -> None:
    publish(index, store, rows=1)
    for position in ("9" * 4300, "v1 " + "9" * 4300, "v1 " + "9" * 1400, "v1 -1", "v1 ²", "v1"):
        answer = call("GET", f"/reports/hourly?period=2030-01-01&cursor={pages.cursor(position)}")

        assert answer.status_code in (200, 400), position[:20]


def test_the_contract_is_what_the_code_accepts_and_returns() -> None:
    contract = json.loads(Path("pipeline-app/openapi.json").read_text())

    assert openapi.document(app.app) == contract, "make openapi APP=pipeline-app"
