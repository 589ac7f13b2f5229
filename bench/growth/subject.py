"""An operation, and what it costs: requests to AWS, and the items and bytes in them. They are counted, not timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3

SIZES = (10, 100, 1_000, 10_000)
_RUNS, _SECONDS = 5, 2.0
"""An operation is repeated five times, or until it has taken two seconds."""

_LISTS = ("Contents", "Records", "Messages", "Stacks", "QueueUrls")
"""The members of answers that list items, except DynamoDB's."""

_WRITES = ("Put", "Update", "Delete", "Send")


@dataclass(frozen=True)
class Operation:
    """An operation. *undo*, which is not measured, makes the data as it was. *note* says why the cost grows, if so."""

    name: str
    act: Callable[[], object]
    undo: Callable[[], object] = lambda: None
    note: str = ""


@dataclass(frozen=True)
class Subject:
    """Data, and the operations beside it: *grow* makes it grow from the first to the second number of items."""

    data: str
    grow: Callable[[int, int], None]
    operations: tuple[Operation, ...]
    sizes: tuple[int, ...] = SIZES


@dataclass
class Cost:
    """What one operation costs beside *size* items of *data*. *seconds* are CPU time of this process."""

    operation: str
    data: str
    note: str
    size: int
    seconds: float
    requests: int
    read: int
    written: int
    sent: int


@dataclass
class Aws:
    """Clients whose requests are counted. *sent* has bytes, in both directions."""

    requests: int = 0
    read: int = 0
    written: int = 0
    sent: int = 0
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        if service not in self._clients:
            self._clients[service] = self.counted(boto3.client(service))
        return self._clients[service]

    def counted(self, client: Any) -> Any:
        """Return *client* after its requests are counted, too."""
        client.meta.events.register("provide-client-params", self._before)
        client.meta.events.register("before-send", self._send)
        client.meta.events.register("after-call", self._after)
        return client

    def reset(self) -> None:
        self.requests = self.read = self.written = self.sent = 0

    def _before(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if "TransactItems" in params:
            self.written += sum("ConditionCheck" not in change for change in params["TransactItems"])
        elif model.name == "BatchWriteItem":
            self.written += sum(map(len, params["RequestItems"].values()))
        elif model.name.startswith(_WRITES):
            self.written += 1

    def _send(self, request: Any, **_: Any) -> None:
        self.requests += 1
        self.sent += len(request.body or b"") if isinstance(request.body, bytes | str | None) else 0

    def _after(self, http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        length = http_response.headers.get("Content-Length")
        self.sent += int(length) if length else 0 if model.has_streaming_output else len(http_response.content)
        self.read += parsed.get("ScannedCount", 0) + ("Item" in parsed)
        self.read += sum(map(len, parsed.get("Responses", {}).values()))
        self.read += sum(len(parsed.get(name, [])) for name in _LISTS)


def measured(aws: Aws, subject: Subject) -> list[list[Cost]]:
    """Return the costs of each operation, by size."""
    costs: list[list[Cost]] = [[] for _ in subject.operations]
    before = 0
    for size in subject.sizes:
        subject.grow(before, size)
        before = size
        for operation, found in zip(subject.operations, costs, strict=True):
            found.append(_cost(aws, operation, subject.data, size))
    return costs


def _cost(aws: Aws, operation: Operation, data: str, size: int) -> Cost:
    """Return the counts of the last run, and the least CPU time of all."""
    times = list[float]()
    while len(times) < _RUNS and sum(times) < _SECONDS:
        aws.reset()
        began = time.process_time()
        operation.act()
        times.append(time.process_time() - began)
        counts = (aws.requests, aws.read, aws.written, aws.sent)
        operation.undo()
    return Cost(operation.name, data, operation.note, size, min(times), *counts)
