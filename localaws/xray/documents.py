"""What X-Ray makes of the documents of a trace: segments with their subsegments, and a summary.

AWS: https://docs.aws.amazon.com/xray/latest/api/API_TraceSummary.html
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from localaws.xray.traces import Document, Trace

_OUTSIDE = ("trace_id", "parent_id", "type")
"""The members that a subsegment has only in a document of its own."""


def segments(trace: Trace) -> list[Document]:
    """Return the documents of the trace, each subsegment inside of its parent if that is known."""
    documents = list(trace.documents)
    known = {document["id"] for document in documents}
    inner: defaultdict[str, list[Document]] = defaultdict(list)
    for document in documents:
        if _is_inner(document, known):
            inner[document["parent_id"]].append(document)

    def nested(document: Document) -> Document:
        inside = [{k: v for k, v in nested(each).items() if k not in _OUTSIDE} for each in inner[document["id"]]]
        return document | ({"subsegments": inside} if inside else {})

    return [nested(document) for document in documents if not _is_inner(document, known)]


def _is_inner(document: Document, known: set[str]) -> bool:
    return document.get("type") == "subsegment" and document.get("parent_id") in known


def duration(trace: Trace) -> float:
    """Return the seconds from the first beginning to the last end so far."""
    ends = [document.get("end_time", time.time()) for document in trace.documents]
    return float(max(ends) - trace.documents[0]["start_time"])


def summary(trace: Trace) -> dict[str, Any]:
    """Return the summary of a trace, with times in epoch seconds."""
    documents = list(trace.documents)
    root = documents[0]
    http = root.get("http", {})
    sent, answer = http.get("request", {}), http.get("response", {})
    named = {each["name"]: _service(each, trace) for each in documents if each.get("type") != "subsegment"}
    told = {
        "HttpURL": sent.get("url"),
        "HttpMethod": sent.get("method"),
        "HttpStatus": answer.get("status"),
        "ClientIp": sent.get("client_ip"),
        "UserAgent": sent.get("user_agent"),
    }
    return {
        "Id": trace.id,
        "StartTime": root["start_time"],
        "Duration": duration(trace),
        "ResponseTime": root.get("end_time", time.time()) - root["start_time"],
        "HasFault": root.get("fault", False),
        "HasError": root.get("error", False),
        "HasThrottle": root.get("throttle", False),
        "IsPartial": any(document.get("in_progress") for document in documents),
        "Http": {name: value for name, value in told.items() if value is not None},
        "Annotations": _annotations(trace),
        "Users": [
            {"UserName": each["user"], "ServiceIds": [_service(each, trace)]} for each in documents if "user" in each
        ],
        "ServiceIds": list(named.values()),
        "ResourceARNs": [
            {"ARN": arn} for arn in dict.fromkeys(each.get("resource_arn") for each in documents) if arn is not None
        ],
        "EntryPoint": _service(root, trace),
        "Revision": len(documents),
    }


def _service(document: Document, trace: Trace) -> dict[str, Any]:
    name = document["name"]
    kind = document.get("origin", document.get("namespace", ""))
    return {"Name": name, "Names": [name], "AccountId": trace.account, "Type": kind}


def _annotations(trace: Trace) -> dict[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for document in trace.documents:
        for name, value in document.get("annotations", {}).items():
            member = "BooleanValue" if isinstance(value, bool) else "StringValue"
            annotation = {"AnnotationValue": {member: value}, "ServiceIds": [_service(document, trace)]}
            if annotation not in found[name]:
                found[name].append(annotation)
    return dict(found)
