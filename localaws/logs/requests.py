"""Gap: CloudWatch Logs accepts names, patterns and events that AWS rejects, and names its errors differently.

Events must be in order. Those older than 14 days or than the group's retention, or more than two hours ahead, are
dropped, and the answer says which.
AWS: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
AWS: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html
AWS: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html
No longer needed when PutLogEvents rejects events that are not in chronological order.
"""

import json
import re
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs as logs

type Json = dict[str, Any]

DAY = 86_400_000
OLDEST = 14 * DAY
NEWEST = DAY // 12
MAX_NAME = 512
LONG_NAME = f"Invalid LogGroup or LogStream, both must have length less than or equal to {MAX_NAME}."
LENGTHS = {"filterName": 512, "filterPattern": 1024, "filterNamePrefix": 512, "metricName": 255, "metricNamespace": 255}
MISSING = re.compile(r"(The specified [\w ]+ does not exist): .*", re.DOTALL)
EXISTS = re.compile(r"(The specified [\w ]+ already exists): .*", re.DOTALL)


def invalid(message: str, code: str = "InvalidParameterException") -> Any:
    return error_response_json(code, message, 400)


def violated(value: Any, member: str, constraint: str) -> Any:
    failed = f"Value '{value}' at '{member}' failed to satisfy constraint: Member must have {constraint}"
    return invalid(f"1 validation error detected: {failed}")


def names_error(data: Json) -> Any:
    if any(len(data.get(name) or "") > MAX_NAME for name in ("logGroupName", "logStreamName")):
        return invalid(LONG_NAME)
    for name, longest in LENGTHS.items():
        if len(data.get(name) or "") > longest:
            return violated(data[name], name, f"length less than or equal to {longest}")
    return None


def filter_error(data: Json) -> Any:
    many = data.get("metricTransformations") or []
    if len(many) > 1:
        listed = ", ".join(map(transformation_text, many))
        return violated(f"[{listed}]", "metricTransformations", "length less than or equal to 1")
    return names_error(data)


def transformation_text(given: Json) -> str:
    names = ("metricName", "metricNamespace", "metricValue", "defaultValue", "unit", "dimensions")
    return f"MetricTransformation({', '.join(f'{name}={given.get(name, "null")}' for name in names)})"


def limit_error(data: Json) -> Any:
    if (limit := data.get("limit") or 1) > 10_000:
        return violated(limit, "limit", "value less than or equal to 10000")
    return names_error(data)


def patterns_error(data: Json) -> Any:
    if data.get("logGroupNamePrefix") and data.get("logGroupNamePattern"):
        return invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    return names_error(data)


def identifier_error(data: Json) -> Any:
    if data.get("logGroupName") and data.get("logGroupIdentifier"):
        exclusive = "LogGroup name and LogGroup ARN are mutually exclusive parameters."
        return invalid(exclusive, "ValidationException")
    return names_error(data)


def events_error(data: Json) -> Any:
    times = [event["timestamp"] for event in data.get("logEvents") or [] if "timestamp" in event]
    if any(later < earlier for earlier, later in pairwise(times)):
        return invalid("Log events in a single PutLogEvents request must be in chronological order.")
    return names_error(data)


CHECKS: dict[str, Callable[[Json], Any]] = {
    "_create_log_group": names_error,
    "_create_log_stream": names_error,
    "_put_metric_filter": filter_error,
    "_delete_metric_filter": names_error,
    "_describe_metric_filters": names_error,
    "_get_log_events": limit_error,
    "_describe_log_groups": patterns_error,
    "_describe_log_streams": identifier_error,
    "_put_log_events": events_error,
}


def with_rejected_events(put: Any) -> Any:
    """Drop the events that are too old, expired or too new."""

    def put_events(data: Json) -> Any:
        now = time.time() * 1000
        events = data.get("logEvents") or []
        group = logs._log_groups.get(data.get("logGroupName")) or {}
        times = [event.get("timestamp", now) for event in events]
        retention = (group.get("retentionInDays") or 0) * DAY
        too_old = sum(stamp < now - OLDEST for stamp in times)
        expired = sum(stamp < now - retention for stamp in times) if retention else 0
        too_new = sum(stamp > now + NEWEST for stamp in times)
        kept = events[max(too_old, expired) : len(events) - too_new]
        status, headers, body = put(data | {"logEvents": kept})
        if status != 200:
            return status, headers, body
        answer = json.loads(body)
        answer["nextSequenceToken"] = f"49{int(answer['nextSequenceToken']):054d}"  # as long as those of AWS
        if len(kept) == len(events):
            return status, headers, json.dumps(answer).encode()
        ends = {"tooOldLogEventEndIndex": too_old, "expiredLogEventEndIndex": expired if expired > too_old else 0}
        info = {name: end for name, end in ends.items() if end}
        if too_new:
            info["tooNewLogEventStartIndex"] = len(events) - too_new
        return status, headers, json.dumps(answer | {"rejectedLogEventsInfo": info}).encode()

    return put_events


def describe_streams(describe: Any) -> Any:
    """Find the group by its identifier, and leave out the token that PutLogEvents no longer needs."""

    def described(data: Json) -> Any:
        if identifier := data.get("logGroupIdentifier"):
            name = logs._log_group_name_from_identifier_arn(identifier) or identifier
            data = data | {"logGroupName": name}
        status, headers, body = describe(data)
        answer = json.loads(body)
        for stream in answer.get("logStreams", []):
            stream.pop("uploadSequenceToken", None)
        return status, headers, json.dumps(answer).encode()

    return described


def checked(run: Any, error: Callable[[Json], Any]) -> Any:
    return lambda data: error(data) or run(data)


def error_without_name(code: str, message: str, status: int = 400) -> Any:
    """Name no resource in the message of an error, as AWS does."""
    message = EXISTS.sub(r"\1", MISSING.sub(r"\1.", message))
    return error_response_json(code, message, status)


def apply() -> None:
    logs.error_response_json = error_without_name
    logs._put_log_events = with_rejected_events(logs._put_log_events)
    logs._describe_log_streams = describe_streams(logs._describe_log_streams)
    for name, error in CHECKS.items():
        setattr(logs, name, checked(getattr(logs, name), error))
