from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chalice.test import Client

ROOT = Path(__file__).parent.parent.parent
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/{}/stream/2030-01-01T00:00:00.000"
# The app reads its settings while it is imported.
os.environ |= {
    "STAGE": "unit",
    "TABLE": "blog-app-unit-posts",
    "POSTS_STREAM_ARN": STREAM.format("posts"),
    "SUBSCRIBERS_TABLE": "blog-app-unit-subscribers",
    "SUBSCRIBERS_STREAM_ARN": STREAM.format("subscribers"),
    "PHOTOS_BUCKET": "blog-app-unit-photos",
    "SITE_BUCKET": "blog-app-unit-site",
    "SITE_URL": "https://blog.example",
    "SENDER": "hello@blog.example",
    "CONFIGURATION_SET": "blog-app-unit",
    "MAIL_EVENTS_TOPIC": "arn:aws:sns:us-east-1:000000000000:mail-events",
    "MAILING_REGION": "us-east-1",
}

from plain_renderer import PlainRenderer  # noqa: E402
from post_memory import MemoryPosts  # noqa: E402

import app  # noqa: E402
from chalicelib import wiring  # noqa: E402
from chalicelib.posts import Posts  # noqa: E402


@pytest.fixture
def post_store() -> MemoryPosts:
    return MemoryPosts()


@pytest.fixture
def client(post_store: MemoryPosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(wiring, "posts", lambda: Posts(post_store, PlainRenderer()))
    with Client(app.app, stage_name="unit", project_dir=str(ROOT / "blog-app")) as client:
        yield client
