"""The books of a soak test: a lost todo, a second mail, and an unknown operation that happened twice are seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.soak import load
from sandbox.soak.alarms import AFTER, PATIENCE, Raised, raised, wait_until_ok
from sandbox.soak.attempts import PAUSES, acknowledged, carry_out
from sandbox.soak.audit import causes, recipients
from sandbox.soak.books import KINDS, Account, balance
from sandbox.soak.journal import Journal, Operation, Outcome, read
from sandbox.soak.load import Second
from sandbox.soak.report import Soak, page, text
from sandbox.soak.schedule import HALVES, RESTART, Span, alarms, play

ACKNOWLEDGED, REFUSED, UNKNOWN, BROKEN = Outcome.ACKNOWLEDGED, Outcome.REFUSED, Outcome.UNKNOWN, Outcome.BROKEN

type Told = tuple[str, Outcome]


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., dict[str, Account]]:
    """Return a function that balances what clients were told about one subject with the effects that are there."""

    def told(*actions: Told, count: int = 1, **found: int) -> dict[str, Account]:
        file = tmp_path / "journal"
        file.unlink(missing_ok=True)
        journal = Journal(file)
        for what, outcome in actions:
            journal.end(journal.begin(what, "one", count), outcome)
        effects = {kind.replace("_", " "): {"one": number} for kind, number in found.items()}
        return {account.kind: account for account in balance(read(file), effects)}

    return told


@pytest.mark.parametrize(
    ("outcome", "found", "lost", "surplus"),
    [
        (ACKNOWLEDGED, 1, False, False),
        (ACKNOWLEDGED, 0, True, False),
        (ACKNOWLEDGED, 2, False, True),
        (UNKNOWN, 0, False, False),
        (UNKNOWN, 1, False, False),
        (UNKNOWN, 2, False, True),
        (REFUSED, 0, False, False),
        (REFUSED, 1, False, True),
    ],
)
def test_an_effect_is_there_once_if_it_was_acknowledged(
    told: Callable[..., dict[str, Account]], outcome: Outcome, found: int, lost: bool, surplus: bool
) -> None:
    todos = told(("add todo", outcome), todos=found)["todos"]

    assert (todos.lost, todos.surplus) == (["one"] * lost, ["one"] * surplus)
    assert todos.balances is not (lost or surplus)


def test_a_second_mail_to_a_subscriber_is_a_surplus(told: Callable[..., dict[str, Account]]) -> None:
    twice = [("subscribe", ACKNOWLEDGED), ("subscribe", ACKNOWLEDGED)]

    assert told(*twice, welcome_mails=1)["welcome mails"].balances
    assert told(*twice, welcome_mails=2)["welcome mails"].surplus == ["one"]


def test_a_payment_whose_event_comes_again_counts_once(told: Callable[..., dict[str, Account]]) -> None:
    accounts = told(("pay", UNKNOWN), ("pay", ACKNOWLEDGED), entitlements=1, receipts=0)

    assert accounts["entitlements"].balances
    assert accounts["receipts"].lost == ["one"]


@pytest.mark.parametrize(("outcome", "may_be_there"), [(ACKNOWLEDGED, [0]), (UNKNOWN, [0, 1]), (REFUSED, [1])])
def test_a_refund_takes_the_entitlement_and_leaves_the_receipt(
    told: Callable[..., dict[str, Account]], outcome: Outcome, may_be_there: list[int]
) -> None:
    for number in range(3):
        accounts = told(("pay", ACKNOWLEDGED), ("refund", outcome), entitlements=number, receipts=1)

        assert accounts["entitlements"].balances is (number in may_be_there), number
        assert accounts["receipts"].balances


def test_readings_are_counted_one_by_one(told: Callable[..., dict[str, Account]]) -> None:
    assert told(("send readings", ACKNOWLEDGED), count=5, readings=4)["readings"].lost == ["one"]
    assert told(("send readings", UNKNOWN), count=5, readings=4)["readings"].balances
    assert told(("send readings", UNKNOWN), count=5, readings=6)["readings"].surplus == ["one"]


def test_a_download_that_was_not_what_the_list_said_is_lost(told: Callable[..., dict[str, Account]]) -> None:
    assert told(("download package", BROKEN))["downloads"].lost == ["one"]


def test_an_effect_that_nobody_asked_for_is_a_surplus(told: Callable[..., dict[str, Account]]) -> None:
    assert told(posts=1)["posts"].surplus == ["one"]


def test_an_operation_whose_client_was_ended_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    Journal(file).begin("add todo", "one")
    with file.open("a") as journal:
        journal.write('{"id": "cut of')

    (operation,) = read(file)

    assert (operation.outcome, operation.ended) == (UNKNOWN, None)


def test_each_kind_of_effect_has_an_account() -> None:
    assert [account.kind for account in balance([], {})] == list(KINDS)


@pytest.mark.parametrize(
    ("statuses", "outcome", "attempts"),
    [
        ([201], ACKNOWLEDGED, 1),
        ([0, 503, 201], ACKNOWLEDGED, 3),
        ([0, 0, 0], UNKNOWN, 3),
        ([500, 500, 500], UNKNOWN, 3),
        ([429, 429, 429], UNKNOWN, 3),
        ([404], REFUSED, 1),
        ([0, 409], UNKNOWN, 2),
    ],
)
def test_what_the_attempts_say_about_an_operation(
    tmp_path: Path, statuses: list[int], outcome: Outcome, attempts: int
) -> None:
    journal, waited, answers = Journal(tmp_path / "journal"), list[float](), iter(statuses)

    answer = carry_out(
        journal,
        journal.begin("add todo", "one"),
        lambda: SimpleNamespace(status_code=next(answers)),
        acknowledged,
        waited.append,
    )

    (operation,) = read(tmp_path / "journal")
    assert (operation.outcome, operation.attempts) == (outcome, attempts)
    assert (answer is not None) is (outcome is ACKNOWLEDGED)
    assert waited == list(PAUSES[:attempts])


def test_readings_that_kinesis_took_in_part_are_sent_again(tmp_path: Path) -> None:
    journal, left = Journal(tmp_path / "journal"), iter([2, 0])

    carry_out(
        journal,
        journal.begin("send readings", "one", 5),
        lambda: SimpleNamespace(status_code=200, failed=next(left)),
        lambda answer: UNKNOWN if answer.failed else ACKNOWLEDGED,
        lambda pause: None,
    )

    (operation,) = read(tmp_path / "journal")
    assert (operation.outcome, operation.attempts) == (ACKNOWLEDGED, 2)


def test_mails_are_counted_by_sender_and_recipient() -> None:
    mail = {"Source": "Blog <hello@blog.example>", "To": ["soak-1@example.com"]}
    others = [mail | {"Source": "receipts@shop.example"}, mail | {"To": ["ann@example.com"]}]

    assert recipients([mail, mail, *others], "hello@blog.example") == {"soak-1": 2}


def test_each_queue_of_failures_says_what_it_holds_and_why() -> None:
    message = {"function": "send", "reason": "That was the last attempt.", "error": {"message": "no such handler"}}
    queue = {"name": "failed", "messages": [message, message, message | {"error": None}]}

    assert causes([queue, {"name": "empty", "messages": []}]) == [
        "failed: 1 of send: That was the last attempt.",
        "failed: 2 of send: That was the last attempt. no such handler",
    ]


class FaultyStage:
    """A stage on which each action of a fault has a name."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def resource(self, stack: str, logical_id: str) -> str:
        return logical_id

    def __getattr__(self, action: str) -> Any:
        return lambda *_: self.done.append(action)


def test_each_fault_happens_and_is_mended_around_one_restart() -> None:
    stage: Any = FaultyStage()
    waited = list[float]()

    spans = list(play(stage, 80, lambda: stage.done.append("restart"), waited.append))

    first, second = HALVES
    assert [span.name for span in spans] == [*first, RESTART, *second]
    assert sum(waited) == 80
    assert len(stage.done) == 2 * len(first + second) + 1
    assert stage.done[2 * len(first)] == "restart"


def test_a_fault_is_mended_when_the_test_is_interrupted() -> None:
    stage: Any = FaultyStage()

    def interrupt(seconds: float) -> None:
        if stage.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(play(stage, 80, lambda: None, interrupt))

    assert stage.done == ["break_function", "mend_function"]


def test_an_alarm_is_raised_by_a_fault_that_is_not_long_over() -> None:
    spans = [Span("a fault", 100, 200), Span(RESTART, 300, 400)]
    changed = [("late", 150.0, True), ("late", 250.0, False), ("late", 200.0 + AFTER + 1, True), ("slow", 350.0, True)]

    found = raised(changed, spans, lambda name: {"late"} if name == "a fault" else set())

    assert found == [
        Raised("late", 150, 250, "a fault"),
        Raised("late", 200 + AFTER + 1, None, None),
        Raised("slow", 350, None, None),
    ]


@pytest.mark.parametrize(
    ("states", "waits"),
    [
        (["OK"], 0),
        (["INSUFFICIENT_DATA", "ALARM", "OK"], 2),
        (["ALARM"] * PATIENCE, PATIENCE // 5),
    ],
)
def test_the_load_begins_when_the_alarms_of_new_stacks_are_ok(
    monkeypatch: pytest.MonkeyPatch, states: list[str], waits: int
) -> None:
    waited, left = list[float](), iter(states)

    def paginate(**_: Any) -> list[dict[str, Any]]:
        scaling = {"AlarmName": "TargetTracking-low", "StateValue": "INSUFFICIENT_DATA"}
        alarms = [scaling, {"AlarmName": "late", "StateValue": next(left)}]
        return [{"MetricAlarms": alarms, "CompositeAlarms": [{"AlarmName": "all", "StateValue": "OK"}]}]

    pages = SimpleNamespace(paginate=paginate)
    cloudwatch = SimpleNamespace(get_paginator=lambda _: pages)
    monkeypatch.setattr("sandbox.soak.alarms.client", lambda _: cloudwatch)

    wait_until_ok(waited.append)

    assert len(waited) == waits


def test_the_faults_of_a_soak_test_know_their_alarms() -> None:
    stage: Any = FaultyStage()

    assert alarms(stage, "todo-app has no concurrency") == {"ServerErrors", "Throttles", "Unavailable"}
    assert alarms(stage, "video-app has no concurrency") > {"ServerErrors", "PaymentsUnheard"}
    assert alarms(stage, RESTART) == set()
    assert all(alarms(stage, name) for half in HALVES for name in half)


def test_the_history_of_the_load_may_end_in_a_line_that_was_cut_off(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text(
        "Timestamp,Name,50%,95%,Total Request Count,Total Failure Count\n"
        "100,GET /,9,9,1,0\n100,Aggregated,N/A,N/A,0,0\n101,Aggregated,20,30,7,2\n102,Aggregated,20,30,7"
    )

    assert load.read(history) == [Second(100, 0, 0, 0, 0), Second(101, 7, 2, 20, 30)]


def soak(**changed: Any) -> Soak:
    """The result of a test in which nothing is wrong."""
    seconds = [Second(100.0 + at, 10 * at, at, 20, 40) for at in range(61)]
    good: dict[str, Any] = {"spans": [], "accounts": balance([], {}), "held": [], "left": [], "alarms": []}
    return Soak(**(good | {"load": seconds} | changed))


def test_the_report_names_what_is_lost_and_why_messages_failed() -> None:
    operation = Operation("1", "add todo", "soak-1", 1, 100.0, 100.5, ACKNOWLEDGED, 1)
    found = soak(
        spans=[Span("a <fault>", 110, 120), Span(RESTART, 130, 140)],
        accounts=balance([operation], {}),
        held=["a queue: 1 of f: why"],
        alarms=[Raised("late", 115, 125, "a <fault>"), Raised("later", 170, None, None)],
    )

    said, shown = text(found), page(found)

    assert "todos, lost: soak-1" in said
    assert "* a queue: 1 of f: why" in said
    assert "* late: a <fault>, raised in minute 0.2, cleared in minute 0.4" in said
    assert "* later: no fault, raised in minute 1.2, not cleared" in said
    assert said.endswith("The books do not balance. Alarms were raised without a fault: later.")
    assert found.verdict in shown
    assert shown.count("<polyline") == 4
    assert shown.count('<rect class="fault"') == shown.count('<rect class="restart"') == 3
    assert shown.count('<path class="alarm"') == 3, "an alarm that was raised after the load is in the table only"
    assert "<fault>" not in shown


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"left": ["a queue: 1 of f: why"]}, "Queues of failures still hold messages."),
        ({"alarms": [Raised("late", 110, 120, None)]}, "Alarms were raised without a fault: late."),
        ({"accounts": balance([], {"posts": {"one": 1}})}, "The books do not balance."),
    ],
)
def test_what_fails_a_soak_test(changed: dict[str, Any], problem: str) -> None:
    assert soak(held=["held"], alarms=[Raised("late", 110, 120, "a fault")]).problems == []
    assert soak(**changed).problems == [problem]
