"""The time of `GET /videos/{id}/link`: the part of the entitlement check, and the part of the signature."""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import boto3
import yaml

from bench.emulator import emulator
from common.cloudfront import UrlSigner
from deploy.signing_keys import Algorithm, key_pair
from sandbox.settings import ROOT

_RUNS = 200
_USER, _VIDEO = "user", "018f0000-0000-7000-8000-000000000000"


def run() -> None:
    """Print the median of both parts."""
    sys.path.insert(0, str(ROOT / "video-app"))
    _measure()


class _TimedSigner:
    """A signer that measures its own time, in seconds."""

    def __init__(self, signer: UrlSigner) -> None:
        self._signer = signer
        self.spent = 0.0

    def url(self, url: str, expires: int, *, source: str | None = None) -> str:
        started = time.perf_counter()
        signed = self._signer.url(url, expires, source=source)
        self.spent = time.perf_counter() - started
        return signed

    def cookies(self, resource: str, expires: int) -> dict[str, str]:
        return self._signer.cookies(resource, expires)


def _measure() -> None:
    from chalicelib.entitlement_table import EntitlementTable
    from chalicelib.entitlements import Entitlements
    from chalicelib.payments import Payment
    from chalicelib.video_table import VideoTable
    from chalicelib.videos import Catalogue, StoredVideo

    with emulator():
        dynamodb = boto3.client("dynamodb")
        for name, properties in _tables().items():
            dynamodb.create_table(TableName=name, **properties)
        store, videos = EntitlementTable(dynamodb, "Entitlements"), VideoTable(dynamodb, "Videos")
        item = f"video:{_VIDEO}"
        store.put(_USER, item, Payment(id="pi_1", version=1, user=_USER, item=item, paid_at=0))
        videos.add(
            StoredVideo(
                id=_VIDEO, title="A film", description="", duration=60, price=399, currency="usd", status="draft"
            )
        )
        videos.publish(_VIDEO, "2030-01-01T00:00:00.000Z")
        for algorithm in ("rsa", "ecdsa"):
            _report(algorithm, Catalogue(videos), Entitlements(store))


def _report(algorithm: Algorithm, catalogue: Any, entitlements: Any) -> None:
    from chalicelib.links import LinkQuery, Links

    signer = _TimedSigner(UrlSigner("KEXAMPLE", key_pair(algorithm)[0]))
    links = Links(catalogue, entitlements, lambda: signer, "https://d111111abcdef8.cloudfront.net", 300)
    times = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        links.link(_USER, _VIDEO, LinkQuery(), "127.0.0.1")
        times.append((time.perf_counter() - started, signer.spent))
    whole, signature = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
    print(
        f"link     {algorithm:5} {whole:6.2f} ms: reads {whole - signature:6.2f} ms, signature {signature:6.3f} ms, "
        f"{signature / whole:4.0%} of it"
    )


def _tables() -> dict[str, Any]:
    yaml.SafeLoader.add_multi_constructor("!", lambda loader, suffix, node: None)
    resources = yaml.safe_load((ROOT / "video-app/resources.yaml").read_text())["Resources"]
    wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {
        name: {key: value for key, value in resources[name]["Properties"].items() if key in wanted}
        for name in ("Videos", "Entitlements")
    }
