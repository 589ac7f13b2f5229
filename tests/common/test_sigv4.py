"""Signed requests, to a server on this machine that answers what it received."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.credentials import Credentials

from common import sigv4
from common.sigv4 import Api, RequestFailed, SignatureRefused, sign, verify


class Echo(BaseHTTPRequestHandler):
    """Answers method, body and headers as JSON; nothing to DELETE, and an error at /missing and /wrong."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        content = json.dumps({"method": self.command, "body": body, "headers": dict(self.headers)}).encode()
        content = b"" if self.command == "DELETE" else content
        self.send_response({"/missing": 404, "/wrong": 400}.get(self.path, 200))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Api(f"http://127.0.0.1:{server.server_port}/", "AKIA", "secret", "eu-west-1")
        server.shutdown()
        thread.join()


def test_a_request_is_signed_and_its_body_is_json(api: Api) -> None:
    answer = api.send("POST", "/things", {"name": "x"}, {"Idempotency-Key": "once"})

    assert (answer["method"], json.loads(answer["body"])) == ("POST", {"name": "x"})
    assert answer["headers"]["Idempotency-Key"] == "once"
    assert answer["headers"]["Content-Type"] == "application/json"
    assert "Credential=AKIA/" in answer["headers"]["Authorization"]
    assert "/eu-west-1/execute-api/aws4_request" in answer["headers"]["Authorization"]


def test_an_empty_response_is_none(api: Api) -> None:
    assert api.send("DELETE", "/things/1") is None


@pytest.mark.parametrize(("path", "status"), [("/wrong", 400), ("/missing", 404)])
def test_an_error_has_its_status_and_names_the_request(api: Api, path: str, status: int) -> None:
    with pytest.raises(RequestFailed, match=f"GET {path}: {status}") as failed:
        api.send("GET", path)

    assert failed.value.status == status


def test_the_signature_includes_the_body() -> None:
    key = Credentials("AKIA", "secret")

    one, other = (sign(key, "us-east-1", "POST", "https://api.test/", body=body) for body in (b"1", b"2"))

    assert one["Authorization"] != other["Authorization"]


KEY = Credentials("AKIA", "secret")
URL = "http://127.0.0.1:8000/posts/caf%C3%A9%20%2B?tag=a%20b&limit=2&tag=%7E"


def headers(**changed: str) -> dict[str, str]:
    """Return the headers of a signed request in lower case, as a server passes them on."""
    signed = sign(KEY, "eu-west-1", "PUT", URL, {"Host": "127.0.0.1:8000", "Content-Type": "text/plain"}, b"body")
    return {name.lower(): value for name, value in signed.items()} | {
        name.replace("_", "-"): value for name, value in changed.items()
    }


def refused(method: str = "PUT", url: str = URL, sent: dict[str, str] | None = None, body: bytes = b"body") -> str:
    try:
        verify(KEY, method, url, headers() if sent is None else sent, body)
    except SignatureRefused as refusal:
        return refusal.kind
    return ""


def test_what_is_signed_is_verified() -> None:
    assert refused() == ""


def test_every_part_of_a_request_is_signed() -> None:
    signed = headers()

    assert refused(method="POST") == "InvalidSignature"
    assert refused(url=URL.replace("posts", "photos")) == "InvalidSignature"
    assert refused(url=URL + "&x=1") == "InvalidSignature"
    assert refused(sent=headers(content_type="application/json")) == "InvalidSignature"
    assert refused(sent=headers(host="evil.example")) == "InvalidSignature"
    assert refused(body=b"another") == "InvalidSignature"
    assert refused(sent=headers(authorization=signed["authorization"].replace("host;", ""))) == "InvalidSignature"


def test_a_hash_of_the_body_must_be_true() -> None:
    for claimed in ("UNSIGNED-PAYLOAD", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"):
        signed = sign(
            KEY, "eu-west-1", "PUT", URL, {"Host": "127.0.0.1:8000", "X-Amz-Content-SHA256": claimed}, b"body"
        )

        assert refused(sent={name.lower(): value for name, value in signed.items()}) == "InvalidSignature"


@pytest.mark.parametrize(("minutes", "kind"), [(-6, "InvalidSignature"), (-4, ""), (4, ""), (6, "InvalidSignature")])
def test_a_signature_is_valid_for_five_minutes(monkeypatch: pytest.MonkeyPatch, minutes: int, kind: str) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(minutes=minutes)

    signed = headers()
    monkeypatch.setattr(sigv4, "datetime", Clock)

    assert refused(sent=signed) == kind


@pytest.mark.parametrize(
    ("authorization", "kind"),
    [
        (None, "MissingAuthenticationToken"),
        ("", "MissingAuthenticationToken"),
        ("Bearer x", "IncompleteSignature"),
        ("AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/s3/aws4_request", "IncompleteSignature"),
    ],
)
def test_what_is_not_signed_is_refused(authorization: str | None, kind: str) -> None:
    sent = headers() if authorization is None else headers(authorization=authorization)
    if authorization is None:
        del sent["authorization"]

    assert refused(sent=sent) == kind


def test_another_key_is_refused() -> None:
    for key in (None, Credentials("OTHER", "secret")):
        with pytest.raises(SignatureRefused) as found:
            verify(key, "PUT", URL, headers(), b"body")
        assert found.value.kind == "UnrecognizedClient"
