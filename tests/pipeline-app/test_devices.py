"""Devices and their alerts: late and repeated readings change nothing, and each alert is mailed once."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Collection, Sequence
from itertools import batched, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from device_memory import MemoryDevices
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from report_memory import MemoryIndex

import app
from chalicelib.alert_mails import AlertMails
from chalicelib.alert_stream import AlertStream
from chalicelib.devices import Alert, AlertQuery, Device, Devices, Rule
from chalicelib.readings import Reading
from chalicelib.tracking import Tracking
from common.errors import Conflict, NotFound
from common.events import each_group
from common.mail import Mail, MailTemplate, NotSent

NOON = 1_900_000_000_000
MAILS = Path(__file__).parent.parent.parent / "pipeline-app" / "chalicelib" / "mails"


def reading(value: float, minute: int = 0, seq: int = 0, metric: str = "temperature", late: int = 0) -> Reading:
    ts = NOON + minute * 60_000
    return Reading(
        device_id="pump-1", metric=metric, value=value, unit="C", ts=ts, seq=seq, arrived_at=ts + late, record=1
    )


def states(store: MemoryDevices) -> list[tuple[str, float]]:
    return [(store.raised[each].state, store.raised[each].value) for each in sorted(store.raised)]


def test_the_latest_reading_has_the_latest_time(devices: Devices) -> None:
    readings = [reading(float(minute), minute) for minute in range(20)]
    random.Random(1).shuffle(readings)

    for each in readings:
        devices.track("pump-1", [each], devices.read(["pump-1"]).get("pump-1"))

    latest = devices.get("pump-1").metrics["temperature"]
    assert (latest.value, latest.ts) == (19.0, "2030-03-17T18:05:40.000Z")


def test_of_two_readings_of_one_time_the_higher_sequence_number_is_the_later(devices: Devices) -> None:
    devices.track("pump-1", [reading(1, seq=2), reading(2, seq=1)])

    assert devices.get("pump-1").metrics["temperature"].value == 1


def test_a_correction_of_the_latest_reading_replaces_it_and_an_older_one_does_not(devices: Devices) -> None:
    for value, corrected_at in ((1, None), (2, NOON), (3, NOON - 1), (4, None)):
        correction = replace(reading(value), corrected_at=corrected_at)
        devices.track("pump-1", [correction], devices.read(["pump-1"]).get("pump-1"))

    assert devices.get("pump-1").metrics["temperature"].value == 2


@pytest.mark.parametrize("corrected_at", [None, NOON])
def test_a_second_value_of_the_latest_reading_changes_nothing(devices: Devices, corrected_at: int | None) -> None:
    first = replace(reading(1), corrected_at=corrected_at)

    devices.track("pump-1", [first, replace(first, value=2)])

    assert devices.get("pump-1").metrics["temperature"].value == 1


def test_an_unknown_device_is_not_found(devices: Devices) -> None:
    with pytest.raises(NotFound, match="none"):
        devices.get("none")


def test_an_impossible_device_id_is_not_looked_up(device_store: MemoryDevices) -> None:
    class Dynamo(MemoryDevices):
        def read(self, device_ids: Collection[str]) -> dict[str, Device]:
            assert all(len(each.encode()) <= 2048 for each in device_ids), "a ValidationException"
            return super().read(device_ids)

    devices = Devices(Dynamo(), [])
    devices.track("ü" * 128, [reading(1)])

    assert devices.get("ü" * 128).device_id == "ü" * 128
    with pytest.raises(NotFound):
        devices.get("x" * 2049)


def test_a_value_that_varies_around_a_threshold_raises_one_alert(devices: Devices, device_store: MemoryDevices) -> None:
    values = [79, 81, 79, 81, 79, 76, 82, 74, 76, 81]

    devices.track("pump-1", [reading(value, minute) for minute, value in enumerate(values)])

    assert states(device_store) == [("raised", 81), ("cleared", 74), ("raised", 81)]
    assert [alert.value for alert in devices.get("pump-1").alerts] == [81]
    assert [alert.state for alert in devices.alerts(AlertQuery()).items] == ["raised", "cleared", "raised"]


@pytest.mark.parametrize(
    ("values", "raised"),
    [([80], []), ([80.01], ["raised"]), ([81, 75], ["raised"]), ([81, 74.99], ["raised", "cleared"])],
)
def test_a_value_at_a_threshold_neither_raises_nor_clears(
    devices: Devices, device_store: MemoryDevices, values: list[float], raised: list[str]
) -> None:
    devices.track("pump-1", [reading(value, minute) for minute, value in enumerate(values)])

    assert [state for state, _ in states(device_store)] == raised


def test_a_repeated_batch_and_a_late_reading_raise_nothing(devices: Devices, device_store: MemoryDevices) -> None:
    batch = [reading(81, 1), reading(74, 2)]
    devices.track("pump-1", batch)

    devices.track("pump-1", batch, devices.read(["pump-1"])["pump-1"])
    devices.track("pump-1", [reading(99, 0)], devices.read(["pump-1"])["pump-1"])

    assert states(device_store) == [("raised", 81), ("cleared", 74)]


def test_of_two_readings_of_one_time_each_has_its_alert(devices: Devices, device_store: MemoryDevices) -> None:
    batch = [reading(value, seq=seq) for seq, value in enumerate([81, 74, 82, 73], start=-2)]
    devices.track("pump-1", batch)

    devices.track("pump-1", batch)

    assert states(device_store) == [("raised", 81), ("cleared", 74), ("raised", 82), ("cleared", 73)]
    assert len({each.ts for each in device_store.raised.values()}) == 1


def test_alerts_sort_by_time_and_then_by_sequence_number() -> None:
    places = [(1, 2**63 - 1), (2, -(2**63)), (2, -1), (2, 0), (2, 9), (2, 10), (10, 0)]
    alert = Alert(device_id="d", metric="m", state="raised", value=1, unit="C", threshold=0, ts=0)
    alerts = [replace(alert, ts=ts, seq=seq) for ts, seq in places]

    assert sorted(alert.id for alert in alerts) == [alert.id for alert in alerts]
    assert replace(alert, ts=NOON, seq=7).id == f"{NOON} d m 09223372036854775815", "that of an earlier release"


@pytest.mark.parametrize(("late", "raised"), [(3_600_000, ["raised"]), (3_600_001, [])])
def test_a_reading_older_than_an_hour_is_history_and_raises_no_alert(
    devices: Devices, device_store: MemoryDevices, late: int, raised: list[str]
) -> None:
    devices.track("pump-1", [reading(99, late=late)])

    assert [state for state, _ in states(device_store)] == raised
    assert devices.get("pump-1").metrics["temperature"].value == 99


def test_a_value_in_another_unit_than_that_of_the_rule_raises_no_alert(
    devices: Devices, device_store: MemoryDevices
) -> None:
    devices.track("pump-1", [replace(reading(99), unit="furlong")])

    assert states(device_store) == []


def test_a_device_has_at_most_a_hundred_metrics(devices: Devices) -> None:
    devices.track("pump-1", [reading(1, metric=f"m{number}") for number in range(110)])

    assert list(devices.get("pump-1").metrics) == [f"m{number}" for number in range(100)]


def test_a_change_by_another_is_not_lost(devices: Devices, device_store: MemoryDevices) -> None:
    devices.track("pump-1", [reading(1, metric="a")])
    stale = device_store.read(["pump-1"])["pump-1"]
    devices.track("pump-1", [reading(2, metric="b")], device_store.read(["pump-1"])["pump-1"])

    devices.track("pump-1", [reading(3, metric="c")], stale)

    assert {name: each.value for name, each in devices.get("pump-1").metrics.items()} == {"a": 1, "b": 2, "c": 3}


class Busy(MemoryDevices):
    """Others change the device before each of the first *changes* writes."""

    def __init__(self, changes: int) -> None:
        super().__init__()
        self._changes = changes

    def write(self, device: Device, alerts: Sequence[Alert]) -> bool:
        self._changes -= 1
        return self._changes < 0 and super().write(device, alerts)


def test_a_change_of_a_device_is_tried_five_times() -> None:
    devices = Devices(Busy(changes=4), [])

    devices.track("pump-1", [reading(1)])

    assert devices.get("pump-1").metrics["temperature"].value == 1
    with pytest.raises(Conflict, match="pump-1"):
        Devices(Busy(changes=5), []).track("pump-1", [reading(1)])


@pytest.mark.parametrize("clear_below", [75, 80])
def test_a_rule_clears_below_where_it_raises(clear_below: float) -> None:
    with pytest.raises(ValueError, match="clear_below"):
        Rule(metric="temperature", unit="C", raise_above=75, clear_below=clear_below)


def test_a_rule_has_at_least_a_minute_between_mails() -> None:
    rule = {"metric": "temperature", "unit": "C", "raise_above": 80, "clear_below": 75}

    assert msgspec.convert(rule | {"minutes_between_mails": 1}, Rule).minutes_between_mails == 1
    with pytest.raises(msgspec.ValidationError, match="minutes_between_mails"):
        msgspec.convert(rule | {"minutes_between_mails": 0}, Rule)


# Batches of the stream


def event(*datas: bytes, key: str = "x") -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventID": f"shardId-000000000000:{number}",
                "kinesis": {
                    "partitionKey": key,
                    "sequenceNumber": str(number),
                    "data": base64.b64encode(data).decode(),
                    "approximateArrivalTimestamp": NOON / 1000,
                },
            }
            for number, data in enumerate(datas)
        ]
    }


def sent(device: str, value: float, seq: int) -> bytes:
    return json.dumps({"device_id": device, "metric": "temperature", "value": value, "ts": NOON, "seq": seq}).encode()


def test_a_batch_of_a_thousand_is_one_write_for_each_device(
    devices: Devices, device_store: MemoryDevices, index: MemoryIndex
) -> None:
    datas = [sent(f"pump-{seq % 50}", seq, seq) for seq in range(990)] + [b"junk"] * 10

    answer = each_group(app.app, Tracking(devices, index, lambda: NOON / 1000 + 2).groups(event(*datas)))

    assert answer == {"batchItemFailures": []}
    assert device_store.writes == 50
    assert devices.get("pump-0").metrics["temperature"].value == 950
    assert index.freshness() == {"devices": (NOON, NOON + 2000)}


@pytest.mark.parametrize(
    ("times", "event_at"),
    [
        ([NOON - 3_600_000, NOON - 1000], NOON - 1000),
        ([NOON - 3_600_000], NOON - 3_600_000),
        ([NOON - 3_600_001], None),
        ([NOON - 1000, NOON + 200_000], NOON),
        ([0], None),
    ],
)
def test_history_and_a_clock_that_is_ahead_do_not_change_the_freshness(
    devices: Devices, index: MemoryIndex, times: list[int], event_at: int | None
) -> None:
    batch = event(*(sent("pump-1", 1, 1).replace(str(NOON).encode(), b"%d" % ts) for ts in times))

    each_group(app.app, Tracking(devices, index, lambda: NOON / 1000 + 2).groups(batch))

    assert index.freshness() == ({"devices": (event_at, NOON + 2000)} if event_at else {})


def test_a_thing_changes_no_other_device(devices: Devices, device_store: MemoryDevices, index: MemoryIndex) -> None:
    batch = event(sent("pump-1", 1, 1), sent("pump-2", 99, 1), key="thing/pump-1")

    each_group(app.app, Tracking(devices, index).groups(batch))

    assert list(device_store.devices) == ["pump-1"]


def test_failures_of_a_batch_are_reported_and_the_rest_is_handled(
    devices: Devices, device_store: MemoryDevices, index: MemoryIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(MemoryDevices):
        def write(self, device: Device, alerts: Sequence[Alert]) -> bool:
            if device.device_id == "bad":
                raise ConnectionError
            return super().write(device, alerts)

    failing = Devices(Failing(), [])
    batch = event(sent("good", 1, 1), sent("bad", 1, 1), sent("good", 2, 2), sent("bad", 2, 2))
    monkeypatch.setenv("PARTIAL_BATCH", "1")

    answer = each_group(app.app, Tracking(failing, index).groups(batch))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "3"}]}
    assert failing.get("good").metrics["temperature"].value == 2
    monkeypatch.delenv("PARTIAL_BATCH")
    with pytest.raises(ExceptionGroup):
        each_group(app.app, Tracking(failing, index).groups(batch))


# Mails


class MemorySender:
    def __init__(self) -> None:
        self.mails: list[tuple[str, Mail]] = []
        self.refusing = False

    def send(self, to: str, mail: Mail, tags: dict[str, str]) -> str:
        if self.refusing:
            raise NotSent
        self.mails.append((to, mail))
        return "id"


def alert(device_store: MemoryDevices, state: Any = "raised") -> Alert:
    found = Alert(device_id="<pump>", metric="temperature", state=state, value=81.25, unit="C", threshold=80, ts=NOON)
    device_store.raised[found.id] = found
    return found


def test_an_alert_is_mailed_once(device_store: MemoryDevices) -> None:
    sender = MemorySender()
    mails = AlertMails(device_store, sender, MailTemplate(MAILS, "alert"), "operators@pipeline.example")
    raised = alert(device_store)

    for _ in range(3):
        mails.send(raised)

    ((to, mail),) = sender.mails
    assert (to, mail.subject) == ("operators@pipeline.example", "temperature of <pump> is 81.25 C")
    assert "&lt;pump&gt;" in mail.html
    assert "80 C" in mail.text


@given(
    st.lists(
        st.tuples(st.sampled_from([70.0, 81.0]), st.sampled_from(["temperature", "vibration"]), st.integers(0, 9)),
        max_size=60,
    ),
    st.integers(1, 20),
)
def test_a_device_that_swings_across_a_threshold_sends_one_mail_in_an_hour(
    swings: list[tuple[float, str, int]], batch_size: int
) -> None:
    store, sender = MemoryDevices(), MemorySender()
    rules = [Rule(metric=m, unit="C", raise_above=80, clear_below=75) for m in ("temperature", "vibration")]
    devices = Devices(store, rules)
    mails = AlertMails(store, sender, MailTemplate(MAILS, "alert"), "operators@pipeline.example")
    readings, minute = list[Reading](), 0
    for value, metric, minutes in swings:
        minute += minutes
        readings.append(reading(value, minute, seq=len(readings), metric=metric))

    for batch in batched(readings, batch_size, strict=False):
        for _ in range(2):  # a batch may be delivered again
            devices.track("pump-1", batch, devices.read(["pump-1"]).get("pump-1"))
    sent = {"temperature": list[int](), "vibration": list[int]()}
    for each in sorted(store.raised.values(), key=lambda each: each.id):
        before = len(sender.mails)
        mails.send(each)
        sent[each.metric] += [each.ts] * (len(sender.mails) - before)

    for times in sent.values():
        assert all(later - earlier >= 3_600_000 for earlier, later in pairwise(times))
    raised = {each.metric for each in store.raised.values()}
    assert {metric for metric, times in sent.items() if times} == raised


def test_a_rule_says_for_how_long_a_metric_sends_no_second_mail(device_store: MemoryDevices) -> None:
    rule = Rule(metric="temperature", unit="C", raise_above=80, clear_below=75, minutes_between_mails=10)
    swings = [reading(81 if minute % 2 else 70, minute) for minute in range(25)]

    Devices(device_store, [rule]).track("pump-1", swings)

    mailed = [(each.ts - NOON) // 60_000 for each in device_store.raised.values() if each.mail]
    assert mailed == [1, 11, 21]


@pytest.mark.parametrize(("milliseconds", "mails"), [(3_599_999, [True, False]), (3_600_000, [True, True])])
def test_an_hour_after_a_mail_a_metric_may_send_the_next(
    devices: Devices, device_store: MemoryDevices, milliseconds: int, mails: list[bool]
) -> None:
    later = NOON + milliseconds
    devices.track("pump-1", [reading(81), reading(70, seq=1), replace(reading(82), ts=later, arrived_at=later)])

    assert [each.mail for each in device_store.raised.values() if each.state == "raised"] == mails


def test_a_cleared_alert_is_not_mailed(device_store: MemoryDevices) -> None:
    sender = MemorySender()

    AlertMails(device_store, sender, MailTemplate(MAILS, "alert"), "x").send(alert(device_store, "cleared"))

    assert sender.mails == []


def test_a_mail_that_ses_rejects_is_sent_later(device_store: MemoryDevices) -> None:
    sender = MemorySender()
    mails = AlertMails(device_store, sender, MailTemplate(MAILS, "alert"), "operators@pipeline.example")
    raised = alert(device_store)
    sender.refusing = True
    with pytest.raises(NotSent):
        mails.send(raised)

    sender.refusing = False
    mails.send(raised)

    assert len(sender.mails) == 1


@pytest.mark.parametrize(("change", "mails"), [("INSERT", 1), ("MODIFY", 0), ("REMOVE", 0)])
def test_only_a_new_alert_in_the_stream_of_the_table_is_mailed(
    device_store: MemoryDevices, change: str, mails: int
) -> None:
    sender = MemorySender()
    stream = AlertStream(AlertMails(device_store, sender, MailTemplate(MAILS, "alert"), "operators@pipeline.example"))
    image = {"state": {"S": msgspec.json.encode(alert(device_store)).decode()}}

    stream.handle({"eventName": change, "dynamodb": {"NewImage": image, "OldImage": image}})

    assert len(sender.mails) == mails
