"""Makes `chalice local` verify Cognito tokens, read chunked bodies, and answer without the 40 ms of Nagle's algorithm.

Stock Chalice decodes a token without verifying it, and accepts requests without a token. None of this runs in
Lambda, where `chalice.local` is not in the zip.
"""

from __future__ import annotations

import functools
import os
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chalice.app import CORSConfig


_REFUSAL = b'{"Code":"Unauthorized","Message":"the token is missing, expired or not of this pool"}'


def install(cors: CORSConfig) -> None:
    """Under the Chalice command, make its local server verify tokens; a refusal has the headers of *cors*."""
    if "AWS_CHALICE_CLI_MODE" not in os.environ:
        return
    from chalice import local as server
    from chalice.app import CognitoUserPoolAuthorizer

    from common import cognito

    class VerifyingAuthorizer(server.LocalGatewayAuthorizer):
        def authorize(self, raw_path: str, lambda_event: Any, lambda_context: Any) -> Any:
            route = self._route_for_event(lambda_event)
            if not route or not isinstance(route.authorizer, CognitoUserPoolAuthorizer):
                return super().authorize(raw_path, lambda_event, lambda_context)
            token = cognito.token(lambda_event["headers"].get("authorization", ""))
            claims = _verified(token, route.authorizer.to_swagger())
            if claims is None:
                headers = {"x-amzn-ErrorType": "UnauthorizedException", **cors.get_access_control_headers()}
                raise server.NotAuthorizedError(headers, _REFUSAL)
            lambda_event["requestContext"]["authorizer"] = {"claims": claims}
            return lambda_event, lambda_context

    parse_payload = server.ChaliceRequestHandler._parse_payload

    def parse_any_payload(handler: Any) -> Any:
        headers, body = parse_payload(handler)
        chunked = "chunked" in handler.headers.get("transfer-encoding", "").lower()
        return headers, _unchunked(handler.rfile) if chunked else body

    server.LocalGatewayAuthorizer = VerifyingAuthorizer  # type: ignore[misc]
    server.ChaliceRequestHandler._parse_payload = parse_any_payload  # type: ignore[assignment, method-assign]
    server.ChaliceRequestHandler.disable_nagle_algorithm = True
    server.ThreadedHTTPServer.request_queue_size = 128


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
    import jwt

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
    import boto3
    import jwt

    endpoint = boto3.client("cognito-idp").meta.endpoint_url
    return jwt.PyJWKClient(f"{endpoint}/{pool}/.well-known/jwks.json")
