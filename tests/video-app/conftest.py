from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from chalice.test import Client

ROOT = Path(__file__).parent.parent.parent
# The app reads its settings while it is imported.
os.environ |= {
    "STAGE": "unit",
    "TABLE": "video-app-unit-entitlements",
    "PAYMENTS_TABLE": "video-app-unit-payments",
    "VIDEOS_TABLE": "video-app-unit-videos",
    "ORIGIN_BUCKET": "video-app-unit-content",
    "USER_POOL_ARN": "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_unit",
    "USER_POOL_CLIENT_ID": "unit-client",
    "SITE_URL": "https://videos.example",
    "SIGNING_KEY_SECRET": "video-app-unit-signing-key",
    "PAYMENTS_SECRET": "video-app-unit-payments",
    "PAYMENTS_API": "https://payments.example",
    "CURRENCY": "eur",
    "MONTH_PRICE": "990",
    "YEAR_PRICE": "9900",
    "LINK_LIFE": "300",
    "PAYMENTS_STREAM_ARN": "arn:aws:dynamodb:us-east-1:000000000000:table/x/stream/2030-01-01T00:00:00.000",
    "PURCHASES_TOPIC": "arn:aws:sns:us-east-1:000000000000:video-app-unit-purchases",
    "BREAKERS_TABLE": "video-app-unit-breakers",
}

from shop import Shop  # noqa: E402

import app  # noqa: E402
from chalicelib import wiring  # noqa: E402


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def client(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    for name in ("catalogue", "publishing", "payments", "entitlements", "library", "checkouts", "links"):
        monkeypatch.setattr(wiring, name, lambda name=name: getattr(shop, name))
    with Client(app.app, stage_name="unit", project_dir=str(ROOT / "video-app")) as client:
        yield client


@pytest.fixture(scope="session")
def dynamodb(emulator: str) -> Any:
    """A client of the emulator with the tables of resources.yaml."""
    yaml.SafeLoader.add_multi_constructor("!", lambda loader, suffix, node: None)
    resources = yaml.safe_load((ROOT / "video-app/resources.yaml").read_text())["Resources"]
    dynamodb = boto3.client("dynamodb", endpoint_url=emulator)
    wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    for resource, variable in {"Videos": "VIDEOS_TABLE", "Payments": "PAYMENTS_TABLE", "Entitlements": "TABLE"}.items():
        properties = resources[resource]["Properties"]
        settings = {key: properties[key] for key in wanted if key in properties}
        dynamodb.create_table(TableName=os.environ[variable], **settings)
    return dynamodb
