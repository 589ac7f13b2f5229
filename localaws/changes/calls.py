"""Waiting in the emulator: for records and messages that arrive, and for changes of what is deployed.

* GetRecords with the header `x-localaws-wait` waits up to that many seconds for records. On AWS it does not wait; only
  the pollers of localaws send the header.
* ReceiveMessage waits for a message without looking at the queue ten times a second.
* The control call `GET /_localaws/changes?service=SERVICE&seen=VERSION&wait=SECONDS` waits until something deployed to
  the service has changed since *VERSION*, and answers ``{"version": VERSION}``.

A poll of an event source mapping that is no longer enabled ends, so that it takes no message.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core import concurrency
from ministack.services import autoscaling, cloudfront, dynamodb, dynamodb_streams, firehose, kinesis, lambda_svc, sqs
from ministack.services.cloudformation import provisioners

from localaws import control
from localaws.changes import WAIT_SECONDS
from localaws.changes.signal import Signal
from localaws.lambda_.clients import MAPPING_HEADER, WAIT_HEADER

CALL = "changes"
CHANGES = {name: Signal() for name in ("autoscaling", "cloudfront", "firehose", "lambda")}
"""By service the signal that something deployed to it has changed. For Lambda these are event source mappings."""

TYPES = {
    "AWS::AutoScaling::": "autoscaling",
    "AWS::CloudFront::": "cloudfront",
    "AWS::KinesisFirehose::": "firehose",
    "AWS::Lambda::EventSourceMapping": "lambda",
}
"""By the beginning of a resource type the service that a resource in a stack changes."""

READS = ("Describe", "Get", "List", "PutRecord", "Receive")
"""How the names of operations begin that change nothing which is deployed, and add no message to a queue."""

READ_INTERVAL = 0.01
"""Seconds; limits how often a waiting GetRecords reads while many records arrive."""
LOOK_INTERVAL = 1
"""Seconds after which a waiting ReceiveMessage looks at its queue, if nothing wakes it."""
STOPPING_PAUSE = 0.1
"""Seconds until the answer to a poll of a mapping that is disabled or deleted, as its poller will know in a moment."""

_polling: ContextVar[str | None] = ContextVar("polling", default=None)
"""The UUID of the mapping that polls a queue with this request."""

_STOPPING = ("Disabling", "Disabled", "Deleting")


class Arrivals(Signal):
    """A signal in the place of the emulator's event for its own poller."""

    def set(self) -> None:
        self.notify()


RECORDS = {kinesis: Arrivals(), dynamodb_streams: Arrivals()}
MESSAGES = Arrivals()


def mappings_changed() -> None:
    """Wake all that follow event source mappings, and the polls of the mappings themselves."""
    for signal in (CHANGES["lambda"], MESSAGES, *RECORDS.values()):
        signal.notify()


def mapping_changes_after(seconds: float) -> None:
    """Wake those that follow event source mappings when a change of state ends, in *seconds*."""
    CHANGES["lambda"].notify_after(seconds)


def is_stopping(uuid: str | None) -> bool:
    """Return whether a poll of the mapping is to end, because the mapping is disabled or deleted."""
    mapping = lambda_svc._esms.get(uuid) if uuid else None
    return bool(uuid) and (mapping is None or mapping["State"] in _STOPPING)


def waiting_for_records(handle_request: Any, arrivals: Signal) -> Any:
    """Wrap a service's request handler: GetRecords with the header waits until it has records."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        deadline = time.monotonic() + float(headers.get(WAIT_HEADER, 0))
        while True:
            version = arrivals.version
            answer = await handle_request(method, path, headers, body, query)
            left = deadline - time.monotonic()
            if (
                left <= 0
                or answer[0] != 200
                or is_stopping(headers.get(MAPPING_HEADER))
                or json.loads(answer[2]).get("Records") != []
            ):
                return answer
            if not await arrivals.wait(version, left):
                return answer
            await asyncio.sleep(READ_INTERVAL)

    return handle


def waiting_for_messages(receive: Any) -> Any:
    """Wrap ReceiveMessage: look at the queue when a message may have arrived or become visible."""

    async def receive_message(data: dict[str, Any], url: str) -> Any:
        queue = sqs._queues.get(data.get("QueueUrl", url)) or {"attributes": {}, "messages": []}
        wait = data.get("WaitTimeSeconds", queue["attributes"].get("ReceiveMessageWaitTimeSeconds", 0))
        if not str(wait).isdecimal() or not 0 < int(wait) <= WAIT_SECONDS:
            return await receive(data, url)
        deadline = time.time() + int(wait)
        if is_stopping(_polling.get()):
            await asyncio.sleep(STOPPING_PAUSE)
            return {}
        while True:
            version = MESSAGES.version
            answer = await receive(data | {"WaitTimeSeconds": 0}, url)
            left = deadline - time.time()
            if answer or left <= 0 or is_stopping(_polling.get()):
                return answer
            await MESSAGES.wait(version, min(left, LOOK_INTERVAL, until_visible(queue["messages"])))

    return receive_message


def until_visible(messages: list[dict[str, Any]]) -> float:
    """Return the seconds until the next hidden message is visible."""
    now = time.time()
    times = (message["visible_at"] - now for message in messages if message.get("visible_at", 0) > now)
    return max(min(times, default=LOOK_INTERVAL), 0.01)


def noting_mapping(handle_request: Any) -> Any:
    """Wrap SQS's request handler: note which mapping polls."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        _polling.set(headers.get(MAPPING_HEADER))
        return await handle_request(method, path, headers, body, query)

    return handle


def notifying(handle_request: Any, signal: Signal) -> Any:
    """Wrap a service's request handler: a request that may have changed something notifies the signal."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        answer = await handle_request(method, path, headers, body, query)
        if not operation(method, headers, body).startswith(READS):
            signal.notify()
        return answer

    return handle


def operation(method: str, headers: Any, body: bytes) -> str:
    """Return the name of a request's operation; `Get` for any GET without one."""
    if target := headers.get("x-amz-target"):
        return str(target).rpartition(".")[2]
    return parse_qs(body.decode("latin-1")).get("Action", [method.title()])[0]


def notifying_stack(change: Any, signal: Signal) -> Any:
    """Wrap what CloudFormation does with a resource: notify the signal afterwards."""

    def run(*arguments: Any) -> Any:
        try:
            return change(*arguments)
        finally:
            signal.notify()

    return run


async def changes(request: control.Request) -> control.Response:
    """Answer the control call."""
    service, seen, wait = (request.query.get(name, [""])[0] for name in ("service", "seen", "wait"))
    if service not in CHANGES:
        return control.answer(400, {"message": f"service is one of {', '.join(CHANGES)}"})
    signal = CHANGES[service]
    await signal.wait(seen, min(float(wait or 0), WAIT_SECONDS))
    return control.answer(200, {"version": signal.version})


def reset(handle: Any) -> Any:
    """Wrap the emulator's reset of everything."""

    async def handle_reset(*arguments: Any) -> Any:
        answer = await handle(*arguments)
        if answer is not None:
            for signal in CHANGES.values():
                signal.notify()
        return answer

    return handle_reset


def install() -> None:
    """Add the waits and the control call to the emulator, around all gap modules."""
    control.CALLS["GET", CALL] = changes
    app._handle_admin_reset = reset(app._handle_admin_reset)
    # Each service has this event of the emulator under its own name; the emulator's own poller is off.
    kinesis.esm_wake, dynamodb.esm_wake = RECORDS[kinesis], RECORDS[dynamodb_streams]
    concurrency.esm_wake.set = MESSAGES.notify
    for service, arrivals in RECORDS.items():
        service.handle_request = waiting_for_records(service.handle_request, arrivals)
    sqs._HANDLERS["ReceiveMessage"] = waiting_for_messages(sqs._HANDLERS["ReceiveMessage"])
    sqs.handle_request = noting_mapping(notifying(sqs.handle_request, MESSAGES))
    for deployed, name in ((autoscaling, "autoscaling"), (cloudfront, "cloudfront"), (firehose, "firehose")):
        deployed.handle_request = notifying(deployed.handle_request, CHANGES[name])
    for kind, resource in provisioners._RESOURCE_HANDLERS.items():
        for beginning, name in TYPES.items():
            if kind.startswith(beginning):
                resource.update({do: notifying_stack(run, CHANGES[name]) for do, run in resource.items()})
