"""The signature in the time of `GET /videos/{id}/link`, beside the whole: reads of the entitlement and the video."""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
import yaml

from bench.emulator import emulator
from bench.row import Row
from common.cloudfront import UrlSigner
from deploy.signing_keys import Algorithm, key_pair
from sandbox.settings import ROOT

_ROUNDS, _RUNS = 5, 40
_USER, _VIDEO = "user", "018f0000-0000-7000-8000-000000000000"


def rows() -> Iterator[Row]:
    """Yield a row for each algorithm."""
    sys.path.insert(0, str(ROOT / "video-app"))
    yield from _measured()


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


def _measured() -> Iterator[Row]:
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
            yield _row(algorithm, Catalogue(videos), Entitlements(store))


def _row(algorithm: Algorithm, catalogue: Any, entitlements: Any) -> Row:
    from chalicelib.links import LinkQuery, Links

    signer = _TimedSigner(UrlSigner("KEXAMPLE", key_pair(algorithm)[0]))
    links = Links(catalogue, entitlements, lambda: signer, "https://d111111abcdef8.cloudfront.net", 300)
    times = []
    for _ in range(_ROUNDS * _RUNS):
        started = time.perf_counter()
        links.link(_USER, _VIDEO, LinkQuery(), "127.0.0.1")
        times.append((signer.spent * 1000, (time.perf_counter() - started) * 1000))
    rounds = [zip(*some, strict=True) for some in itertools.batched(times, _RUNS)]
    signatures, whole = zip(*(map(statistics.median, columns) for columns in rounds), strict=True)
    what, peer = f"the {algorithm.upper()} signature of a link", "the whole link, with its reads from the emulator"
    return Row(what, [*signatures], peer, [*whole], "ms")


def _tables() -> dict[str, Any]:
    yaml.SafeLoader.add_multi_constructor("!", lambda loader, suffix, node: None)
    resources = yaml.safe_load((ROOT / "video-app/resources.yaml").read_text())["Resources"]
    wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {
        name: {key: value for key, value in resources[name]["Properties"].items() if key in wanted}
        for name in ("Videos", "Entitlements")
    }
