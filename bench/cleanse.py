"""Records per second of CPU time of the cleansing function, beside a plain handler.

Both get the same Firehose batches and do the same work: check and convert every field, identify each record, and return
rows and partition keys. The plain handler uses json, datetime and dicts.
"""

from __future__ import annotations

import base64
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.row import Row, turns
from sandbox.settings import ROOT

_ROUNDS = 15
_RECORDS = 4000
_BINDS = (
    "Many small things. Of the time of a record, `usual_row`, which checks each field, takes 36 %: its own lines 25 %, "
    "msgspec's decoder and encoder 11 %. What Firehose sent becomes a record in 22 %, of which its identity takes 8 %. "
    "The answer of each record takes 26 %, its partition keys and calls 11 %, and base64 5 %."
)

type _Event = dict[str, Any]


def rows() -> Iterator[Row]:
    """Yield the one row. Raises AssertionError if the two handlers do not give the same."""
    sys.path.insert(0, str(ROOT / "pipeline-app"))
    from chalicelib.cleansing import Cleansing
    from chalicelib.units import normalised

    class NoStream:
        def put(self, records: Any) -> list[int]:
            raise AssertionError("no record should be sent back to the stream")

    ours = Cleansing(NoStream()).transform
    event = _event()
    if json.dumps(ours(event)["records"][0]["metadata"]) != json.dumps(_plain(event, normalised)[0]["metadata"]):
        raise AssertionError("the two handlers give different results")
    here, plain = turns(_ROUNDS, lambda: _speed(lambda: ours(event)), lambda: _speed(lambda: _plain(event, normalised)))
    what, peer = "cleansing of records", "the obvious handler with json, datetime and dicts"
    yield Row(what, here, peer, plain, "records/CPU s", at_least=5, binds=_BINDS, short=True)


def _speed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return _RECORDS / (time.process_time() - started)


def _event() -> _Event:
    chance = random.Random(1)  # noqa: S311
    now = datetime(2030, 1, 1, 12, tzinfo=UTC)
    records = []
    for number in range(_RECORDS):
        reading = {
            "device_id": f"pump-{chance.randrange(1000):04d}",
            "metric": chance.choice(["temperature", "pressure", "humidity"]),
            "value": round(chance.uniform(0, 100), 2),
            "unit": chance.choice(["C", "F", "hPa", "%"]),
            "ts": (now - timedelta(seconds=chance.randrange(100_000))).isoformat(timespec="milliseconds"),
            "seq": number,
        }
        data = b"junk" if number % 50 == 0 else json.dumps(reading).encode()
        sequence = str(49590338271490256608559692538361571095921575989136588898 + number)
        arrived = int(now.timestamp() * 1000)
        metadata = {"shardId": "shardId-000000000001", "sequenceNumber": sequence, "partitionKey": "x"}
        metadata |= {"subsequenceNumber": 0, "approximateArrivalTimestamp": arrived}  # type: ignore[dict-item]
        records.append(
            {
                "recordId": f"{sequence}000000",
                "approximateArrivalTimestamp": arrived,
                "data": base64.b64encode(data).decode(),
                "kinesisRecordMetadata": metadata,
            }
        )
    return {"records": records[1:] + records[:1]}


def _plain(event: _Event, normalised: Callable[[float, str], tuple[float, str]]) -> list[_Event]:
    answers = []
    for record in event["records"]:
        metadata = record["kinesisRecordMetadata"]
        arrived = datetime.fromtimestamp(metadata["approximateArrivalTimestamp"] / 1000, UTC)
        row: dict[str, Any] = {
            "arrived_at": metadata["approximateArrivalTimestamp"],
            "record": f"{metadata['shardId']}:{metadata['sequenceNumber']}",
        }
        raw = base64.b64decode(record["data"])
        try:
            row |= _reading(json.loads(raw), arrived, normalised)
            moment = datetime.fromtimestamp(row["ts"] / 1000, UTC)
            hours = row["arrived_at"] // 3_600_000 - row["ts"] // 3_600_000
            kind, day = f"readings-{moment:%H}" if hours < 2 else "readings", moment.strftime("%Y-%m-%d")
        except (ValueError, KeyError, TypeError) as error:
            row |= {"reason": str(error), "raw": raw.decode(errors="replace")}
            kind, day = "errors", arrived.strftime("%Y-%m-%d")
        keys = {"kind": kind, "day": day, "arrived": arrived.strftime("%Y-%m-%d")}
        data = base64.b64encode(json.dumps(row).encode()).decode()
        answers.append(
            {"recordId": record["recordId"], "result": "Ok", "data": data, "metadata": {"partitionKeys": keys}}
        )
    return answers


def _reading(sent: Any, arrived: datetime, normalised: Callable[[float, str], tuple[float, str]]) -> dict[str, Any]:
    for name, kind, most in (("device_id", str, 128), ("metric", str, 64)):
        if not isinstance(sent[name], kind) or not 0 < len(sent[name]) <= most or not sent[name].isprintable():
            raise ValueError(f"wrong_{name}")
    if isinstance(sent["value"], bool) or not isinstance(sent["value"], int | float):
        raise TypeError("wrong_value")
    if isinstance(sent["seq"], bool) or not isinstance(sent["seq"], int) or abs(sent["seq"]) >= 2**63:
        raise TypeError("wrong_seq")
    value, unit = normalised(float(sent["value"]), sent.get("unit") or "")
    if not math.isfinite(value):
        raise ValueError("value_not_finite")
    moment = datetime.fromisoformat(sent["ts"])
    if moment.tzinfo is None:
        raise ValueError("ts_naive")
    if moment > arrived + timedelta(minutes=5):
        raise ValueError("ts_future")
    return {
        "device_id": sent["device_id"],
        "metric": sent["metric"],
        "value": value,
        "unit": unit,
        "ts": int(moment.timestamp() * 1000),
        "seq": sent["seq"],
    }
