"""Forms by which a client uploads one object to S3."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import boto3
import pytest

from common import uploads


def test_a_form_is_valid_for_five_minutes_and_for_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime(2030, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(uploads, "datetime", Clock)

    signed = uploads.presigned_post(boto3.client("s3"), "files", "a/b.txt", "text/plain", 5)

    policy = json.loads(base64.b64decode(signed.fields["policy"]))
    assert signed.expires_at == "2030-01-01T00:05:00Z"
    assert ["content-length-range", 1, 5] in policy["conditions"]
    assert {"Content-Type": "text/plain"} in policy["conditions"]
    assert {"key": "a/b.txt"} in policy["conditions"]
