"""The graph of the services matches the deployed stacks and their templates."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

SAID = [
    # by a mapping, a subscription, an integration, a distribution, a rule and a bucket
    ("video-app.Payments", "video-app.PublishPurchases", "event source"),
    ("video-app.PublishPurchases", "video-app.Failed", "on failure"),
    ("video-app.Purchases", "receipts-app.Purchases", "subscription"),
    ("receipts-app.Purchases", "receipts-app.SendReceipts", "event source"),
    ("video-app.RestAPI", "video-app.GenerateLinks", "integration"),
    ("blog-app.Distribution", "blog-app.Photos", "origin"),
    ("blog-app.Photos", "blog-app.MakeThumbnailsUploads", "object created"),
    ("blog-app.PublishRegularlyPublishRegularlyEvent", "blog-app.PublishRegularly", "rate(15 minutes)"),
    # by the functions' policies
    ("video-app.APIHandler", "receipts-app.RestAPI", "calls"),
    ("video-app.PublishPurchases", "video-app.Purchases", "sends"),
    ("receipts-app.SendReceipts", "receipts-app.Sender", "sends"),
    ("receipts-app.SendReceipts", "receipts-app.Receipts", "writes"),
    ("video-app.APIHandler", "video-app.PaymentsSecret", "reads"),
]
UNSAID = [
    ("receipts-app.APIHandler", "video-app.RestAPI", "calls"),
    ("video-app.APIHandler", "blog-app.RestAPI", "calls"),
    ("receipts-app.APIHandler", "receipts-app.Receipts", "writes"),
    ("receipts-app.SendReceipts", "blog-app.MailIdentity", "sends"),
]


@pytest.fixture(scope="module")
def graph(sandbox: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{sandbox['console']}/graph.json").json()
    return answer


def test_the_graph_has_the_edges_of_the_templates_and_no_others(graph: dict[str, Any]) -> None:
    edges = {(edge["source"], edge["target"], edge["how"]) for edge in graph["edges"]}

    assert set(SAID) - edges == set()
    assert set(UNSAID) & edges == set()
    assert {end for edge in edges for end in edge[:2]} <= {node["id"] for node in graph["nodes"]}


def test_a_call_is_counted_at_its_function(sandbox: dict[str, Any], graph: dict[str, Any]) -> None:
    def calls(found: dict[str, Any]) -> int:
        return next(int(node["calls"]) for node in found["nodes"] if node["id"] == "receipts-app.APIHandler")

    httpx.get(f"{sandbox['receipts-app']['api']}/health")

    assert calls(httpx.get(f"{sandbox['console']}/graph.json").json()) > calls(graph)
