"""Gap: SetAlarmState accepts any state, and the history of an alarm lacks the reasons of the old states.

The history has no change of state for a new alarm. An alarm that is not found has no message in AWS.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_AlarmHistoryItem.html
No longer needed when SetAlarmState with the state `INVALID` gets a ValidationError.
"""

import json
from typing import Any

from ministack.services import cloudwatch

STATES = ("INSUFFICIENT_DATA", "ALARM", "OK")
INITIAL_REASON = "Unchecked: Initial alarm creation"


def noting_reasons(record: Any) -> Any:
    """Wrap the writing of a change of state into the history."""

    def record_transition(alarm_name: str, old_state: str, new_state: str, *more: Any, **options: Any) -> None:
        if old_state == new_state:
            return
        if alarm := _alarm(alarm_name):
            alarm["StateTransitionedTimestamp"] = alarm["StateUpdatedTimestamp"]
        entries = cloudwatch._history_entries()
        last = next((entry for entry in reversed(entries) if entry["AlarmName"] == alarm_name), None)
        record(alarm_name, old_state, new_state, *more, **options)
        old = json.loads(last["HistoryData"])["newState"] if last else {"stateReason": INITIAL_REASON}
        data = json.loads(entries[-1]["HistoryData"]) | {"oldState": old | {"stateValue": old_state}}
        entries[-1]["HistoryData"] = json.dumps(data)

    return record_transition


def checked(set_alarm_state: Any) -> Any:
    """Wrap SetAlarmState."""

    def set_state(params: Any, request: Any, is_cbor: bool, is_json: bool = False) -> Any:
        if not (is_cbor or is_json):
            return set_alarm_state(params, request, is_cbor, is_json)
        if (state := request.get("StateValue")) not in STATES:
            message = (
                f"1 validation error detected: Value '{state}' at 'stateValue' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{', '.join(STATES)}]"
            )
            return _refusal("ValidationException", "ValidationError", {"message": message}, 400, is_cbor)
        alarm = _alarm(request.get("AlarmName", ""))
        if alarm is None:
            return _refusal("ResourceNotFound", "ResourceNotFound", {}, 404, is_cbor)
        alarm.pop("StateReasonData", None)
        return set_alarm_state(params, request, is_cbor, is_json)

    return set_state


def _alarm(name: str) -> Any:
    return cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)


def _refusal(code: str, query_code: str, members: dict[str, str], status: int, is_cbor: bool) -> Any:
    """Return an error with the code of AWS's query API in a header, as query-compatible APIs have it."""
    status, headers, _ = cloudwatch._error(code, "", status, use_json=not is_cbor, use_cbor=is_cbor)
    body = {"__type": code} | members
    content = cloudwatch._cbor_ok(body)[2] if is_cbor else json.dumps(body).encode()
    return status, headers | {"x-amzn-query-error": f"{query_code};Sender"}, content


def apply() -> None:
    cloudwatch._record_history = noting_reasons(cloudwatch._record_history)
    cloudwatch._set_alarm_state = checked(cloudwatch._set_alarm_state)
