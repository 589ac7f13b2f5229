"""Gap: DeleteIdentities does not exist.

AWS: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_DeleteIdentities.html
No longer needed when DescribeIdentity does not find an identity that DeleteIdentities has deleted.
"""

from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cognito

type Json = dict[str, Any]

_MOST = 60


def apply() -> None:
    dispatch = cognito._dispatch_identity

    async def dispatch_with_deletion(action: str, data: Json) -> Any:
        return _delete_identities(data) if action == "DeleteIdentities" else await dispatch(action, data)

    cognito._dispatch_identity = dispatch_with_deletion


def _delete_identities(data: Json) -> Any:
    identifiers = data.get("IdentityIdsToDelete") or []
    if not 1 <= len(identifiers) <= _MOST:
        limit = f"less than or equal to {_MOST}" if identifiers else "greater than or equal to 1"
        message = (
            f"1 validation error detected: Value '{identifiers}' at 'identityIdsToDelete' failed to satisfy "
            f"constraint: Member must have length {limit}"
        )
        return error_response_json("ValidationException", message, 400)
    for pool in cognito._identity_pools.values():
        for identifier in identifiers:
            pool["_identities"].pop(identifier, None)
    return json_response({"UnprocessedIdentityIds": []})
