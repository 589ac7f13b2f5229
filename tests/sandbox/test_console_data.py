"""The console's data: sums of metrics, the graph that is read once, the routes of an API, what a request may ask."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from sandbox.console import console, graph, metrics, routes
from sandbox.settings import Settings


def test_many_metrics_are_summed_by_one_request(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cloudwatch, space = boto3.client("cloudwatch", endpoint_url=emulator), f"space{uuid.uuid4().hex[:6]}"
    monkeypatch.setattr(metrics, "client", lambda service: cloudwatch)
    for name, value in (("Hits", 2), ("Hits", 3), ("Misses", 1)):
        datum = {"MetricName": name, "Value": value, "Dimensions": [{"Name": "Api", "Value": "a"}]}
        cloudwatch.put_metric_data(Namespace=space, MetricData=[datum])

    listed = metrics.listed(space)
    unused = metrics.Metric(space, "Hits", (("Api", "b"),))

    assert {each.name for each in listed} == {"Hits", "Misses"}
    sums = metrics.sums([*listed, unused], timedelta(hours=1))
    assert {(each.name, number) for each, number in sums.items()} == {("Hits", 5), ("Misses", 1), ("Hits", 0)}
    assert metrics.sums([], timedelta(hours=1)) == {}


def test_the_graph_is_read_again_only_after_a_change_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    version, reads = ["1"], []
    function = graph.Node("shop.Buy", "shop", "function", "buy", "shop-local-buy")
    topic = graph.Node("shop.Sold", "shop", "topic", "Sold", "arn:aws:sns:us-east-1:0:sold")

    def nodes(stage: str) -> list[graph.Node]:
        reads.append(stage)
        return [function, topic]

    monkeypatch.setattr(graph, "_version", lambda: frozenset(version))
    monkeypatch.setattr(graph, "_nodes", nodes)
    monkeypatch.setattr(graph, "_READERS", [lambda _: [graph.Edge(function.id, topic.id, "sends")]])
    monkeypatch.setattr(graph, "_calls", lambda _: {function: len(reads)})

    for _ in range(2):
        found = graph.graph("local")
    assert reads == ["local"]
    assert [(node["name"], node["calls"]) for node in found["nodes"]] == [("buy", 1), ("Sold", None)]
    assert found["edges"] == [{"source": "shop.Buy", "target": "shop.Sold", "how": "sends"}]

    version.append("2")
    graph.graph("local")
    assert reads == ["local", "local"]


def test_the_routes_of_an_api_tell_who_may_call_them(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    paths = {
        "/sales": {
            "parameters": [],
            "get": {"summary": "List sales.", "security": []},
            "post": {"summary": "Sell.", "security": [{"cognito": []}, {"iam": []}]},
        }
    }
    (tmp_path / "shop" / "openapi.json").write_text(json.dumps({"paths": paths}))
    apps = {"shop": {"api": "http://127.0.0.1:1/shop"}, "other": {"api": "x"}}

    found = routes.of("shop", apps, tmp_path)

    assert found
    assert found["address"] == "http://127.0.0.1:1/shop"
    assert [tuple(route.values()) for route in found["routes"]] == [
        ("GET", "/sales", "List sales.", "anyone"),
        ("POST", "/sales", "Sell.", "a user who is signed in or whoever signs with allowed AWS keys"),
    ]
    assert routes.of("other", apps, tmp_path) is None
    assert routes.of("../shop", apps, tmp_path) is None


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/logs.json?app=shop&since=yesterday", 400, "since=yesterday is not a time: give milliseconds since 1970"),
        ("/api.json?app=none", 404, "there is no app none with a contract"),
        ("/api.json", 404, "there is no app  with a contract"),
    ],
)
def test_what_the_console_cannot_answer_is_said_in_words(path: str, status: int, words: str) -> None:
    assert _get(path, Settings.from_environment()) == (status, {"message": words})


def test_a_new_account_has_no_payment_provider_and_no_payments(free_port: Callable[[], int]) -> None:
    settings = Settings.from_environment({"PAYMENTS_PORT": str(free_port())})

    assert _get("/payments.json", settings) == (200, [])
    assert _get("/states.json", settings) == (200, {})


def _get(path: str, settings: Settings) -> tuple[int, Any]:
    """Return the status and the body of an answer of a console without apps."""
    site: Any = console.site(settings, {}, {})

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://127.0.0.1") as client:
            return await client.get(path)

    answer = asyncio.run(get())
    return answer.status_code, answer.json()
