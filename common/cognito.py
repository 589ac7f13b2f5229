"""The caller, by the claims of the Cognito ID token that the API's authorizer has verified."""

import re

from chalice.app import Chalice

from common import rest
from common.errors import Unauthorized


def caller(app: Chalice, client_id: str) -> str:
    """Return the caller's ``sub``. Raises Unauthorized unless the ID token was issued to *client_id*.

    API Gateway's authorizer verifies the signature, issuer and expiry, but accepts tokens of every app client of the
    pool, so the audience must be checked here:
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
    """
    claims = rest.request(app).context.get("authorizer", {}).get("claims", {})
    if claims.get("token_use") != "id" or claims.get("aud") != client_id or not claims.get("sub"):
        raise Unauthorized("the token was not issued to this app")
    return str(claims["sub"])


def email(app: Chalice) -> str | None:
    """Return the caller's e-mail address if the pool has verified it."""
    claims = rest.request(app).context.get("authorizer", {}).get("claims", {})
    return str(claims["email"]) if str(claims.get("email_verified")).lower() == "true" and "email" in claims else None


def id_token(app: Chalice) -> str:
    """Return the ID token in the Authorization header."""
    return token(rest.request(app).headers["Authorization"])


def token(authorization: str) -> str:
    """Return the token in an Authorization header: after `Bearer` in any case (RFC 9110, section 11.1), or alone."""
    return re.sub(r"\Abearer +", "", authorization, flags=re.IGNORECASE)
