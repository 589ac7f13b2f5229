"""Gap: an identity pool that does not allow unauthenticated identities gives credentials to everyone.

AWS: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_CreateIdentityPool.html
AWS: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
No longer needed when GetId without a login is not authorized for a pool with `AllowUnauthenticatedIdentities: false`.
"""

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

type Json = dict[str, Any]


def apply() -> None:
    check_logins = cognito._identity_logins_error

    def check_logins_and_guests(pool: Json, identity_id: str | None, logins: Any) -> Any:
        error = check_logins(pool, identity_id, logins)
        allows_guests = str(pool.get("AllowUnauthenticatedIdentities", False)).lower() == "true"
        if error or logins or allows_guests:
            return error
        message = "Unauthenticated access is not supported for this identity pool."
        return error_response_json("NotAuthorizedException", message, 400)

    cognito._identity_logins_error = check_logins_and_guests
