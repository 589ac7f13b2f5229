"""The console's data: apps, mails, payments, log lines and cache counts, each read from the sandbox by public APIs."""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import boto3
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox import function_logs, place, seed
from sandbox.console import graph
from sandbox.payments import client as payments

_CACHES = (
    ("API Gateway stage cache", "AWS/ApiGateway", "CacheHitCount", "CacheMissCount"),
    ("DAX item cache", "AWS/DAX", "ItemCacheHits", "ItemCacheMisses"),
    ("DAX query cache", "AWS/DAX", "QueryCacheHits", "QueryCacheMisses"),
    ("CloudFront", "AWS/CloudFront", "CacheHits", "CacheMisses"),
)


def site(apps: dict[str, Any]) -> Starlette:
    """Return the console of the deployed *apps*."""

    # Plain functions: Starlette runs them in threads, where boto3 may block.
    def apps_json(request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "name": name,
                    "addresses": {k: v for k, v in outputs.items() if str(v).startswith("http")},
                    "sign_ins": list(seed.USERS) if "user_pool_id" in outputs else [],
                    "password": seed.PASSWORD,
                }
                for name, outputs in apps.items()
            ]
        )

    def mails_json(request: Request) -> Response:
        return JSONResponse(mails())

    def payments_json(request: Request) -> Response:
        return JSONResponse(payments.charges())

    def refund(request: Request) -> Response:
        try:
            payments.refund(request.path_params["payment_intent"])
        except HTTPError as refused:
            return Response(refused.read(), refused.code, media_type="application/json")
        return Response(status_code=204)

    def logs_json(request: Request) -> Response:
        lines = function_logs.recent(request.query_params["app"])[-800:]
        return JSONResponse([dataclasses.asdict(line) for line in lines])

    def caches_json(request: Request) -> Response:
        return JSONResponse(caches())

    def graph_json(request: Request) -> Response:
        return JSONResponse(graph.graph())

    return Starlette(
        routes=[
            Route("/apps.json", apps_json),
            Route("/mails.json", mails_json),
            Route("/payments.json", payments_json),
            Route("/payments/{payment_intent}/refund", refund, methods=["POST"]),
            Route("/logs.json", logs_json),
            Route("/caches.json", caches_json),
            Route("/graph.json", graph_json),
            Mount("/", StaticFiles(directory=Path(__file__).parent / "web", html=True)),
        ]
    )


def mails() -> list[dict[str, Any]]:
    """Return every mail sent, newest first, as the emulator keeps it."""
    with urllib.request.urlopen(f"{place.url('emulator')}/_ministack/ses/messages", timeout=5) as answer:
        by_account: dict[str, list[dict[str, Any]]] = json.load(answer)["messages"]
    mails = [mail for kept in by_account.values() for mail in kept]
    return sorted(mails, key=lambda mail: float(mail["Timestamp"]), reverse=True)


def caches() -> list[dict[str, Any]]:
    """Return the hits and misses of each cache that was used, as CloudWatch counts them."""
    return [
        {
            "cache": title,
            "name": " ".join(value for _, value in of),
            "hits": _sum(space, hits, of),
            "misses": _sum(space, misses, of),
        }
        for title, space, hits, misses in _CACHES
        for of in sorted(_dimensions(space, hits) | _dimensions(space, misses))
    ]


def _dimensions(namespace: str, metric: str) -> set[tuple[tuple[str, str], ...]]:
    """Return the dimensions, as (name, value) pairs, under which *metric* is counted."""
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
