"""The console's data: apps, mails, payments, log lines, traces and cache counts, read through public APIs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import boto3
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from localaws import control_client
from sandbox import function_logs
from sandbox.apps import ADDRESSES
from sandbox.console import event_sources, failures, graph, traces
from sandbox.demo.users import PASSWORD, USERS
from sandbox.page_headers import PageHeaders
from sandbox.payments.client import Payments
from sandbox.settings import Settings

_CACHES = (
    ("API Gateway stage cache", "AWS/ApiGateway", "CacheHitCount", "CacheMissCount"),
    ("DAX item cache", "AWS/DAX", "ItemCacheHits", "ItemCacheMisses"),
    ("DAX query cache", "AWS/DAX", "QueryCacheHits", "QueryCacheMisses"),
    ("CloudFront", "AWS/CloudFront", "CacheHits", "CacheMisses"),
)


def site(settings: Settings, apps: dict[str, Any]) -> Starlette:
    """Return the console of the deployed *apps*."""
    payments = Payments(settings.url("payments"))
    return Starlette(
        routes=[
            _json("/apps.json", lambda _: _cards(apps)),
            _json("/mails.json", lambda _: mails(settings.aws.endpoint)),
            _json("/payments.json", lambda _: payments.charges()),
            Route("/payments/{payment_intent}/refund", _refund(payments), methods=["POST"]),
            _json("/logs.json", lambda request: _lines(request.query_params["app"], settings.stage)),
            _json("/caches.json", lambda _: caches()),
            _json("/graph.json", lambda _: graph.graph(settings.stage)),
            _json("/event_sources.json", lambda _: event_sources.site_data(settings.aws.endpoint)),
            *failures.routes(settings.aws.endpoint),
            _json("/traces.json", lambda request: traces.newest(request.query_params)),
            _json("/traces/{trace_id}.json", lambda request: traces.waterfall(request.path_params["trace_id"])),
            Mount("/", StaticFiles(directory=Path(__file__).parent / "web", html=True, follow_symlink=True)),
        ],
        middleware=[Middleware(PageHeaders)],
    )


def _json(path: str, read: Callable[[Request], Any]) -> Route:
    # A plain function: Starlette runs it in a thread, where boto3 may block.
    def endpoint(request: Request) -> Response:
        return JSONResponse(read(request))

    return Route(path, endpoint)


def _cards(apps: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": app,
            "addresses": {name: outputs[name] for name in ADDRESSES if name in outputs},
            "sign_ins": list(USERS) if "user_pool_id" in outputs else [],
            "password": PASSWORD,
        }
        for app, outputs in apps.items()
    ]


def _refund(payments: Payments) -> Callable[[Request], Response]:
    def refund(request: Request) -> Response:
        try:
            payments.refund(request.path_params["payment_intent"])
        except HTTPError as error:
            return Response(error.read(), error.code, media_type="application/json")
        return Response(status_code=204)

    return refund


def _lines(app: str, stage: str) -> list[dict[str, Any]]:
    return [dataclasses.asdict(line) for line in function_logs.recent(app, stage)[-800:]]


def mails(endpoint: str) -> list[dict[str, Any]]:
    """Return every mail sent, newest first, in the emulator's form."""
    answer = json.loads(control_client.call(f"{endpoint}/_ministack/ses/messages"))
    by_account: dict[str, list[dict[str, Any]]] = answer["messages"]
    mails = [mail for kept in by_account.values() for mail in kept]
    return sorted(mails, key=lambda mail: float(mail["Timestamp"]), reverse=True)


def caches() -> list[dict[str, Any]]:
    """Return CloudWatch's counts of hits and misses of each cache that was used."""
    return [
        {
            "cache": title,
            "name": " ".join(value for _, value in dimensions),
            "hits": _sum(space, hits, dimensions),
            "misses": _sum(space, misses, dimensions),
        }
        for title, space, hits, misses in _CACHES
        for dimensions in sorted(_dimensions(space, hits) | _dimensions(space, misses))
    ]


def _dimensions(namespace: str, metric: str) -> set[tuple[tuple[str, str], ...]]:
    """Return the dimensions of *metric*, as (name, value) pairs."""
    found = boto3.client("cloudwatch").list_metrics(Namespace=namespace, MetricName=metric)["Metrics"]
    return {tuple((d["Name"], d["Value"]) for d in metric["Dimensions"]) for metric in found}


def _sum(namespace: str, metric: str, dimensions: tuple[tuple[str, str], ...]) -> int:
    now = datetime.now(UTC)
    points = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions],
        StartTime=now - timedelta(days=1),
        EndTime=now + timedelta(minutes=1),
        Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    return int(sum(point["Sum"] for point in points))
