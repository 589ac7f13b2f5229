"""Builds each object once in a process, on first use; modules that only some functions need are imported there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.content_bucket import ContentBucket
from chalicelib.entitlement_table import EntitlementTable
from chalicelib.entitlements import Entitlements
from chalicelib.library import Library
from chalicelib.video_table import VideoTable
from chalicelib.videos import Catalogue, Publishing
from common import aws
from common import settings as stage_settings
from common.secrets import Secret

if TYPE_CHECKING:
    from chalicelib.checkout import Checkouts
    from chalicelib.entitlements import Plan
    from chalicelib.links import Links
    from chalicelib.payment_stream import PaymentStream
    from chalicelib.payments import Payments
    from chalicelib.purchases import Receipts
    from chalicelib.stripe import Stripe


@dataclass(frozen=True)
class Settings:
    """The outputs of the stage's stacks. Prices are in the smallest unit of the currency, ``link_life`` in seconds."""

    stage: str
    table: str
    payments_table: str
    videos_table: str
    origin_bucket: str
    user_pool_arn: str
    user_pool_client_id: str
    site_url: str
    signing_key_secret: str
    payments_secret: str
    payments_api: str
    currency: str
    month_price: int
    year_price: int
    link_life: int
    payments_stream_arn: str
    purchases_topic: str
    breakers_table: str


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, Path(__file__).parent / "stages")


@cache
def catalogue() -> Catalogue:
    return Catalogue(_video_table())


@cache
def publishing() -> Publishing:
    return Publishing(_video_table(), ContentBucket(aws.s3(), settings().origin_bucket))


@cache
def entitlements() -> Entitlements:
    return Entitlements(_entitlement_table())


@cache
def library() -> Library:
    return Library(entitlements(), _entitlement_table(), _video_table())


@cache
def _video_table() -> VideoTable:
    return VideoTable(aws.client("dynamodb"), settings().videos_table)


@cache
def _entitlement_table() -> EntitlementTable:
    return EntitlementTable(aws.client("dynamodb"), settings().table)


@cache
def checkouts() -> Checkouts:
    from chalicelib.checkout import Checkouts

    prices: dict[Plan, int] = {"month": settings().month_price, "year": settings().year_price}
    return Checkouts(stripe(), catalogue(), entitlements(), prices, settings().currency, settings().site_url)


@cache
def stripe() -> Stripe:
    import urllib3

    from chalicelib.stripe import Stripe, keys

    secret = Secret(aws.client("secretsmanager"), settings().payments_secret, keys)
    return Stripe(urllib3.PoolManager(), settings().payments_api, secret, settings().stage)


@cache
def payments() -> Payments:
    from chalicelib.payment_table import PaymentTable
    from chalicelib.payments import Payments

    ledger = PaymentTable(aws.client("dynamodb"), settings().payments_table)
    return Payments(ledger, _entitlement_table(), stripe())


@cache
def payment_stream() -> PaymentStream:
    from chalicelib.payment_stream import PaymentStream
    from chalicelib.purchases_topic import PurchasesTopic

    return PaymentStream(PurchasesTopic(aws.client("sns"), settings().purchases_topic))


@cache
def receipts() -> Receipts:
    from chalicelib.purchases import Receipts
    from common.breakers import BreakerItem
    from common.services import Service

    breaker = BreakerItem(aws.client("dynamodb"), settings().breakers_table, {"name": "receipts-app"})
    service = Service("receipts-app", f"/{settings().stage}/receipts-app/api", aws.client("ssm"), breaker)
    return Receipts(entitlements(), service)


@cache
def links() -> Links:
    from chalicelib.links import Links
    from common import cloudfront

    key = Secret(aws.client("secretsmanager"), settings().signing_key_secret, cloudfront.signer)
    return Links(catalogue(), entitlements(), key.value, settings().site_url, settings().link_life)
