"""The console's data: apps, mails, payments, log lines, traces and cache counts, read through public APIs."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError, URLError

from botocore.exceptions import ClientError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from localaws import control_client
from sandbox import function_logs
from sandbox.console import event_sources, failures, graph, metrics, pages, routes, systems, traces, updates
from sandbox.console.data import routes as data
from sandbox.page_headers import PageHeaders
from sandbox.payments.client import Payments
from sandbox.settings import ROOT, Settings

LINES = 800
"""How many log lines an answer has, the newest."""

_CACHES = (
    ("API Gateway stage cache", "AWS/ApiGateway", "CacheHitCount", "CacheMissCount"),
    ("DAX item cache", "AWS/DAX", "ItemCacheHits", "ItemCacheMisses"),
    ("DAX query cache", "AWS/DAX", "QueryCacheHits", "QueryCacheMisses"),
    ("CloudFront", "AWS/CloudFront", "CacheHits", "CacheMisses"),
)


def site(settings: Settings, apps: dict[str, Any], problems: Mapping[str, str]) -> Starlette:
    """Return the console of the deployed *apps*. *problems* has those whose last change could not be deployed."""
    payments = Payments(settings.url("payments"))
    return Starlette(
        routes=[
            _json("/apps.json", lambda _: systems.cards(apps, problems, ROOT)),
            _json("/states.json", lambda _: systems.states(settings.stage, apps)),
            Route("/api.json", _api(apps)),
            _json("/mails.json", lambda _: mails(settings.aws.endpoint)),
            _json("/payments.json", lambda _: _charges(payments)),
            Route("/payments/{payment_intent}/refund", _refund(payments), methods=["POST"]),
            Route("/logs.json", _logs(settings.stage)),
            _json("/caches.json", lambda _: caches()),
            _json("/graph.json", lambda _: graph.graph(settings.stage)),
            _json("/event_sources.json", lambda _: event_sources.site_data(settings.aws.endpoint)),
            *failures.routes(settings.aws.endpoint),
            *data.routes(settings.stage, settings.aws.endpoint),
            Route("/invocations/{function}/{request}/trace", _trace),
            _json("/traces.json", lambda request: traces.newest(request.query_params)),
            *updates.routes(settings.stage, apps),
            _json("/traces/{trace_id}.json", lambda request: traces.waterfall(request.path_params["trace_id"])),
            *pages.routes(),
        ],
        middleware=[Middleware(PageHeaders)],
    )


def _json(path: str, read: Callable[[Request], Any]) -> Route:
    # A plain function: Starlette runs it in a thread, where boto3 may block.
    def endpoint(request: Request) -> Response:
        return JSONResponse(read(request))

    return Route(path, endpoint)


def _api(apps: dict[str, Any]) -> Callable[[Request], Response]:
    def api(request: Request) -> Response:
        app = request.query_params.get("app", "")
        found = routes.of(app, apps, ROOT)
        return JSONResponse(
            found if found else {"message": f"there is no app {app} with a contract"}, 200 if found else 404
        )

    return api


def _charges(payments: Payments) -> list[dict[str, Any]]:
    """Return the charges, newest first, each with the ``trace`` of its checkout or an empty text.

    A new account has no provider, and no charges.
    """
    try:
        traces = payments.traces()
    except URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return []
        raise
    return [charge | {"trace": traces.get(charge["payment_intent"], "")} for charge in payments.charges()]


def _trace(request: Request) -> Response:
    """Lead to the trace of an invocation, which its log names."""
    try:
        trace = function_logs.trace_of(request.path_params["function"], request.path_params["request"])
    except ClientError:  # the function or its log is gone
        trace = ""
    return RedirectResponse(f"/traces.html#trace={trace or 'unknown'}", 303)


def _refund(payments: Payments) -> Callable[[Request], Response]:
    def refund(request: Request) -> Response:
        try:
            payments.refund(request.path_params["payment_intent"])
        except HTTPError as error:
            return Response(error.read(), error.code, media_type="application/json")
        return Response(status_code=204)

    return refund


def _logs(stage: str) -> Callable[[Request], Response]:
    def logs(request: Request) -> Response:
        app, since = request.query_params.get("app", ""), request.query_params.get("since", "0")
        if not since.isdecimal():
            return JSONResponse({"message": f"since={since} is not a time: give milliseconds since 1970"}, 400)
        lines = function_logs.recent(app, stage, int(since))[-LINES:]
        return JSONResponse(
            [dataclasses.asdict(line) | {"function": _short(line.function, f"{app}-{stage}")} for line in lines]
        )

    return logs


def _short(function: str, stack: str) -> str:
    """Return a function's name without that of its stack, and without what CloudFormation adds."""
    return re.sub(r"-[0-9A-Z]{12,13}$", "", function.removeprefix(stack).lstrip("-"))


def mails(endpoint: str) -> list[dict[str, Any]]:
    """Return every mail sent, newest first, in the emulator's form, each with its ``Trace`` or an empty text."""
    answer = json.loads(control_client.call(f"{endpoint}/_ministack/ses/messages"))
    by_account: dict[str, list[dict[str, Any]]] = answer["messages"]
    traces = json.loads(control_client.call(f"{endpoint}/_localaws/ses/traces"))["traces"]
    mails = [mail | {"Trace": traces.get(mail["MessageId"], "")} for kept in by_account.values() for mail in kept]
    return sorted(mails, key=lambda mail: float(mail["Timestamp"]), reverse=True)


def caches() -> list[dict[str, Any]]:
    """Return CloudWatch's counts of hits and misses of each cache that was used, of the last day."""
    known = {metric for space in {space for _, space, _, _ in _CACHES} for metric in metrics.listed(space)}
    rows = [
        (title, metrics.Metric(space, hits, dimensions), metrics.Metric(space, misses, dimensions))
        for title, space, hits, misses in _CACHES
        for dimensions in sorted({each.dimensions for each in known if each.name in (hits, misses)})
    ]
    sums = metrics.sums([metric for _, *pair in rows for metric in pair], timedelta(days=1))
    return [
        {
            "cache": title,
            "name": " ".join(value for _, value in hits.dimensions),
            "hits": sums[hits],
            "misses": sums[misses],
        }
        for title, hits, misses in rows
    ]
