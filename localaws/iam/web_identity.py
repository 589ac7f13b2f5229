"""Gap: AssumeRoleWithWebIdentity accepts a token that anybody can write: its signature and its expiry are not checked.

Here the token must be one of a Cognito identity pool or user pool of this AWS. The keys of other identity providers
are out of reach, so their tokens are refused.
AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
No longer needed when a token with a wrong signature answers InvalidIdentityToken.
"""

import base64
import json
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from ministack.services import cognito, sts

IDENTITY_POOLS = "https://cognito-identity.amazonaws.com"


def refusal(token: str) -> tuple[str, str] | None:
    """Return the code and the message of AWS's answer to a token that is not valid."""
    try:
        signed, _, signature = token.rpartition(".")
        claims = json.loads(_decoded(signed.split(".")[1]))
        _public_key(claims["iss"]).verify(_decoded(signature), signed.encode(), PKCS1v15(), SHA256())
        expires = float(claims["exp"])
    except (InvalidSignature, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return "InvalidIdentityToken", "The token is not signed by an identity provider that is known here"
    if expires <= time.time():
        return "ExpiredTokenException", "Token expired"
    return None


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _public_key(issuer: str) -> Any:
    """Return the key that checks the tokens of an issuer. Raises AttributeError if there is none."""
    if issuer == IDENTITY_POOLS:
        return cognito._RSA_PRIVATE_KEY.public_key()
    pool = issuer.rpartition("/")[2]
    known = {name for _, _, name in cognito._user_pools._data}
    return cognito._pool_signing_key(pool if pool in known else "", "id")[0].public_key()


def apply() -> None:
    denied = sts._web_identity_trust_denied

    def denied_or_forged(role_arn: str, params: dict[str, Any], use_json: bool) -> Any:
        if refused := refusal(str(sts._p(params, "WebIdentityToken"))):
            return sts._error(400, *refused, ns="sts")
        return denied(role_arn, params, use_json)

    sts._web_identity_trust_denied = denied_or_forged
