"""Gap: there is no X-Ray, so nothing tells which calls a request causes, in which order and how long they take.

Traces are recorded without instrumentation (localaws.xray.recording). GetTraceSummaries and BatchGetTraces read them.
Of filter expressions there is the simple part (localaws.xray.filters). Segments of programs, groups, insights and
sampling rules are missing.
AWS: https://docs.aws.amazon.com/xray/latest/api/API_GetTraceSummaries.html
AWS: https://docs.aws.amazon.com/xray/latest/api/API_BatchGetTraces.html
No longer needed when GetTraceSummaries returns the trace of a request to a REST API.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response

from localaws.xray import header
from localaws.xray.documents import duration, segments, summary
from localaws.xray.filters import InvalidFilter, condition
from localaws.xray.traces import Trace, traces

SERVICE = "xray"
PAGE = 100
"""Summaries in one answer. AWS does not say how many there are."""
READABLE = 5
"""Traces in one answer of BatchGetTraces."""
UNSUPPORTED = ("SamplingStrategy",)

type Json = dict[str, Any]


class InvalidRequest(Exception):
    """A request that X-Ray refuses; the message says why."""


def get_trace_summaries(request: Json) -> Json:
    begin, end = (_moment(request, name) for name in ("StartTime", "EndTime"))
    if begin > end:
        raise InvalidRequest("StartTime must be before EndTime.")
    for name in UNSUPPORTED:
        if request.get(name):
            raise InvalidRequest(f"localaws does not have the parameter {name}.")
    try:
        accepts = condition(request.get("FilterExpression") or "")
    except InvalidFilter as error:
        raise InvalidRequest(str(error)) from error
    page: list[Json] = []
    kept = [each for each in traces.all(get_account_id(), get_region()) if begin <= _began(each) <= end]
    before = _start(request, kept)
    for number, trace in enumerate(kept[before:], before):
        if len(page) == PAGE:
            more = {"NextToken": kept[number - 1].id}
            break
        if accepts(told := summary(trace)):
            page.append(told)
    else:
        more = {}
    return {"TraceSummaries": page, "ApproximateTime": time.time(), "TracesProcessedCount": len(kept)} | more


def batch_get_traces(request: Json) -> Json:
    ids = request.get("TraceIds")
    if not isinstance(ids, list) or not ids:
        raise InvalidRequest("TraceIds must name one trace at least.")
    if len(ids) > READABLE:
        raise InvalidRequest(f"TraceIds must name {READABLE} traces at most.")
    found = [each for name in ids if (each := traces.get(str(name), get_account_id(), get_region()))]
    answers = [
        {
            "Id": each.id,
            "Duration": duration(each),
            "LimitExceeded": not each.complete,
            "Segments": [{"Id": document["id"], "Document": json.dumps(document)} for document in segments(each)],
        }
        for each in found
    ]
    return {"Traces": answers, "UnprocessedTraceIds": []}


OPERATIONS: dict[str, Callable[[Json], Json]] = {
    "/TraceSummaries": get_trace_summaries,
    "/Traces": batch_get_traces,
}


def _moment(request: Json, name: str) -> float:
    value = request.get(name)
    if not isinstance(value, int | float):
        raise InvalidRequest(f"{name} must be a time in epoch seconds.")
    return float(value)


def _start(request: Json, kept: list[Trace]) -> int:
    """Return the number of traces that the earlier pages read. A token is the id of the last one of a page."""
    token = request.get("NextToken")
    if not token:
        return 0
    if not header.parse(f"Root={token}"):
        raise InvalidRequest("NextToken is not one of an earlier answer.")
    ids = [each.id for each in kept]
    # A trace that is no longer kept was the oldest one: nothing follows it.
    return ids.index(token) + 1 if token in ids else len(ids)


def _began(trace: Trace) -> float:
    return float(trace.documents[0]["start_time"])


async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
    operation = OPERATIONS.get(path)
    if method != "POST" or operation is None:
        return error_response_json(
            "UnknownOperationException", f"localaws does not have {method} {path} of X-Ray.", 404
        )
    try:
        return json_response(operation(json.loads(body or b"{}")))
    except (InvalidRequest, ValueError) as error:
        return error_response_json("InvalidRequestException", str(error))


def apply() -> None:
    router.SERVICE_PATTERNS[SERVICE] = {}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[SERVICE] = SERVICE
    iam_actions._BOTOCORE_SERVICE_MAP[SERVICE] = [SERVICE]
    app.SERVICE_HANDLERS[SERVICE] = handle_request
