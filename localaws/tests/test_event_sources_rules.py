"""Unit tests of batches and filters, without an emulator or a clock."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from localaws.lambda_.batches import (
    PAYLOAD_LIMIT,
    Backoff,
    Batch,
    EventRecord,
    Outcome,
    fate,
    next_batch,
    next_batches,
    reported_failures,
    without_expired,
)
from localaws.lambda_.consumers import function_error
from localaws.lambda_.filters import Filters, parse
from localaws.lambda_.journal import Fate, FunctionError
from localaws.lambda_.mappings import EventSourceMapping

FAILED = "abcd"


def mapping(**settings: Any) -> EventSourceMapping:
    return EventSourceMapping.from_description(
        {
            "UUID": "1",
            "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "EventSourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
            "State": "Enabled",
            "LastModified": datetime.now(UTC),
            "BatchSize": 100,
        }
        | settings
    )


def batch(names: str, arrived: float = 0, **counts: int) -> Batch:
    return Batch(tuple(EventRecord(name, name, arrived, {}, size=1) for name in names), **counts)


def failure(names: str) -> Outcome:
    return Outcome(invoked=True, failed=frozenset(names))


def names_of(batches: list[Batch]) -> list[str]:
    return ["".join(record.identifier for record in batch.records) for batch in batches]


@pytest.mark.parametrize(
    ("settings", "failed", "again"),
    [
        ({}, "", []),
        ({}, "abcd", ["abcd"]),
        ({}, "a", ["abcd"]),
        ({}, "cb", ["bcd"]),
        ({}, "d", ["d"]),
        ({"BisectBatchOnFunctionError": True}, "abcd", ["ab", "cd"]),
        ({"BisectBatchOnFunctionError": True}, "a", ["ab", "cd"]),
        ({"BisectBatchOnFunctionError": True}, "c", ["cd"]),
    ],
)
def test_next_batches_after_a_failure(settings: dict[str, Any], failed: str, again: list[str]) -> None:
    batches, discarded = next_batches(batch("abcd"), failure(failed), mapping(**settings))

    assert names_of(batches) == again
    assert discarded is None


@pytest.mark.parametrize(
    ("settings", "failed", "follows"),
    [
        ({}, "", Fate("succeeded")),
        ({}, "abcd", Fate("retried")),
        ({}, "c", Fate("partial", (2, 2))),
        ({"BisectBatchOnFunctionError": True}, "abcd", Fate("bisected", (2, 2))),
        ({"BisectBatchOnFunctionError": True}, "d", Fate("partial", (3, 1))),
    ],
)
def test_what_follows_an_attempt(settings: dict[str, Any], failed: str, follows: Fate) -> None:
    remaining, _ = next_batches(batch("abcd"), failure(failed), mapping(**settings))

    assert fate(batch("abcd"), failure(failed), remaining) == follows


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (
            b'{"errorType": "KeyError", "errorMessage": "x", "stackTrace": ["1", "2"]}',
            FunctionError("KeyError", "x", ("1", "2")),
        ),
        (b'{"errorMessage": "Task timed out"}', FunctionError("", "Task timed out")),
        (b"killed", FunctionError("", "killed")),
        (b'"killed"', FunctionError("", '"killed"')),
    ],
)
def test_the_error_of_a_function_is_in_its_words(response: bytes, error: FunctionError) -> None:
    assert function_error(response) == error


@pytest.mark.parametrize("poison", "abcde")
def test_bisecting_isolates_the_poison_record_and_uses_no_retry(poison: str) -> None:
    settings = mapping(BisectBatchOnFunctionError=True, MaximumRetryAttempts=1)
    waiting, delivered, discarded = [batch("abcde")], "", []
    while waiting:
        current = waiting.pop(0)
        names = names_of([current])[0]
        outcome = failure(names if poison in names else "")
        delivered += names if not outcome.failed else ""
        again, exhausted = next_batches(current, outcome, settings)
        waiting = again + waiting
        discarded += [exhausted] if exhausted else []

    assert delivered == "abcde".replace(poison, "")
    assert [(names_of([each.batch]), each.batch.retries) for each in discarded] == [([poison], 1)]


def test_a_batch_is_discarded_when_its_retries_are_exhausted() -> None:
    settings = mapping(MaximumRetryAttempts=2)
    current, tries = batch("ab"), 0
    while True:
        tries += 1
        batches, discarded = next_batches(current, failure("ab"), settings)
        if discarded:
            break
        (current,) = batches

    assert tries == 3
    assert discarded.condition == "RetryAttemptsExhausted"
    assert discarded.batch.invocations == 3


def test_without_a_limit_a_batch_is_retried_forever() -> None:
    assert next_batches(batch("ab", retries=10_000), failure("a"), mapping())[1] is None


def test_a_rejected_invocation_uses_no_retry() -> None:
    batches, discarded = next_batches(batch("ab"), Outcome(invoked=False), mapping(MaximumRetryAttempts=0))

    assert (batches, discarded) == ([batch("ab")], None)


def test_only_records_beyond_the_maximum_age_are_discarded() -> None:
    old, young = batch("ab", arrived=0), batch("cd", arrived=50)

    left, discarded = without_expired(Batch(old.records + young.records), maximum_age=60, now=100)

    assert left == young
    assert discarded
    assert (discarded.batch, discarded.condition) == (old, "RecordAgeExceeded")


def test_without_a_maximum_age_records_expire_after_a_day() -> None:
    assert mapping().maximum_age == 24 * 60 * 60


def test_a_batch_is_full_at_its_size_and_at_six_megabytes() -> None:
    small = batch("abcd").records
    large = tuple(EventRecord(name, name, 0, {}, size=PAYLOAD_LIMIT // 2) for name in "abc")

    assert next_batch(small, 10) == (small, False)
    assert next_batch(small, 4) == (small, True)
    assert next_batch(small, 3) == (small[:3], True)
    assert next_batch(large, 10) == (large[:2], True)


def test_a_record_over_six_megabytes_is_a_batch_of_one() -> None:
    giant = EventRecord("a", "a", 0, {}, size=PAYLOAD_LIMIT + 1)

    assert next_batch((giant, giant), 10) == ((giant,), True)


@pytest.mark.parametrize(
    "response",
    [b"", b"null", b"{}", b'{"batchItemFailures": []}', b'{"batchItemFailures": null}', b'{"other": 1}'],
)
def test_an_empty_report_is_success(response: bytes) -> None:
    assert reported_failures(response, FAILED) == set()


@pytest.mark.parametrize(
    "failures",
    [[{"itemIdentifier": ""}], [{"itemIdentifier": None}], [{"id": "a"}], [{"itemIdentifier": "x"}], ["a"], 1, [[]]],
)
def test_a_malformed_report_fails_the_whole_batch(failures: Any) -> None:
    response = json.dumps({"batchItemFailures": failures}).encode()

    assert reported_failures(response, FAILED) == set(FAILED)


@pytest.mark.parametrize("response", [b"not json", b'"done"', b"[1]"])
def test_a_response_without_a_report_object_fails_the_whole_batch(response: bytes) -> None:
    assert reported_failures(response, FAILED) == set(FAILED)


def test_back_off_grows_up_to_its_maximum() -> None:
    backoff = Backoff(initial=1, maximum=5)

    assert [backoff.after(failures) for failures in (1, 2, 3, 4, 10_000)] == [1, 2, 4, 5, 5]


PERSON = {"name": "Ann", "age": 30, "tags": ["x", "y"], "home": {"city": "Rome"}, "note": None, "admin": True}


@pytest.mark.parametrize(
    ("pattern", "passes"),
    [
        ({"name": ["Ann"]}, True),
        ({"name": ["Bob", "Ann"]}, True),
        ({"name": ["ann"]}, False),
        ({"name": ["Ann"], "age": [31]}, False),
        ({"age": [30]}, True),
        ({"age": [1]}, False),
        ({"admin": [True]}, True),
        ({"admin": [1]}, False),
        ({"note": [None]}, True),
        ({"missing": [None]}, False),
        ({"tags": ["y"]}, True),
        ({"home": {"city": ["Rome"]}}, True),
        ({"home": {"street": ["Rome"]}}, False),
        ({"name": {"city": ["Rome"]}}, False),
        ({"name": [{"prefix": "A"}]}, True),
        ({"name": [{"prefix": "n"}]}, False),
        ({"age": [{"prefix": "3"}]}, False),
        ({"name": [{"suffix": "nn"}]}, True),
        ({"name": [{"prefix": {"equals-ignore-case": "aN"}}]}, True),
        ({"name": [{"equals-ignore-case": "ANN"}]}, True),
        ({"name": [{"anything-but": ["Bob"]}]}, True),
        ({"name": [{"anything-but": "Ann"}]}, False),
        ({"name": [{"anything-but": {"prefix": "B"}}]}, True),
        ({"missing": [{"anything-but": "Ann"}]}, False),
        ({"age": [{"numeric": ["=", 30]}]}, True),
        ({"age": [{"numeric": [">", 29, "<=", 30]}]}, True),
        ({"age": [{"numeric": [">", 30]}]}, False),
        ({"name": [{"numeric": [">", 0]}]}, False),
        ({"name": [{"exists": True}]}, True),
        ({"note": [{"exists": True}]}, True),
        ({"missing": [{"exists": False}]}, True),
        ({"home": {"street": [{"exists": False}]}}, True),
        ({"home": [{"exists": True}]}, False),
        ({"$or": [{"name": ["Bob"]}, {"age": [30]}]}, True),
        ({"$or": [{"name": ["Bob"]}, {"age": [31]}]}, False),
        ({"admin": [True], "$or": [{"name": ["Bob"]}, {"age": [31]}]}, False),
    ],
)
def test_filter_patterns(pattern: dict[str, Any], passes: bool) -> None:
    assert Filters((parse(json.dumps(pattern)),)).accept(PERSON) is passes


@pytest.mark.parametrize(
    ("rules", "text", "passes"),
    [
        ({"city": ["Rome"]}, '{"city": "Rome"}', True),
        ({"city": ["Rome"]}, '{"city": "Oslo"}', False),
        ({"city": [{"exists": False}]}, "not json", False),
        (["hello"], "hello", True),
        (["hello"], '{"hello": 1}', False),
    ],
)
def test_data_and_body_are_filtered_as_json_or_as_text(rules: Any, text: str, passes: bool) -> None:
    record = {"kinesis": {"partitionKey": "p", "data": base64.b64encode(text.encode()).decode()}}

    assert Filters(({"body": rules},)).accept({"body": text, "messageId": "1"}) is passes
    assert Filters(({"data": rules, "partitionKey": ["p"]},)).accept(record) is passes


def test_a_record_passes_if_one_filter_matches() -> None:
    filters = Filters.of({"Filters": [{"Pattern": '{"a": [1]}'}, {"Pattern": '{"a": [2]}'}]})

    assert [filters.accept({"a": a}) for a in (1, 2, 3)] == [True, True, False]
    assert Filters().accept({"a": 3})


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"a": 1}', '{"a": [{"regex": "x"}]}', '{"a": {}}'])
def test_a_malformed_pattern_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)
