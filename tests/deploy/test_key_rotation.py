"""A rotation of the signing keys, as viewers at the edge see it."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from common.cloudfront import UrlSigner, signer
from common.secrets import Secret
from deploy.signing_keys import SigningKeys
from localaws.cloudfront.__main__ import server
from localaws.cloudfront.edge import edge

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
FILM = "/rotated.mp4"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[int]:
    """The port of an HTTP server with a film."""
    (tmp_path / FILM[1:]).write_bytes(b"film")

    def handler(*arguments: Any) -> QuietHandler:
        return QuietHandler(*arguments, directory=str(tmp_path))

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
    thread.start()
    yield serving.server_port
    serving.shutdown()
    serving.server_close()
    thread.join()


@pytest.fixture
def bring_up(emulator: str, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> Iterator[Any]:
    """A function that deploys a distribution for an origin and a key group; it returns address and id."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    stops = []

    def bring(origin: int, key_group: str) -> tuple[str, str]:
        config = distribution_config(origin, key_group)
        identifier = boto3.client("cloudfront").create_distribution(DistributionConfig=config)["Distribution"]["Id"]
        port = free_port()
        serving = server(edge(identifier), port)
        thread = threading.Thread(target=serving.run)
        thread.start()
        stops.append((serving, thread))
        while not serving.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{port}", identifier

    yield bring
    for serving, thread in stops:
        serving.should_exit = True
        thread.join()


def listed(items: list[Any]) -> dict[str, Any]:
    return {"Quantity": len(items), "Items": items}


def distribution_config(origin: int, key_group: str) -> dict[str, Any]:
    custom = {"HTTPPort": origin, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
    return {
        "CallerReference": str(time.time()),
        "Comment": "",
        "Enabled": True,
        "Origins": listed([{"Id": "web", "DomainName": "127.0.0.1", "CustomOriginConfig": custom}]),
        "DefaultCacheBehavior": {
            "TargetOriginId": "web",
            "ViewerProtocolPolicy": "redirect-to-https",
            "CachePolicyId": CACHING_OPTIMIZED,
            "TrustedKeyGroups": listed([key_group]) | {"Enabled": True},
        },
    }


def test_a_rotation_breaks_no_valid_link_and_ends_the_old_key(
    origin: int, bring_up: Callable[[int, str], tuple[str, str]]
) -> None:
    life, max_age, requests = 4, 0.5, 2_000
    distributions, secrets = boto3.client("cloudfront"), boto3.client("secretsmanager")
    keys = SigningKeys(distributions, secrets, "films", "test")
    address, identifier = bring_up(origin, keys.ensure("rsa"))
    client, url = httpx.Client(), address + FILM
    function = Secret(secrets, "films-test-signing-key", signer, max_age)
    old_key = function.value()
    rotated = threading.Event()

    def opened(link: str) -> bool:
        return client.get(link).status_code == 200

    def wait(seconds: float) -> None:
        if seconds:
            time.sleep(seconds)
            return
        pending = secrets.get_secret_value(SecretId="films-test-signing-key", VersionStage="AWSPENDING")
        key = json.loads(pending["SecretString"])
        link = UrlSigner(key["key_id"], key["private_key"]).url(url, int(time.time()) + 60)
        while not opened(link):
            time.sleep(0.05)

    def watch(number: int) -> Counter[bool]:
        """Open new links and older links that are still valid, as viewers do."""
        seen: Counter[bool] = Counter()
        links: deque[tuple[float, str]] = deque()
        while not rotated.is_set() or seen.total() < requests // 4:
            expires = int(time.time()) + life
            links.append((expires, function.value().url(f"{url}?{number}", expires)))
            while links[0][0] < time.time() + 1.5:
                links.popleft()
            seen.update(opened(link) for _, link in (links[0], links[-1]))
        return seen

    with ThreadPoolExecutor(4) as viewers:
        watching = [viewers.submit(watch, number) for number in range(4)]
        new = keys.rotate("ecdsa", propagation=0, retirement=life + max_age + 1, sleep=wait, on_step=lambda line: None)
        rotated.set()
        seen = sum((each.result() for each in watching), Counter[bool]())

    assert seen[True] >= requests
    assert seen[False] == 0
    assert repr(function.value()) == f"UrlSigner({new!r})"
    paths = {"Paths": listed(["/none"]), "CallerReference": "end"}  # the edge reads its configuration again
    distributions.create_invalidation(DistributionId=identifier, InvalidationBatch=paths)
    refused = client.get(old_key.url(url, int(time.time()) + 60))
    assert b"<Code>InvalidKey</Code>" in refused.content
    client.close()
