"""Signed requests, to a server on this machine that answers what it received."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.credentials import Credentials

from common.sigv4 import Api, RequestFailed, sign


class Echo(BaseHTTPRequestHandler):
    """Answers method, body and headers as JSON; nothing to DELETE, and an error below /missing."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        content = json.dumps({"method": self.command, "body": body, "headers": dict(self.headers)}).encode()
        content = b"" if self.command == "DELETE" else content
        self.send_response(404 if self.path.startswith("/missing") else 200)
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


def test_an_error_has_its_status_and_names_the_request(api: Api) -> None:
    with pytest.raises(RequestFailed, match="GET /missing: 404") as failed:
        api.send("GET", "/missing")

    assert failed.value.status == 404


def test_the_signature_includes_the_body() -> None:
    key = Credentials("AKIA", "secret")

    one, other = (sign(key, "us-east-1", "POST", "https://api.test/", body=body) for body in (b"1", b"2"))

    assert one["Authorization"] != other["Authorization"]
