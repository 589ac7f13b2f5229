"""Requests to a REST API with IAM authorization, signed by Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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


class SignatureRefused(Exception):
    """A request is not signed as it must be; *kind* is API Gateway's name of the error, without `Exception`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def verify(
    credentials: Credentials | ReadOnlyCredentials | None, method: str, url: str, headers: Headers, body: bytes
) -> None:
    """Raise SignatureRefused, with the message of API Gateway, unless *credentials* signed the request just now.

    The names in *headers* are in lower case. A signature in the query string is not accepted.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    authorization = headers.get("authorization")
    if not authorization:
        raise SignatureRefused("MissingAuthenticationToken", "Missing Authentication Token")
    parts = _AUTHORIZATION.fullmatch(authorization)
    if not parts:
        names = ("Credential", "Signature", "SignedHeaders")
        message = " ".join(f"Authorization header requires '{name}' parameter." for name in names)
        raise SignatureRefused("IncompleteSignature", message)
    if not credentials or parts["key"] != credentials.access_key:
        raise SignatureRefused("UnrecognizedClient", "The security token included in the request is invalid.")
    signed, date = parts["headers"].split(";"), headers.get("x-amz-date", "")
    for name in ("host", "x-amz-date"):
        if name not in signed:
            raise SignatureRefused("InvalidSignature", f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    if not _is_now(date):
        raise SignatureRefused("InvalidSignature", f"Signature expired or not yet current: {date}")
    request = AWSRequest(method, url, {name: headers.get(name, "") for name in signed}, body)
    request.context["timestamp"] = date
    signer = SigV4Auth(credentials, "execute-api", parts["region"])
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    # The signer trusts a hash of the body that the client sends, so the hash must be true.
    hashed = hashlib.sha256(body).hexdigest()
    is_body_signed = headers.get("x-amz-content-sha256", hashed) == hashed
    if date[:8] != parts["date"] or not is_body_signed or not hmac.compare_digest(expected, parts["signature"]):
        raise SignatureRefused(
            "InvalidSignature",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )


_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[^/, ]+)/(?P<date>\d{8})/(?P<region>[^/, ]+)/execute-api/aws4_request, *"
    r"SignedHeaders=(?P<headers>[^, ]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


def _is_now(date: str) -> bool:
    """Return whether a signature of *date* is valid: for five minutes, before and after it."""
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(datetime.now(UTC) - signed_at) <= timedelta(minutes=5)


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
