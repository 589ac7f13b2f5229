"""Batches of the queue of reports: S3's notifications of new objects, requests to run a report again, and wake-ups.

Imports no AWS and no HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Struct, field

from chalicelib import notifications
from chalicelib.arrivals import DeliveredObject, parse_key
from chalicelib.pacing import Period
from chalicelib.reports import Day
from common.groups import Group

RUN_SECONDS = 200
"""How long one invocation waits for Athena. The rest of its 300 seconds stores what Athena wrote."""


class RerunMessage(Struct, kw_only=True, forbid_unknown_fields=True):
    """A message of the API: run *report* again for *periods*."""

    report: str
    periods: list[Day]


class WakeMessage(Struct, kw_only=True):
    """A message of `Runs`: look at what waits in these periods.

    To an earlier release it is a notification of no objects.
    """

    waiting: list[Period]
    records: list[Any] = field(name="Records", default_factory=list)


class Batch(NamedTuple):
    """The content of some messages.

    *objects* are the new objects, by key and entity tag, that the messages *ids* name. *waiting* are the periods that
    the messages *wakes* name. *reruns* and *malformed* are by message id; a malformed message has the error that says
    what is wrong with it.
    """

    ids: list[str]
    objects: dict[str, DeliveredObject]
    wakes: list[str]
    waiting: set[Period]
    reruns: dict[str, RerunMessage]
    malformed: dict[str, ValueError]


def read(event: dict[str, Any]) -> Batch:
    """Return the content of the messages of an SQS event."""
    batch = Batch([], {}, [], set(), {}, {})
    for message in event["Records"]:
        message_id, body = message["messageId"], message["body"]
        try:
            if '"periods"' in body:
                batch.reruns[message_id] = msgspec.json.decode(body, type=RerunMessage)
                continue
            if '"waiting"' in body:
                batch.waiting.update(msgspec.json.decode(body, type=WakeMessage).waiting)
                batch.wakes.append(message_id)
                continue
            created = notifications.created_objects(body)
            batch.objects.update({f"{each.key} {each.etag}": parse_key(each.key, each.size) for each in created})
            batch.ids.append(message_id)
        except ValueError as error:
            batch.malformed[message_id] = error
    return batch


class Runner(Protocol):
    """Runs reports: `chalicelib.runs.Runs`."""

    def update(self, objects: Mapping[str, DeliveredObject], deadline: float) -> None: ...
    def run_due(self, periods: Collection[Period], deadline: float) -> None: ...
    def rerun(self, name: str, periods: Sequence[Day], request_id: str, deadline: float) -> None: ...


class ReportBatches:
    """Updates reports from the messages of a batch."""

    def __init__(self, runs: Runner, now: Callable[[], float] = time.time) -> None:
        self._runs = runs
        self._now = now

    def groups(self, event: dict[str, Any]) -> Iterator[Group]:
        """Yield the work of an SQS event: one update for all new objects, the periods that wait, then each rerun.

        All of it shares one deadline. A malformed message raises its error when it is handled.
        """
        deadline = self._now() + RUN_SECONDS
        batch = read(event)
        if batch.ids:
            yield Group(batch.ids, partial(self._runs.update, batch.objects, deadline))
        if batch.waiting:
            yield Group(batch.wakes, partial(self._runs.run_due, batch.waiting, deadline))
        for message_id, message in batch.reruns.items():
            rerun = partial(self._runs.rerun, message.report, message.periods, message_id, deadline)
            yield Group([message_id], rerun)
        for message_id, error in batch.malformed.items():
            yield Group([message_id], partial(_raise, error))


def _raise(error: ValueError) -> None:
    raise error
