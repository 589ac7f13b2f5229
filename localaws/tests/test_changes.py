"""Data planes wait for news: what waits reads once, and again only when something arrives or has changed."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Any

import boto3
import pytest
from ministack.services import sqs

from localaws import control_client
from localaws.changes import WAIT_SECONDS, calls
from localaws.changes.client import RETRY_INTERVAL, Changes
from localaws.changes.signal import Signal

REGION = "us-east-1"


def run_beside(waiting: Any, *arrive: Any) -> Any:
    """Run *waiting*; once it waits, call each of *arrive*. Return its result."""

    async def run() -> Any:
        task = asyncio.create_task(waiting())
        for each in arrive:
            await asyncio.sleep(0.05)
            each()
        return await task

    return asyncio.run(run())


@pytest.mark.parametrize(("wait", "arrivals", "reads"), [("0", 0, 1), ("0.3", 0, 1), ("20", 1, 2)])
def test_get_records_reads_once_and_again_when_records_arrive(wait: str, arrivals: int, reads: int) -> None:
    bodies: list[bytes] = []
    signal = Signal()

    async def get_records(*_: Any) -> Any:
        bodies.append(b'{"Records": [1]}' if bodies else b'{"Records": []}')
        return 200, {}, bodies[-1]

    handle = calls.waiting_for_records(get_records, signal)

    answer = run_beside(lambda: handle("POST", "/", {calls.WAIT_HEADER: wait}, b"", {}), *[signal.notify] * arrivals)

    assert (len(bodies), answer[2]) == (reads, bodies[-1])


@pytest.mark.parametrize(("seconds", "arrivals", "looks"), [(1, 0, 2), (20, 1, 2)])
def test_receive_message_looks_at_the_queue_when_a_message_may_have_come(
    seconds: int, arrivals: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqs, "_queues", {"url": {"attributes": {}, "messages": []}})
    looked: list[int] = []

    async def receive(data: dict[str, Any], url: str) -> Any:
        looked.append(data["WaitTimeSeconds"])
        return {"Messages": [1]} if arrivals and len(looked) > 1 else {}

    receive_message = calls.waiting_for_messages(receive)

    run_beside(lambda: receive_message({"WaitTimeSeconds": seconds}, "url"), *[calls.MESSAGES.notify] * arrivals)

    assert looked == [0] * looks


@pytest.mark.parametrize(
    ("method", "target", "body", "notifies"),
    [
        ("POST", "Firehose_20150804.CreateDeliveryStream", b"{}", True),
        ("POST", "Firehose_20150804.DescribeDeliveryStream", b"{}", False),
        ("POST", "Firehose_20150804.PutRecordBatch", b"{}", False),
        ("POST", "", b"Action=DescribeAutoScalingGroups", False),
        ("POST", "", b"Action=SetDesiredCapacity", True),
        ("GET", "", b"", False),
        ("PUT", "", b"<DistributionConfig/>", True),
    ],
)
def test_a_request_that_deploys_something_is_a_change(method: str, target: str, body: bytes, notifies: bool) -> None:
    async def answer(*_: Any) -> Any:
        return 200, {}, b""

    signal = Signal()
    before = signal.version

    asyncio.run(calls.notifying(answer, signal)(method, "/", {"x-amz-target": target}, body, {}))

    assert (signal.version != before) == notifies


def test_changes_of_a_service_are_seen_once(emulator: str) -> None:
    changes = Changes(emulator, "cloudfront")
    first = [changes.wait(0), changes.wait(0)]
    cloudfront = boto3.client("cloudfront", region_name=REGION, endpoint_url=emulator)

    cloudfront.create_origin_access_control(
        OriginAccessControlConfig={
            "Name": "changes",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )

    assert [*first, changes.wait(5), changes.wait(0)] == [True, False, True, False]


def test_a_service_without_changes_is_refused(emulator: str) -> None:
    with pytest.raises(OSError, match="400"):
        control_client.call(f"{emulator}/_localaws/changes?service=s3")


def test_a_refresh_that_is_not_complete_is_repeated_without_a_change() -> None:
    waited: list[float] = []
    refreshed: list[bool] = []
    stopped = Event()

    class Scripted(Changes):
        def wait(self, seconds: float = WAIT_SECONDS) -> bool:
            waited.append(seconds)
            if len(waited) == 4:
                stopped.set()
            return len(waited) == 1

    def refresh() -> bool:
        refreshed.append(len(refreshed) == 1)
        return refreshed[-1]

    Scripted("http://emulator", "lambda").follow(refresh, stopped)

    assert refreshed == [False, True]
    assert waited == [WAIT_SECONDS, RETRY_INTERVAL, WAIT_SECONDS, WAIT_SECONDS]
