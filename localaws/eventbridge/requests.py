"""Gap: EventBridge accepts rules, targets and events that AWS rejects, such as `rate(1 minutes)`.

AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
AWS: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
No longer needed when PutRule rejects the schedule `rate(1 minutes)`.
"""

import json
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import eventbridge

type Json = dict[str, Any]

RATE = re.compile(r"rate\((?:1 (?:minute|hour|day)|(?!0+ |0*1 )\d+ (?:minutes|hours|days))\)")
CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
NAME = re.compile(r"[.\-_A-Za-z0-9]+")
MAX_NAME = 64
MAX_TARGETS = 5
MAX_BYTES = 256 * 1024
REQUIRED = ("Source", "DetailType", "Detail")
ENVELOPE = ("id", "account", "source", "time", "region", "detail-type")
MESSAGES = (
    (re.compile(r"Event bus (\S+) not found"), r"Event bus \1 does not exist."),
    (re.compile(r"(Event bus \S+ already exists)"), r"\1."),
    (re.compile(r"Cannot delete the default event bus"), "Cannot delete event bus default."),
)

time_of_event: ContextVar[int | None] = ContextVar("time_of_event", default=None)
"""The time of the event that is being put, in seconds; None for now."""


def invalid(message: str, code: str = "ValidationException") -> Any:
    return error_response_json(code, message, 400)


def is_schedule(expression: str) -> bool:
    """Return whether the rate or cron expression is valid. The emulator parses the structure of cron expressions."""
    if not expression.startswith("cron("):
        return bool(RATE.fullmatch(expression))
    fields = expression.removeprefix("cron(").removesuffix(")").split()
    for field, (low, high) in zip(fields, CRON_RANGES, strict=False):
        steps = re.sub(r"/\d+|#\d+", "", field)  # an increment or a week is no value of the field
        if not all(low <= int(number) <= high for number in re.findall(r"\d+", steps)):
            return False
    return eventbridge._parse_cron_fields(expression) is not None


def constraint_error(value: str, member: str) -> Any:
    """Return the rejection of a name or id of a wrong form, or None."""
    constraint = ""
    if not NAME.fullmatch(value):
        constraint = r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+"
    elif len(value) > MAX_NAME:
        constraint = f"Member must have length less than or equal to {MAX_NAME}"
    failed = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    return invalid(failed) if constraint else None


def rule_error(data: Json) -> Any:
    schedule, pattern = data.get("ScheduleExpression"), data.get("EventPattern")
    if not schedule and not pattern:
        return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if schedule and data.get("EventBusName", "default") != "default":
        return invalid("ScheduleExpression is supported only on the default event bus.")
    return constraint_error(data.get("Name") or "", "name")


def targets_error(data: Json) -> Any:
    new = data.get("Targets") or []
    for number, target in enumerate(new, 1):
        error = constraint_error(target.get("Id") or "", f"targets.{number}.member.id")
        if error:
            return error
    key = eventbridge._rule_key(data.get("Rule"), data.get("EventBusName", "default"))
    ids = {target["Id"] for target in (*eventbridge._targets.get(key, []), *new)}
    if len(ids) > MAX_TARGETS:
        return invalid("The requested resource exceeds the maximum number allowed.", "LimitExceededException")
    return None


def delete_error(data: Json) -> Any:
    key = eventbridge._rule_key(data.get("Name"), data.get("EventBusName", "default"))
    return invalid("Rule can't be deleted since it has targets.") if eventbridge._targets.get(key) else None


def entry_error(entry: Json) -> Json | None:
    """Return the failed entry of the answer for an event that AWS rejects, or None."""
    for name in REQUIRED:
        if not entry.get(name):
            reason = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": reason}
    try:
        is_object = isinstance(json.loads(entry["Detail"]), dict)
    except ValueError:
        is_object = False
    return None if is_object else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def entry_size(entry: Json) -> int:
    texts = [*(entry.get(name) or "" for name in REQUIRED), *(entry.get("Resources") or [])]
    return sum(len(text.encode()) for text in texts) + (14 if entry.get("Time") else 0)


def entry_text(entry: Json) -> str:
    """Return an entry as AWS writes it in an error message."""
    names = ("Time", "Source", "Resources", "DetailType", "Detail", "EventBusName", "TraceHeader", "KmsKeyIdentifier")
    members = [f"{name[0].lower()}{name[1:]}={entry.get(name, 'null')}" for name in (*names, "InternalMetadata")]
    return f"PutEventsRequestEntry({', '.join(members)})"


def event_time(entry: Json) -> int | None:
    """Return the time of an event in seconds. The JSON protocol sends a number, other clients a text."""
    time = entry.get("Time")
    if isinstance(time, str):
        time = datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()
    return None if time is None else int(time)


def put_one(put: Any, data: Json, entry: Json, allow_aws_source: bool) -> Json:
    """Put one event at its own time; return its entry of the answer."""
    token = time_of_event.set(event_time(entry))
    try:
        _, _, body = put(data | {"Entries": [entry]}, allow_aws_source)
    finally:
        time_of_event.reset(token)
    (result,) = json.loads(body)["Entries"]
    return dict(result)


def test_event_error(data: Json) -> Any:
    """Return the rejection of an event that TestEventPattern cannot test, or None."""
    try:
        event = json.loads(data.get("Event") or "")
    except ValueError:
        event = None
    valid = isinstance(event, dict) and all(name in event for name in ENVELOPE)
    return None if valid else invalid("Parameter Event is not valid.")


def unknown_rule_error(data: Json) -> Any:
    name = data.get("Name") or data.get("Rule")
    bus = data.get("EventBusName", "default").rpartition("/")[2]
    if eventbridge._rule_key(name, bus) in eventbridge._rules or bus not in eventbridge._event_buses:
        return None
    return invalid(f"Rule {name} does not exist on EventBus {bus}.", "ResourceNotFoundException")


def list_targets(data: Json) -> Any:
    """List the targets of a rule in pages of `Limit`."""
    name, bus = data.get("Rule"), data.get("EventBusName", "default")
    targets = eventbridge._targets.get(eventbridge._rule_key(name, bus), [])
    start = eventbridge._opaque_offset_decode(data["NextToken"]) if data.get("NextToken") else 0
    end = start + data.get("Limit", 100)
    answer = {"Targets": targets[start:end]}
    if end < len(targets):
        answer["NextToken"] = eventbridge._opaque_offset_encode(end)
    return json_response(answer)


def error_as_aws(code: str, message: str, status: int = 400) -> Any:
    for pattern, text in MESSAGES:
        message = pattern.sub(text, message)
    return error_response_json(code, message, status)


def put_with_checks(put: Any) -> Any:
    def put_events(data: Json, allow_aws_source: bool = False) -> Any:
        entries = data.get("Entries") or []
        if not entries or len(entries) > 10:
            bound = "greater than or equal to 1" if not entries else "less than or equal to 10"
            given = f"'[{', '.join(map(entry_text, entries))}]'"
            failed = f"Value {given} at 'entries' failed to satisfy constraint: Member must have length {bound}"
            return invalid(f"1 validation error detected: {failed}")
        if sum(map(entry_size, entries)) >= MAX_BYTES:
            return invalid("Total size of the entries in the request is over the limit.")
        errors = [entry_error(entry) for entry in entries]
        good = [entry for entry, error in zip(entries, errors, strict=True) if error is None]
        answers = iter([put_one(put, data, entry, allow_aws_source) for entry in good])
        results = [error or next(answers) for error in errors]
        failed_count = sum("ErrorCode" in result for result in results)
        return json_response({"FailedEntryCount": failed_count, "Entries": results})

    return put_events


def checked(run: Any, error: Any) -> Any:
    return lambda data: error(data) or run(data)


def apply() -> None:
    now = eventbridge._now_ts
    eventbridge._now_ts = lambda: now() if time_of_event.get() is None else time_of_event.get()
    eventbridge.error_response_json = error_as_aws
    eventbridge._test_event_pattern = checked(eventbridge._test_event_pattern, test_event_error)
    eventbridge._describe_rule = checked(eventbridge._describe_rule, unknown_rule_error)
    eventbridge._list_targets_by_rule = checked(list_targets, unknown_rule_error)
    eventbridge._validate_schedule_expression = is_schedule
    eventbridge._put_rule = checked(eventbridge._put_rule, rule_error)
    eventbridge._put_targets = checked(eventbridge._put_targets, targets_error)
    eventbridge._delete_rule = checked(eventbridge._delete_rule, delete_error)
    eventbridge._put_events = put_with_checks(eventbridge._put_events)
