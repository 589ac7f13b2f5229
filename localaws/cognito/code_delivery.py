"""Gap: SignUp sends a code for an address that the pool does not verify, and answers with the whole address.

A code is sent only if the pool's `AutoVerifiedAttributes` have `email`. Its destination is masked: `a***@e***`.
AWS: https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html
AWS: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CodeDeliveryDetailsType.html
No longer needed when SignUp in a pool without `AutoVerifiedAttributes` returns no `CodeDeliveryDetails`.
"""

import json
from typing import Any

from ministack.services import cognito

type Json = dict[str, Any]


def mask(address: str) -> str:
    if "@" not in address:
        return "****"
    local, _, domain = address.partition("@")
    return f"{local[:1]}***@{domain[:1]}***"


def verifies(pool: Json) -> bool:
    return "email" in (pool.get("AutoVerifiedAttributes") or [])


def with_masked_destination(sign_up: Any) -> Any:
    def sign_up_user(data: Json) -> Any:
        status, headers, body = sign_up(data)
        response = json.loads(body)
        details = response.get("CodeDeliveryDetails")
        if status != 200 or not details:
            return status, headers, body
        pool = cognito._pool_for_client(data.get("ClientId"))[0]
        if verifies(pool or {}):
            details["Destination"] = mask(details["Destination"])
        else:
            del response["CodeDeliveryDetails"]
        return status, headers, json.dumps(response).encode()

    return sign_up_user


def if_verified(send: Any) -> Any:
    """Wrap the sending of a code: one that verifies an address, and none that resets a password."""

    def send_email(pool: Json, *message: Any, attribute_name: str = "email") -> None:
        if attribute_name != "email" or verifies(pool):
            send(pool, *message, attribute_name=attribute_name)

    return send_email


def apply() -> None:
    cognito._sign_up = with_masked_destination(cognito._sign_up)
    cognito._send_verification_email = if_verified(cognito._send_verification_email)
    cognito._masked_destination = mask
