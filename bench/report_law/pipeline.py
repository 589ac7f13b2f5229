"""The pipeline from the stream to the reports: the app's cleansing and runs, with functions that are cut off."""

from __future__ import annotations

import base64
import heapq
import itertools
import math
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import RLock
from typing import Any, cast

import duckdb

from bench.report_law.account import INGESTION, REPORTING, S3, Athena, tables
from bench.report_law.records import DAY, HOUR, Rows, Sent
from sandbox.settings import ROOT

_CRASHES = 1 / 3
_FIRST = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
"""A sequence number of Kinesis."""
_BATCH = 500
"""Records of one invocation of `cleanse`."""
_RESPONSE = 400
"""Bytes that a record takes in a response of `cleanse`, about."""


class Died(Exception):
    """A function was cut off."""


class _Life:
    """Of one call of a function: it is cut off after some *calls* of what it reaches."""

    def __init__(self, calls: float) -> None:
        self._left = calls

    def lend(self, port: Any) -> Any:
        """Return *port*, each of whose calls may be the last one: before or after it took effect."""
        life = self

        class Mortal:
            def __getattr__(self, name: str) -> Any:
                return partial(life.call, getattr(port, name))

        return Mortal()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the function returns. Raises Died."""
        self._breathe()
        answer = function(*arguments)
        self._breathe()
        return answer

    def _breathe(self) -> None:
        self._left -= 1
        if self._left <= 0:
            raise Died


class _OneByOne:
    """A port whose calls take effect one after the other, as a conditional write to DynamoDB does."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self._lock = RLock()

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, getattr(self._port, name))

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            return function(*arguments)


class Firehose:
    """Cleanses records, and writes them to a bucket in objects of the keys that delivery.yaml names."""

    def __init__(self, s3: S3, chance: random.Random) -> None:
        self._s3 = s3
        self._chance = chance
        (columns,) = (each["StorageDescriptor"]["Columns"] for each in tables() if each["Name"] == "deliveries")
        self._columns = {each["Name"]: each["Type"].replace("string", "varchar") for each in columns}
        self._sequence = itertools.count(_FIRST, 2**32)
        self._again: list[dict[str, Any]] = []
        self.resent = self.repeated = self.bytes = 0
        """Records that `cleanse` sent again, records that were delivered twice, and the bytes of all objects."""

    def deliver(self, sent: Iterable[Sent], now: int) -> dict[str, int]:
        """Deliver the records, and those that `cleanse` sent again before. Return the sizes of the objects by key."""
        records = [self._record(*each.data(), each.arrived_at) for each in sent] + self._again
        self._again = []
        self._chance.shuffle(records)
        rows: dict[str, list[bytes]] = defaultdict(list)
        objects: dict[str, int] = {}
        for batch in itertools.batched(records, _BATCH):
            for prefix, some in self._cleansed(batch, now).items():
                rows[prefix] += some
            if self._chance.random() < 0.02:
                self.repeated += len(batch)
                objects |= self._store(self._cleansed(batch, now))
        objects |= self._store(rows)
        self.bytes += sum(objects.values())
        return objects

    def _record(self, data: bytes, key: str, arrived_at: int) -> dict[str, Any]:
        metadata = {"shardId": "shardId-000000000000", "sequenceNumber": str(next(self._sequence)), "partitionKey": key}
        return {
            "recordId": metadata["sequenceNumber"],
            "data": base64.b64encode(data).decode(),
            "kinesisRecordMetadata": metadata | {"subsequenceNumber": 0, "approximateArrivalTimestamp": arrived_at},
        }

    def _cleansed(self, batch: Sequence[dict[str, Any]], now: int) -> dict[str, list[bytes]]:
        """Return the rows of a batch by the prefix of their object. In one of ten there is no room for all of them."""
        from chalicelib.cleansing import MAX_BYTES, Cleansing

        class Stream:
            def put(stream, records: Sequence[Any]) -> Collection[int]:
                self._again += [self._record(each.data, each.key, now) for each in records]
                self.resent += len(records)
                return []

        limit = _RESPONSE * len(batch) if self._chance.random() < 0.1 else MAX_BYTES
        rows: dict[str, list[bytes]] = defaultdict(list)
        for each in Cleansing(Stream(), limit).transform({"records": list(batch)})["records"]:
            if each["result"] == "Ok":
                keys = each["metadata"]["partitionKeys"]
                prefix = f"{keys['kind']}/day={keys['day']}/arrived-{keys['arrived']}/"
                rows[prefix].append(base64.b64decode(each["data"]))
        return rows

    def _store(self, rows: Mapping[str, list[bytes]]) -> dict[str, int]:
        objects = {}
        with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
            source, target = Path(folder) / "rows.json", Path(folder) / "rows.parquet"
            for prefix, lines in rows.items():
                source.write_bytes(b"\n".join(lines))
                connection.execute(
                    f"COPY (FROM read_json('{source}', format = 'newline_delimited', columns = {self._columns}))"
                    f" TO '{target}' (FORMAT parquet, COMPRESSION gzip)"
                )
                key, content = f"{prefix}{next(self._sequence)}.parquet", target.read_bytes()
                self._s3.put_object(INGESTION, key, content)
                objects[key] = len(content)
        return objects


class Catalog:
    """The locations of the published editions: `chalicelib.runs.Catalog`."""

    def __init__(self) -> None:
        self.locations: dict[tuple[str, str], str] = {}

    def set_locations(self, report: str, locations: Mapping[str, str]) -> None:
        self.locations |= {(report, period): location for period, location in locations.items()}


class Pipeline:
    """The app's runs, and the queue of their messages. Periods are given *rate* bytes a second."""

    def __init__(self, rate: int, chance: random.Random) -> None:
        sys.path[:0] = [str(ROOT / "pipeline-app"), str(ROOT / "tests" / "pipeline-app")]
        from chalicelib.report_bucket import ReportBucket
        from chalicelib.reports import load

        report_memory: Any = import_module("report_memory")
        s3 = S3()
        self.firehose = Firehose(s3, chance)
        self.athena = Athena(s3, lambda: self._now)
        self.calls = self.cut_off = self.objects = 0
        self._reports = load(ROOT / "pipeline-app" / "chalicelib" / "reports")
        self._store = ReportBucket(s3, REPORTING)
        self._index = _OneByOne(report_memory.MemoryIndex())
        self._catalog = Catalog()
        self._rate = rate
        self._chance = chance
        self._messages: list[tuple[int, int, frozenset[Any]]] = []
        """When each comes, its number, and its content: keys of objects, or periods."""
        self._numbers = itertools.count()
        self._sizes: dict[str, int] = {}
        self._now = 0

    def deliver(self, sent: Iterable[Sent], now: int) -> None:
        """Let Firehose deliver records at *now*, in milliseconds since 1970. Then handle the messages that are due."""
        self._now = now
        objects = self.firehose.deliver(sent, now)
        self._sizes |= objects
        self.objects += len(objects)
        for key in objects:
            for _ in range(2 if self._chance.random() < 0.1 else 1):
                self._send({key}, self._chance.choice([0, 0, 0, HOUR, 5 * HOUR]))
        self._handle()

    def end(self) -> None:
        """Handle all messages, when everything that waits is due."""
        while self._messages:
            self._now = max(self._now + 16 * DAY, self._messages[0][0])
            self._handle()

    def rows(self) -> Rows:
        """Return the rows of all reports, as the API has them."""
        from msgspec import to_builtins

        rows: Rows = {}
        for name, report in self._reports.items():
            for period in self._index.periods(name):
                edition = self._index.latest(name, period)
                table = self._store.read(name, period, edition.version)
                rows[name, period] = to_builtins(report.rows(cast("Any", table)))
                shown = self._store.parquet_location(name, period, edition.version)
                assert self._catalog.locations[name, period] == shown, (name, period)
        return rows

    def wake(self, periods: Collection[Any], seconds: int) -> None:
        """Send a message that comes back: `chalicelib.runs.Wakes`."""
        self._send(periods, seconds * 1000)

    def _send(self, content: Iterable[Any], milliseconds: int) -> None:
        heapq.heappush(self._messages, (self._now + milliseconds, next(self._numbers), frozenset(content)))

    def _handle(self) -> None:
        """Handle what is due, two calls at a time, until nothing is. What a call that is cut off had comes again."""
        while due := self._due():
            calls = list(itertools.batched(due, self._chance.randint(1, 60)))
            lives = [self._chance.randint(1, 60) if self._chance.random() < _CRASHES else math.inf for _ in calls]
            with ThreadPoolExecutor(2) as pool:
                for call, got_to_its_end in zip(calls, pool.map(self._call, calls, lives), strict=True):
                    for content in () if got_to_its_end else call:
                        self._send(content, self._chance.choice([0, HOUR]))

    def _due(self) -> list[frozenset[Any]]:
        """Return the messages that are due, in any order."""
        due = []
        while self._messages and self._messages[0][0] <= self._now:
            due.append(heapq.heappop(self._messages)[2])
        self._chance.shuffle(due)
        return due

    def _call(self, contents: Sequence[frozenset[Any]], life: float) -> bool:
        """Call the function with messages. Return whether it got to its end."""
        from chalicelib.arrivals import parse_key
        from chalicelib.runs import Runs
        from common.errors import Conflict

        ports = map(_Life(life).lend, (self.athena, self._store, self._index, self._catalog, self))
        runs = Runs(self._reports, *cast("Any", ports), self._rate, lambda: self._now / 1000)
        given = {each for content in contents for each in content}
        keys = {each for each in given if isinstance(each, str)}
        self.calls += 1
        try:
            runs.update({key: parse_key(key, self._sizes[key]) for key in keys}, math.inf)
            runs.run_due(given - keys, math.inf)
        except (Died, Conflict):
            self.cut_off += 1
            return False
        return True
