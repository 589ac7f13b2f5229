"""What stays in memory and on disk has a bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ministack.services import eventbridge, s3, ses

from localaws import processes
from localaws.cloudwatch import alarm_history
from localaws.cognito import sign_in_ids
from localaws.eventbridge import events_log
from localaws.logs import retention
from localaws.s3 import multipart_results
from localaws.ses import mailbox


def stream(*times: int) -> dict[str, Any]:
    return {"events": [{"timestamp": at} for at in times]}


def test_a_log_group_keeps_its_newest_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_EVENTS", 3)
    streams = {"old": stream(1, 2), "new": stream(5, 6), "middle": stream(3, 4), "empty": stream()}

    retention.delete_surplus({"streams": streams})

    assert streams == {"new": stream(5, 6), "middle": stream(4), "empty": stream()}


def test_groups_are_looked_at_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = retention.logs.AccountRegionScopedDict()
    groups["g"] = {"streams": {"s": stream()}}
    monkeypatch.setattr(retention.logs, "_log_groups", groups)
    monkeypatch.setattr(retention, "MAX_EVENTS", 2)
    now = 0.0
    monkeypatch.setattr(retention.time, "monotonic", lambda: now)
    append = retention.with_bound(lambda to, events: to["events"].extend(events))

    append(groups["g"]["streams"]["s"], stream(1, 2, 3)["events"])
    before = stream(1, 2, 3) == groups["g"]["streams"]["s"]
    now = 60.0
    append(groups["g"]["streams"]["s"], stream(4)["events"])

    assert before
    assert groups["g"]["streams"]["s"] == stream(3, 4)


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sends mails, and returns how many are kept."""
    monkeypatch.setattr(ses, "_sent_emails", ses.AccountRegionScopedDict())
    monkeypatch.setattr(ses, "_sent_emails_list", ses._sent_emails_list)

    def send(count: int) -> int:
        for number in range(count):
            ses._sent_emails_list().append({"number": number})
        return len(ses._sent_emails_list())

    return send


def test_the_emulator_keeps_all_mails(mails: Any) -> None:
    assert mails(6000) == 6000, "ministack no longer needs localaws/ses/mailbox.py; delete it"


def test_the_newest_mails_are_kept(mails: Any) -> None:
    mailbox.apply()

    assert mails(20_000) <= mailbox.MAX_MAILS + 100
    assert ses._sent_emails_list()[-1] == {"number": 19_999}


def test_mails_that_were_sent_since_are_found_when_older_ones_were_dropped(mails: Any) -> None:
    mailbox.apply()
    mails(mailbox.MAX_MAILS + 100)
    before = mailbox.newest()

    mails(2)

    assert mailbox.sent_after(before) == [{"number": 0}, {"number": 1}]


def test_events_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventbridge, "_events_log", eventbridge.AccountRegionScopedDict())
    monkeypatch.setattr(eventbridge, "_events_log_list", eventbridge._events_log_list)
    eventbridge._events_log_list().append({})
    assert eventbridge._events_log_list(), "ministack no longer needs localaws/eventbridge/events_log.py; delete it"

    events_log.apply()
    eventbridge._events_log_list().append({})

    assert not eventbridge._events_log_list()


def test_a_log_begins_again_when_it_is_too_long(tmp_path: Path) -> None:
    log = tmp_path / "aws.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"first")
        processes.limit_log(log, maximum=5)
        kept = log.read_bytes()
        writer.write(b", second")
        processes.limit_log(log, maximum=5)
        writer.write(b"third")

    assert (kept, log.read_bytes(), (tmp_path / "aws.log.1").read_bytes()) == (b"first", b"third", b"first, second")


def test_the_history_of_alarms_is_kept_for_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_history, "MAX_ENTRIES", 2)
    monkeypatch.setattr(alarm_history, "_SURPLUS", 0)
    now = alarm_history.datetime.fromisoformat("2026-03-01T00:00:00Z").timestamp()
    monkeypatch.setattr(alarm_history.time, "time", lambda: now)
    days = [{"Timestamp": f"2026-{day}T00:00:00Z"} for day in ("01-29", "02-27", "02-28")]

    assert alarm_history.kept(days[:2]) == days[1:2]
    assert alarm_history.kept([*days, days[2]]) == [days[2]] * 2


def test_the_newest_results_of_multipart_uploads_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart_results, "MAX_RESULTS", 2)
    monkeypatch.setattr(s3, "_completed_multipart_uploads", results := s3.AccountScopedDict())
    complete = multipart_results.with_bound(lambda upload: results.update({upload: {}}))

    for upload in "abc":
        complete(upload)

    assert list(results) == ["b", "c"]


def test_a_user_keeps_the_ids_of_the_newest_sign_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_ids, "MAX_IDS", 2)
    user: dict[str, Any] = {}
    sign_in = sign_in_ids.with_bound(lambda pool, client, to, new: to.setdefault("_origin_jtis", []).append(new))

    for new in "abc":
        sign_in("pool", "client", user, new)

    assert user == {"_origin_jtis": ["b", "c"]}
