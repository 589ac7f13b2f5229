"""HTTP requests of a journey."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import urllib3
from botocore.credentials import Credentials, ReadOnlyCredentials

from common.sigv4 import sign

AWS_DOMAINS = (".amazonaws.com", ".cloudfront.net")
_SHOWN = 200
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Answer:
    """The answer to a request. As text it has neither the query, which may be a signature, nor what a success says."""

    request: str
    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes

    def __str__(self) -> str:
        shown = self.body[:_SHOWN].decode(errors="replace") if self.status >= 400 else f"{len(self.body)} bytes"
        return f"{self.status} for {self.request}: {shown}"

    @property
    def json(self) -> Any:
        """The decoded body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def is_hit(self) -> bool:
        """Return whether CloudFront answered from its cache."""
        return self.headers.get("X-Cache", "").startswith("Hit from cloudfront")


class Http:
    """A client that follows no redirect, repeats nothing, and has no cookies."""

    def __init__(self) -> None:
        # API Gateway answers within 29 seconds.
        self._pool = urllib3.PoolManager(maxsize=4, timeout=urllib3.Timeout(connect=10, read=40), retries=False)

    def send(
        self, method: str, url: str, body: bytes | str | None = None, headers: Mapping[str, str] = _NOTHING
    ) -> Answer:
        """Send a request. An answer that does not come has the status 0."""
        request = f"{method} {urlsplit(url)._replace(query='').geturl()}"
        address, host = reached(url)
        try:
            answer = self._pool.request(method, address, body=body, headers={**headers, **host})
        except urllib3.exceptions.HTTPError as error:
            return Answer(request, 0, urllib3.HTTPHeaderDict(), f"{type(error).__name__}: {error}".encode())
        return Answer(request, answer.status, answer.headers, answer.data)

    def get(self, url: str, **headers: str) -> Answer:
        """Send a GET. Underscores in the names of headers stand for hyphens."""
        return self.send("GET", url, headers=_named(headers))

    def post_form(self, url: str, fields: Mapping[str, str], content: bytes) -> Answer:
        """Upload a file as the form of a presigned POST. S3 ignores the fields after the file."""
        form: dict[str, Any] = {**fields, "file": ("file", content)}
        body, kind = urllib3.encode_multipart_formdata(form)
        return self.send("POST", url, body, {"Content-Type": kind})


@dataclass(frozen=True)
class Api:
    """The API at *url*, as a user sees it whose requests have *headers*, or are signed by the key *signer*."""

    http: Http
    url: str
    headers: Mapping[str, str] = _NOTHING
    signer: Credentials | ReadOnlyCredentials | None = None
    region: str = ""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send *body* as JSON. Underscores in the names of headers stand for hyphens."""
        sent = {**self.headers, **_named(headers)}
        content = b""
        if body is not None:
            sent["Content-Type"], content = "application/json", json.dumps(body).encode()
        if self.signer is not None:
            sent = sign(self.signer, self.region, method, self.url + path, sent, content)
        return self.http.send(method, self.url + path, content or None, sent)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)


def reached(url: str) -> tuple[str, dict[str, str]]:
    """Return where to send a request for *url*, and the Host to send.

    AWS_ENDPOINT_URL names the endpoint of all AWS services. It answers for the names that AWS gives to APIs and
    distributions too. https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    parts, endpoint = urlsplit(url), os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint or not str(parts.hostname).endswith(AWS_DOMAINS):
        return url, {}
    place = urlsplit(endpoint)
    return parts._replace(scheme=place.scheme, netloc=place.netloc).geturl(), {"Host": parts.netloc}


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
