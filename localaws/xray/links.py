"""Which trace an event belongs to: that of the call that sent the message or wrote the record.

A message of a queue has the trace in its attribute AWSTraceHeader. For a record of a stream, this module remembers the
call that wrote it, by its sequence number. A batch belongs to the trace of its first record; the others link to it.
AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-tracelinking.html
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextvars import ContextVar
from typing import Any

from ministack.services import dynamodb, kinesis, lambda_svc, sqs

from localaws.xray import header
from localaws.xray.header import Place
from localaws.xray.traces import here

REMEMBERED = 20_000
"""The number of records of streams whose call is remembered."""
LINKED = 20
"""The number of traces that one invocation links to, at most, as on AWS."""

ATTRIBUTE = "AWSTraceHeader"


class Writers:
    """The calls that wrote the newest records, by the records' sequence numbers."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, sequence_number: str, place: Place) -> None:
        with self._lock:
            self._places[sequence_number] = place
            if len(self._places) > self._limit:
                self._places.popitem(last=False)

    def get(self, sequence_number: Any) -> Place | None:
        return self._places.get(sequence_number)


writers: dict[str, Writers] = {"dynamodb": Writers(REMEMBERED), "kinesis": Writers(REMEMBERED)}

others: ContextVar[tuple[Place, ...]] = ContextVar("others", default=())
"""The places in other traces to which this invocation belongs too."""


def remembering(number: Any, service: str) -> Any:
    """Wrap what numbers the records of a service's streams."""

    def next_number() -> Any:
        given = number()
        if place := here.get():
            writers[service].add(given, place)
        return given

    return next_number


def with_trace(complete: Any) -> Any:
    """Wrap what completes a message: one that SNS, EventBridge or S3 sends is in the trace of the call behind it."""

    def complete_message(message: dict[str, Any]) -> None:
        is_new = "first_receive_at" not in message
        complete(message)
        place = here.get()
        if is_new and place:
            message["sys"].setdefault(ATTRIBUTE, place.header)

    return complete_message


def records(event: Any) -> list[dict[str, Any]]:
    """Return the records of an event of a queue, a stream or Firehose."""
    if not isinstance(event, dict):
        return []
    found = event.get("Records") or event.get("records")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def cause(record: dict[str, Any]) -> Place | None:
    """Return the place of the call that sent a record, or None if that was not traced."""
    if isinstance(change := record.get("dynamodb"), dict):
        return writers["dynamodb"].get(change.get("SequenceNumber"))
    if isinstance(entry := record.get("kinesis"), dict):
        return writers["kinesis"].get(entry.get("sequenceNumber"))
    if isinstance(entry := record.get("kinesisRecordMetadata"), dict):
        return writers["kinesis"].get(entry.get("sequenceNumber"))
    attributes = record.get("attributes")
    return header.parse(str(attributes.get(ATTRIBUTE, ""))) if isinstance(attributes, dict) else None


def causes(event: Any) -> list[Place]:
    """Return the places of the calls behind an event, one of each trace, in the order of the records."""
    found: dict[str, Place] = {}
    for record in records(event):
        if len(found) <= LINKED and (place := cause(record)):
            found.setdefault(place.trace_id, place)
    return list(found.values())


def delivery(event: Any) -> dict[str, Any]:
    """Return where an event is from, how many records it has, how many seconds they waited, and which attempt it is."""
    found = records(event)
    if not found:
        return {}
    told: dict[str, Any] = {"records": len(found)}
    if isinstance(source := found[0].get("eventSourceARN"), str):
        told["source"] = source
    if sent := [moment for each in found if (moment := _sent(each))]:
        told["waited_seconds"] = round(max(0.0, time.time() - min(sent)), 3)
    attributes = found[0].get("attributes")
    if isinstance(attributes, dict) and str(attributes.get("ApproximateReceiveCount", "")).isdecimal():
        told["attempt"] = int(attributes["ApproximateReceiveCount"])
    return told


def _sent(record: dict[str, Any]) -> float | None:
    """Return when a record was sent, epoch seconds."""
    for outer, inner, unit in (
        ("attributes", "SentTimestamp", 1000),
        ("kinesis", "approximateArrivalTimestamp", 1),
        ("dynamodb", "ApproximateCreationDateTime", 1),
    ):
        try:
            return float(record[outer][inner]) / unit
        except (KeyError, TypeError, ValueError):
            continue
    return None


def continuing(invoke: Any) -> Any:
    """Wrap Invoke: the invocation for an event belongs to the trace of the event."""

    async def invoke_function(name: str, event: Any, *arguments: Any) -> Any:
        found = [] if here.get() else causes(event)
        if not found:
            return await invoke(name, event, *arguments)
        tokens = here.set(found[0]), others.set(tuple(found[1:]))
        try:
            return await invoke(name, event, *arguments)
        finally:
            here.reset(tokens[0])
            others.reset(tokens[1])

    return invoke_function


def install() -> None:
    """Follow messages and records."""
    dynamodb._next_stream_seq = remembering(dynamodb._next_stream_seq, "dynamodb")
    kinesis._next_sequence_number = remembering(kinesis._next_sequence_number, "kinesis")
    sqs._ensure_msg_fields = with_trace(sqs._ensure_msg_fields)
    lambda_svc._invoke = continuing(lambda_svc._invoke)
