"""What happened to the batches of each event source, and to each asynchronous invocation, in words."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from deploy.account import client
from localaws import control_client
from sandbox.console import failures
from sandbox.console.failures import counted

BATCHES = 50
"""How many batches of a source the console shows: as many that failed at first, and as many others."""

type Json = dict[str, Any]


def site_data(endpoint: str, shown: int | None = failures.SHOWN) -> Json:
    """Return ``{sources, invocations, queues}``: event source mappings, functions that are invoked asynchronously, and
    queues with failures. A source has ``batches``, newest first, and those have ``steps``. A queue has the newest
    *shown* messages, for None all.
    """
    answer = control_client.call(f"{endpoint}/_localaws/deliveries?limit={BATCHES}")
    batches: list[Json] = json.loads(answer)["batches"]
    pages = client("lambda").get_paginator("list_event_source_mappings").paginate()
    mappings = [mapping for page in pages for mapping in page["EventSourceMappings"]]
    queues = failures.queues(endpoint, mappings, batches, shown)
    return {
        "sources": in_order([source(mapping, batches, queues) for mapping in mappings]),
        "invocations": in_order(invocations(batches, queues)),
        "queues": queues,
    }


def in_order(sources: list[Json]) -> list[Json]:
    """Return the sources with failures first, those with the newest failure before the others."""
    return sorted(sources, key=lambda each: (-each["failed_at"], each["function"], each["name"]))


def source(mapping: Json, batches: Sequence[Json], queues: Sequence[Json]) -> Json:
    """Return what the console shows of an event source mapping."""
    own = [batch for batch in batches if batch["mapping"] == mapping["UUID"]]
    arn = mapping["EventSourceArn"]
    return _described(
        mapping["UUID"],
        failures.name_of(arn),
        arn.split(":")[2],
        mapping["FunctionArn"],
        settings(mapping),
        own,
        queues,
    ) | {"state": mapping["State"]}


def invocations(batches: Sequence[Json], queues: Sequence[Json]) -> list[Json]:
    """Return what the console shows of the functions that were invoked asynchronously."""
    by_function: defaultdict[str, list[Json]] = defaultdict(list)
    for batch in batches:
        if not batch["mapping"]:
            by_function[batch["function"]].append(batch)
    return [
        _described(arn, "asynchronous invocation", "event", arn, "", own, queues) | {"state": "Enabled"}
        for arn, own in by_function.items()
    ]


def _described(
    id: str, name: str, kind: str, function: str, settings: str, batches: Sequence[Json], queues: Sequence[Json]
) -> Json:
    places = {(queue["name"], message["id"]) for queue in queues for message in queue["messages"]}
    shown = [described(batch, places) for batch in batches]
    failed = [batch["at"] for batch in shown if batch["state"] != "succeeded"]
    return {
        "id": id,
        "name": name,
        "kind": kind,
        "function": failures.name_of(function),
        "settings": settings,
        "failed_at": max(failed, default=0),
        "states": Counter(batch["state"] for batch in shown),
        "batches": shown,
    }


def settings(mapping: Mapping[str, Any]) -> str:
    """Return the settings of the mapping that decide what follows a failure."""
    parts = [f"up to {counted(mapping['BatchSize'], 'record')}"]
    retries = mapping.get("MaximumRetryAttempts", -1)
    if "MaximumRetryAttempts" in mapping:
        parts.append(counted(retries + 1, "attempt") if retries >= 0 else "attempts without limit")
    if mapping.get("BisectBatchOnFunctionError"):
        parts.append("a failed batch is bisected")
    if mapping.get("FunctionResponseTypes"):
        parts.append("the function reports failed records")
    if destination := mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
        parts.append(f"then to {failures.name_of(destination)}")
    return ", ".join(parts)


def described(batch: Json, places: set[tuple[str, str]]) -> Json:
    """Return a batch with its steps in words. *places* has the messages that are in queues with failures."""
    of_batch = {"mapping": batch["mapping"], "function": batch["function"]}
    steps = [step_in_words(step | of_batch, places) for step in batch["steps"]]
    last, first = batch["steps"][-1], batch["steps"][0]
    outcomes = {step["fate"]["outcome"] for step in batch["steps"]}
    lost = outcomes & {"sent", "unsent", "discarded"} or (last["fate"]["outcome"] == "returned" and _is_last(last))
    if outcomes == {"succeeded"}:
        state = "succeeded"
    elif lost:
        state = "failed"
    else:
        state = {"succeeded": "recovered", "returned": "returned"}.get(last["fate"]["outcome"], "retrying")
    errors = [step["error"] for step in steps if step["error"]]
    return {
        "id": batch["id"],
        "at": last["at"],
        "records": first["records"],
        "size": counted(first["records"], "record"),
        "state": state,
        "attempt": _attempt(max(batch["steps"], key=lambda step: int(step["attempt"]))),
        "error": errors[-1] if errors else None,
        "omitted": batch["omitted"],
        "steps": steps,
    }


def step_in_words(step: Json, places: set[tuple[str, str]]) -> Json:
    return {
        "at": step["at"],
        "attempt": _attempt(step),
        "records": counted(step["records"], "record"),
        "from": step["first"],
        "to": step["last"],
        "age": f"{in_words(step['age'])} old",
        "took": f"{step['seconds'] * 1000:.0f} ms" if step["seconds"] else "",
        "error": failures.error_of(step),
        "outcome": step["fate"]["outcome"],
        "what": follows(step, places),
        "event": step["event"],
        "function": failures.name_of(step["function"]),
        "request": step["request_id"],
    }


def _attempt(step: Json) -> str:
    return f"attempt {step['attempt']} of {step['attempts']}" if step["attempts"] else f"attempt {step['attempt']}"


def _is_last(step: Json) -> bool:
    return step["fate"]["destination"] is not None


def follows(step: Json, places: set[tuple[str, str]]) -> str:
    """Return in one or two sentences what followed an attempt, and where the records are now."""
    fate = step["fate"]
    parts, destination = fate["parts"], failures.name_of(fate["destination"] or "")
    match fate["outcome"]:
        case "succeeded":
            return f"Succeeded. The result went to {destination}." if destination else "Succeeded."
        case "retried":
            return "All are tried again, in the same batch." if step["mapping"] else "Is tried again."
        case "bisected":
            return f"Bisected into {parts[0]} and {counted(parts[1], 'record')}."
        case "partial":
            return f"{parts[0]} succeeded, {parts[1]} are delivered again."
        case "returned":
            return _returned(step, destination, places)
        case "throttled":
            return "Lambda did not invoke the function, and tries again. This uses no attempt."
    return f"{failures.CONDITIONS.get(fate['condition'], '')} {_ended(step, destination)}"


def _returned(step: Json, destination: str, places: set[tuple[str, str]]) -> str:
    """Return what followed an attempt with messages of a queue."""
    succeeded, failed = step["fate"]["parts"]
    deleted, stay = f"{succeeded} succeeded. " if succeeded else "", counted(failed, "message")
    if not destination:
        return f"{deleted}{stay} returned to the queue, for the next attempt after the visibility timeout."
    there = any((destination, message) in places for message in step["failed"])
    return f"{deleted}That was the last attempt: {stay} {'now in' if there else 'on the way to'} {destination}."


def _ended(step: Json, destination: str) -> str:
    """Return where the records are that are not delivered again."""
    match step["fate"]["outcome"]:
        case "sent" if not step["mapping"]:
            return f"The event is in {destination}."
        case "sent":
            return (
                f"The stream keeps {counted(step['records'], 'record')}; {destination} has a message that says which."
            )
        case "unsent":
            return f"{destination} did not take the message: lost, unless the source still has it."
    return "Discarded, because there is no on-failure destination."


def in_words(seconds: float) -> str:
    """Return a duration as `0.3 s`, `12 s`, `4 min` or `2 h`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = timedelta(seconds=seconds) // timedelta(minutes=1)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
