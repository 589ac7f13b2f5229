"""The server of `chalice local` with API Gateway's checks, chunked bodies, and without the 40 ms of Nagle's algorithm.

Stock Chalice decodes a Cognito token without verifying it, and accepts requests without a token. It opens routes with
IAM authorization to everybody, also to the pages that a developer visits. Here

- a token is verified,
- a request to a route with IAM authorization is signed by the access key under which `chalice local` runs; the policies
  of the caller are not evaluated,
- the Host is this machine, so that no page reaches the server through a name of its own (DNS rebinding).
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import json
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import urlsplit

import boto3
import jwt
from chalice import local as server
from chalice.app import CognitoUserPoolAuthorizer, CORSConfig, IAMAuthorizer

from common import cognito, sigv4

_REFUSAL = b'{"Code":"Unauthorized","Message":"the token is missing, expired or not of this pool"}'
_OPEN = "Every caller is accepted on routes with IAM authorization, and under every host name: CHALICE_LOCAL_OPEN=1."


def install(cors: CORSConfig, is_open: bool) -> None:
    """Change the server of `chalice local`; its refusals have the headers of *cors*. *is_open*: signature and Host are
    not checked.
    """
    if is_open:
        print(_OPEN, flush=True)
    else:
        server.LocalGateway = LoopbackGateway  # type: ignore[misc]
    server.LocalGatewayAuthorizer = functools.partial(Authorizer, cors, is_open)  # type: ignore[assignment, misc]
    server.ChaliceRequestHandler._parse_payload = _parse_payload  # type: ignore[assignment, method-assign]
    server.ChaliceRequestHandler.disable_nagle_algorithm = True
    server.ThreadedHTTPServer.request_queue_size = 128


class LoopbackGateway(server.LocalGateway):
    """Refuses requests whose Host is not this machine."""

    def handle_request(self, method: str, path: str, headers: Any, body: bytes | None) -> Any:
        if not _is_loopback(headers):
            raise server.ForbiddenError({"x-amzn-ErrorType": "ForbiddenException"}, b'{"message":"Forbidden"}')
        return super().handle_request(method, path, headers, body)


def _is_loopback(headers: Mapping[str, str]) -> bool:
    named = {name.lower(): value for name, value in headers.items()}.get("host", "")
    try:
        host = urlsplit(f"//{named}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Authorizer(server.LocalGatewayAuthorizer):
    """Refuses callers as API Gateway does: 401 without a token of the pool, 403 without a signature."""

    def __init__(self, cors: CORSConfig, is_open: bool, app: Any) -> None:
        super().__init__(app)
        self._cors, self._is_open = cors, is_open

    def authorize(self, raw_path: str, lambda_event: Any, lambda_context: Any) -> Any:
        route = self._route_for_event(lambda_event)
        match route and route.authorizer:
            case IAMAuthorizer():
                if not self._is_open:
                    self._require_signature(raw_path, lambda_event)
            case CognitoUserPoolAuthorizer() as authorizer:
                claims = self._claims(lambda_event, authorizer)
                lambda_event["requestContext"]["authorizer"] = {"claims": claims}
            case _:
                return super().authorize(raw_path, lambda_event, lambda_context)
        return lambda_event, lambda_context

    def _require_signature(self, raw_path: str, lambda_event: Any) -> None:
        headers, body = lambda_event["headers"], lambda_event["body"] or b""
        content = base64.b64decode(body) if lambda_event.get("isBase64Encoded") else body
        url, method = f"http://{headers['host']}{raw_path}", lambda_event["requestContext"]["httpMethod"]
        key = _credentials()
        try:
            sigv4.verify(key and key.get_frozen_credentials(), method, url, headers, content)
        except sigv4.SignatureRefused as refused:
            message = json.dumps({"message": str(refused)}).encode()
            raise server.ForbiddenError(self._headers(f"{refused.kind}Exception"), message) from refused

    def _claims(self, lambda_event: Any, authorizer: CognitoUserPoolAuthorizer) -> dict[str, Any]:
        token = cognito.token(lambda_event["headers"].get("authorization", ""))
        claims = _verified(token, authorizer.to_swagger())
        if claims is None:
            raise server.NotAuthorizedError(self._headers("UnauthorizedException"), _REFUSAL)
        return claims

    def _headers(self, kind: str) -> dict[str, Any]:
        return {"x-amzn-ErrorType": kind, **self._cors.get_access_control_headers()}


@functools.cache
def _credentials() -> Any:
    """Return the access key under which this command runs, or None."""
    return boto3.Session().get_credentials()


_parse_sized_payload = server.ChaliceRequestHandler._parse_payload


def _parse_payload(handler: Any) -> Any:
    headers, body = _parse_sized_payload(handler)
    chunked = "chunked" in handler.headers.get("transfer-encoding", "").lower()
    return headers, _unchunked(handler.rfile) if chunked else body


def _unchunked(body: IO[bytes]) -> bytes:
    """Read a body that is sent in chunks, without its trailers (RFC 9112, section 7.1). API Gateway joins them, too."""
    content = b""
    while size := int(body.readline(100).partition(b";")[0] or b"0", 16):
        content += body.read(size)
        body.readline(100)
    while body.readline(10_000).strip():
        pass
    return content


def _verified(token: str, authorizer: dict[str, Any]) -> dict[str, Any] | None:
    """Return the claims of a valid ID token of one of the authorizer's pools, or None.

    The audience is not checked here: the app checks it, as it does behind API Gateway.
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
    """
    for arn in authorizer["x-amazon-apigateway-authorizer"]["providerARNs"]:
        _, _, _, region, _, resource = arn.split(":", 5)
        pool = resource.removeprefix("userpool/")
        issuer = f"https://cognito-idp.{region}.amazonaws.com/{pool}"
        try:
            key = _keys(pool).get_signing_key_from_jwt(token).key
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=issuer,
                options={"verify_aud": False, "require": ["exp", "iss", "sub", "token_use"]},
            )
        except jwt.PyJWTError:
            continue
        if claims["token_use"] == "id":
            return claims
    return None


@functools.cache
def _keys(pool: str) -> Any:
    endpoint = boto3.client("cognito-idp").meta.endpoint_url
    return jwt.PyJWKClient(f"{endpoint}/{pool}/.well-known/jwks.json")
