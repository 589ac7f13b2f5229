"""Requests to a REST API with IAM authorization, signed by Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials

type Headers = Mapping[str, str]

NO_HEADERS: Headers = MappingProxyType({})


def sign(
    credentials: Credentials | ReadOnlyCredentials,
    region: str,
    method: str,
    url: str,
    headers: Headers = NO_HEADERS,
    body: bytes = b"",
) -> dict[str, str]:
    """Return *headers* with those that sign the request."""
    request = AWSRequest(method, url, dict(headers), body)
    SigV4Auth(credentials, "execute-api", region).add_auth(request)
    return dict(request.headers.items())


class RequestFailed(Exception):
    """The API answered with an error, of which *status* is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """The API at *url*, called with an access key. For commands, which run outside of Lambda."""

    def __init__(self, url: str, access_key_id: str, secret_access_key: str, region: str) -> None:
        self._url, self._region = url.rstrip("/"), region
        self._credentials = Credentials(access_key_id, secret_access_key)
        self._http = urllib3.PoolManager(maxsize=8, timeout=60, retries=False)

    @classmethod
    def with_secret(cls, url: str, secret_id: str) -> Self:
        """Return the API called with the access key in a secret, in the Region of the environment."""
        session = boto3.Session()
        secret = session.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
        key = json.loads(secret)
        return cls(url, key["access_key_id"], key["secret_access_key"], str(session.region_name))

    def send(self, method: str, path: str, body: Any = None, headers: Headers = NO_HEADERS) -> Any:
        """Send *body* as JSON and return the decoded answer, None if it is empty. Raises RequestFailed."""
        content = json.dumps(body).encode() if body is not None else b""
        sent = {"Content-Type": "application/json", **headers}
        signed = sign(self._credentials, self._region, method, self._url + path, sent, content)
        answer = self._http.request(method, self._url + path, body=content or None, headers=signed)
        if answer.status >= 400:
            raise RequestFailed(f"{method} {path}: {answer.status} {answer.data.decode()}", answer.status)
        return json.loads(answer.data or b"null")
