"""Calls of DAX in traces. Its client sends no trace header, so a call belongs to the invocation that runs.

If a function runs more than once at the time, its calls of DAX are not recorded: nothing tells which invocation they
belong to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ministack.services import sts

from localaws.dax import clusters
from localaws.xray.header import NAME, Place
from localaws.xray.traces import here, recorded

OPERATIONS = {
    "get_item": "GetItem",
    "put_item": "PutItem",
    "update_item": "UpdateItem",
    "delete_item": "DeleteItem",
    "query": "Query",
    "scan": "Scan",
    "batch_get_item": "BatchGetItem",
    "batch_write_item": "BatchWriteItem",
    "transact_get_items": "TransactGetItems",
    "transact_write_items": "TransactWriteItems",
}
"""The operations of DynamoDB by the methods of the protocol. Its other methods describe tables and nodes."""
SUCCESS = b"\x80"
"""How an answer without an error begins: an empty array in CBOR."""

_running: defaultdict[str, list[Place]] = defaultdict(list)
"""By the name of a function, the places of its invocations that run."""


@contextmanager
def running(function: str, place: Place) -> Iterator[None]:
    """Note that the function runs while the block does."""
    _running[function].append(place)
    try:
        yield
    finally:
        _running[function].remove(place)


def caller_place(access_key: str) -> tuple[Place, str] | None:
    """Return the place of the one invocation that has the access key, with its account."""
    arn = (sts._sessions.get(access_key) or {}).get("Arn", "")
    _, _, function = arn.rpartition("/")
    places = _running.get(function.removesuffix("@lambda_function")) or []
    return (places[0], arn.split(":")[4]) if len(places) == 1 else None


def traced(respond: Any) -> Any:
    """Wrap what answers a call of DAX."""

    def respond_traced(caller: Any, method: str, arguments: list[Any]) -> Any:
        known = caller_place(caller.access_key) if caller and method in OPERATIONS else None
        if known is None:
            return respond(caller, method, arguments)
        place, account = known
        aws = {"operation": OPERATIONS[method], "retries": 0}
        if isinstance(arguments[0], bytes):
            aws["table_name"] = arguments[0].decode()
        fields = {"type": "subsegment", "namespace": "aws", "aws": aws}
        with recorded("DAX", place, account, "", **fields) as segment:
            answer = respond(caller, method, arguments)
            if not answer.startswith(SUCCESS):
                segment["error"] = True
            return answer

    return respond_traced


def add_header(params: dict[str, Any], **_: Any) -> None:
    """Let the call of DynamoDB that DAX makes be inside of the call of DAX."""
    if place := here.get():
        params["headers"][NAME] = place.header


def with_header(make: Any) -> Any:
    """Wrap the making of the client that a cluster uses."""

    def make_client(service: str) -> Any:
        client = make(service)
        client.meta.events.register("before-call", add_header)
        return client

    return make_client


def with_traces(start: Any) -> Any:
    """Wrap the start of a cluster."""

    def start_cluster(cluster: Any, *settings: Any) -> None:
        start(cluster, *settings)
        cluster.server.respond = traced(cluster.server.respond)

    return start_cluster


def install() -> None:
    """Record the calls of DAX."""
    clusters._client = with_header(clusters._client)
    clusters._RunningCluster.__init__ = with_traces(clusters._RunningCluster.__init__)  # type: ignore[method-assign]
