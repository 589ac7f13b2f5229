"""The last batches of each event source mapping, and the last asynchronous invocations of each function.

`GET /_localaws/deliveries` answers ``{"batches": [{id, mapping, function, source, shard, omitted, steps}]}``, newest
first. The steps of a batch, oldest first, have the fields of localaws.lambda_.journal.Step; *omitted* is how many in
the middle are no longer kept. With `?limit=50` the answer has 50 batches that failed at first, and 50 others, of each
mapping and function. The pollers `POST` a list of steps.
"""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from dataclasses import asdict
from threading import Lock
from typing import Any

from ministack.core.responses import request_scope

from localaws import control
from localaws.cloudwatch.service_metrics import record
from localaws.lambda_.journal import CALL, Step

KEPT = 200
"""How many batches are kept of each mapping or function: as many that failed at some time, and as many others."""
STEPS = 60
"""How many steps are kept of a batch: the first and the last ones. A mapping may retry without end."""

type Batches = OrderedDict[str, dict[str, Any]]

_kept: defaultdict[tuple[str, bool], Batches] = defaultdict(OrderedDict)
"""By mapping or function, and whether their first attempt failed."""
_lock = Lock()
OF_BATCH = ("mapping", "function", "source", "shard")


def note(step: Step) -> None:
    """Keep the step of an asynchronous invocation."""
    keep(asdict(step))


def keep(step: dict[str, Any]) -> None:
    of = step["mapping"] or step["function"]
    with _lock:
        failed, succeeded = _kept[of, True], _kept[of, False]
        batches = failed if step["fate"]["outcome"] != "succeeded" or step["batch"] in failed else succeeded
        described = {name: step[name] for name in OF_BATCH} | {"id": step["batch"], "omitted": 0, "steps": []}
        batch = batches.setdefault(step["batch"], described)
        batch["steps"].append({name: value for name, value in step.items() if name not in ("batch", *OF_BATCH)})
        if len(batch["steps"]) > STEPS:
            del batch["steps"][STEPS // 2]
            batch["omitted"] += 1
        batches.move_to_end(step["batch"])
        while len(batches) > KEPT:
            batches.popitem(last=False)


def record_iterator_age(step: dict[str, Any]) -> None:
    """Record the age of the last record of a batch of a stream when Lambda sent it to the function.

    AWS: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#perf-metrics
    """
    if not (step["shard"] and step["request_id"]):
        return  # not of a stream, or not invoked
    _, _, _, region, account, _, name, *_ = step["function"].split(":")
    age, dimensions = round(step["last_age"] * 1000), {"FunctionName": name}
    with request_scope(account, region):
        record("AWS/Lambda", "IteratorAge", float(max(age, 0)), "Milliseconds", dimensions)


def show(request: control.Request) -> control.Response:
    limit = request.query.get("limit", [str(KEPT)])[0]
    if not limit.isdecimal():
        return control.answer(400, {"message": f"limit={limit} is not a number"})
    with _lock:
        batches = [batch for kept in _kept.values() for batch in list(kept.values())[-int(limit) :] if int(limit)]
        batches.sort(key=lambda batch: float(batch["steps"][-1]["at"]), reverse=True)
        return control.answer(200, {"batches": batches})


def add(request: control.Request) -> control.Response:
    for step in json.loads(request.body):
        keep(step)
        record_iterator_age(step)
    return control.answer(200, {})


def install() -> None:
    """Add the calls to the emulator."""
    control.CALLS["GET", CALL] = show
    control.CALLS["POST", CALL] = add
