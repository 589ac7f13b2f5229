"""The routes and the queue's messages, through Chalice's own test client."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice
from chalice.test import Client, HTTPResponse
from report_memory import MemoryReports, MemoryShelf

import app
from chalicelib import queues, wiring
from chalicelib.devices import Devices
from chalicelib.readings import Reading
from chalicelib.reports import Arrived, Edition
from chalicelib.views import MOST_BYTES
from common.events import each_group

NOON = 1_900_000_000_000
CONFIG = Path(__file__).parent.parent.parent / "pipeline-app" / ".chalice" / "config.json"


@pytest.fixture
def call(client: Client) -> Any:
    def call(method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        sent = {"Content-Type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}
        return client.http.request(method, path, headers=sent, body=json.dumps(body).encode())

    return call


def publish(register: MemoryReports, shelf: MemoryShelf, rows: int, version: str = "v1", device: str = "d") -> None:
    row = {"metric": "m", "hour": "2030-01-01 10:00:00.000", "count": "1", "min": "1.0", "max": "1.0", "avg": "1.0"}
    table = [{"device_id": f"{device}-{number}", **row} for number in range(rows)]
    shelf.put_edition("hourly", "2030-01-01", version, [], table)
    register.publish(Edition("hourly", "2030-01-01", version, NOON, 5000, 20, NOON + 3000, NOON))


def test_devices_and_alerts_are_shown(call: Any, devices: Devices) -> None:
    devices.track("pump-1", [Reading("pump-1", "temperature", 81, "C", NOON, 1, NOON + 5, 1)])

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


def test_a_report_is_404_until_it_exists(call: Any, register: MemoryReports, shelf: MemoryShelf) -> None:
    assert call("GET", "/reports/hourly?period=2030-01-01").status_code == 404
    publish(register, shelf, 2)

    report = call("GET", "/reports/hourly?period=2030-01-01").json_body

    assert (report["name"], report["period"], report["bytes_scanned"]) == ("hourly", "2030-01-01", 5000)
    assert (len(report["rows"]), report["cursor"]) == (2, None)
    assert call("GET", "/reports").json_body["items"][0]["periods"] == ["2030-01-01"]
    assert call("GET", "/reports/none?period=2030-01-01").status_code == 404


@pytest.mark.parametrize("period", ["", "2030-1-1", "2030-01-01'--", "yesterday", "%00"])
def test_a_period_that_is_no_day_is_refused_by_name(call: Any, period: str) -> None:
    refused = call("GET", f"/reports/hourly?period={period}")

    assert refused.status_code in (400, 404)
    assert period == "" or "period" in refused.json_body["Message"]


def test_a_report_of_very_many_rows_comes_in_pages(call: Any, register: MemoryReports, shelf: MemoryShelf) -> None:
    publish(register, shelf, 60_000)

    found, cursor, answers = [], "", 0
    while cursor is not None:
        answer = call("GET", f"/reports/hourly?period=2030-01-01{cursor and f'&cursor={cursor}'}")
        assert len(answer.body) < MOST_BYTES + 1000
        found += [row["device_id"] for row in answer.json_body["rows"]]
        cursor, answers = answer.json_body["cursor"], answers + 1

    assert answers > 1
    assert found == [f"d-{number}" for number in range(60_000)]


def test_a_page_is_of_the_edition_that_the_first_was_of(call: Any, register: MemoryReports, shelf: MemoryShelf) -> None:
    publish(register, shelf, 3, "v1")
    cursor = call("GET", "/reports/hourly?period=2030-01-01&limit=2").json_body["cursor"]
    publish(register, shelf, 3, "v2", device="new")

    second = call("GET", f"/reports/hourly?period=2030-01-01&limit=2&cursor={cursor}").json_body
    publish(register, shelf, 3, "v3", device="newer")

    assert [row["device_id"] for row in second["rows"]] == ["d-2"]
    assert call("GET", f"/reports/hourly?period=2030-01-01&cursor={cursor}").status_code == 400


def test_a_report_may_be_of_one_device(call: Any, register: MemoryReports, shelf: MemoryShelf) -> None:
    publish(register, shelf, 20)

    rows = call("GET", "/reports/hourly?period=2030-01-01&device_id=d-7").json_body["rows"]

    assert [row["device_id"] for row in rows] == ["d-7"]


def test_the_status_says_how_fresh_everything_is(call: Any, register: MemoryReports) -> None:
    assert call("GET", "/status").json_body == {"freshness": {"devices": None, "reports": None}, "reports": []}
    register.note_newest(Edition("quality", "2030-03-17", "v", NOON + 1000, 5, 6, NOON + 3000, NOON))
    register.note_freshness(NOON, NOON + 1500)

    status = call("GET", "/status").json_body

    assert status["freshness"]["devices"]["seconds"] == 1.5
    assert status["freshness"]["reports"]["seconds"] == 3.0
    assert status["reports"][0]["generated_at"] == "2030-03-17T17:46:41.000Z"


def test_a_run_is_asked_for(call: Any, wishes: list[tuple[str, list[str]]]) -> None:
    assert call("POST", "/reports/hourly/runs", {"from": "2030-01-01", "to": "2030-01-02"}).status_code == 202
    assert wishes == [("hourly", ["2030-01-01", "2030-01-02"])]


@pytest.mark.parametrize("period", ["2030-01-01' OR '1'='1", "x", 5, None])
def test_a_run_of_what_is_no_period_is_refused(call: Any, wishes: list[tuple[str, list[str]]], period: object) -> None:
    refused = call("POST", "/reports/hourly/runs", {"period": period})

    assert (refused.status_code, wishes) == (400, [])
    assert "period" in refused.json_body["Message"]
    name = call("POST", "/reports/hourly%3B%20DROP%20TABLE%20readings/runs", {"period": "2030-01-01"})
    assert (name.status_code, wishes) == (404, [])


def test_only_operators_run_reports() -> None:
    application: Chalice = app.app
    signed = {path for path, methods in application.routes.items() for entry in methods.values() if entry.authorizer}

    assert signed == {"/reports/{name}/runs"}


# Messages


def message(name: str, body: object) -> dict[str, str]:
    return {"messageId": name, "body": body if isinstance(body, str) else json.dumps(body)}


def created(key: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": key, "size": 1, "eTag": "e"}}}]}


KEY = "readings/day%3D2030-01-01/arrived-2030-01-02/a+b.parquet"


def test_messages_tell_of_objects_and_of_wishes() -> None:
    batch = queues.read(
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
    assert batch.objects == {f"{key} e": Arrived("readings", "2030-01-01", "2030-01-02")}
    assert batch.ids == ["1", "2"]
    assert batch.wishes == [queues.Wish("3", "hourly", ["2030-01-01"])]
    assert list(batch.strange) == ["4", "5"]


def test_a_message_that_says_nothing_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Runs:
        def __init__(self) -> None:
            self.objects: list[str] = []

        def add(self, objects: dict[str, Arrived], until: float) -> None:
            self.objects += objects

    runs = Runs()
    monkeypatch.setattr(wiring, "_runs", lambda: runs)
    monkeypatch.setenv("PARTIAL_BATCH", "1")

    answer = each_group(app.app, wiring.batches({"Records": [message("1", "junk"), message("2", created(KEY))]}))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert len(runs.objects) == 1


def test_all_messages_of_an_invocation_share_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Runs:
        def __init__(self) -> None:
            self.untils: list[float] = []

        def add(self, objects: dict[str, Arrived], until: float) -> None:
            self.untils.append(until)
            time.sleep(0.01)

        def repeat(self, name: str, periods: list[str], wish: str, until: float) -> None:
            self.add({}, until)

    runs = Runs()
    monkeypatch.setattr(wiring, "_runs", lambda: runs)
    wish = {"report": "hourly", "periods": ["2030-01-01"]}
    began = time.time()

    each_group(app.app, wiring.batches({"Records": [message("1", created(KEY)), *(message(n, wish) for n in "23")]}))

    assert len(runs.untils) == 3
    (until,) = set(runs.untils)
    assert 0 < until - began <= json.loads(CONFIG.read_text())["lambda_functions"]["run_reports"]["lambda_timeout"] - 60


def test_a_message_that_failed_comes_back_later_each_time() -> None:
    class Sqs:
        def __init__(self) -> None:
            self.waits: dict[str, int] = {}

        def change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> None:
            assert len(Entries) <= 10
            self.waits |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}

    sqs = Sqs()
    sent = [
        {"messageId": f"m{count}", "receiptHandle": f"r{count}", "attributes": {"ApproximateReceiveCount": str(count)}}
        for count in range(1, 13)
    ]

    queues.Queue(sqs, "url").back_off({"Records": sent}, [f"m{count}" for count in range(1, 12)])

    assert [sqs.waits[f"r{count}"] for count in range(1, 12)] == [4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800, 1800]
