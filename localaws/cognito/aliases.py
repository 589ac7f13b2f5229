"""Gap: a user can take the address of another, and say that it is verified.

- Where an address is the name to sign in with (`UsernameAttributes`), two users cannot have the same one.
- Where it is an alias (`AliasAttributes`), it counts once it is verified. A new address is not verified.
- Only an administrator or a code verifies an address.

AWS: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
AWS: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserAttributes.html
AWS: https://repost.aws/knowledge-center/cognito-email-verified-attribute
No longer needed when UpdateUserAttributes refuses the address of another user of a pool with `UsernameAttributes`.
"""

from typing import Any

from ministack.services import cognito

type Json = dict[str, Any]

ADDRESSES = {"email", "phone_number"}


def changed_addresses(user: Json, updates: list[Json]) -> dict[str, str]:
    """Return the addresses among *updates* that the user does not have."""
    present = cognito._attr_list_to_dict(user.get("Attributes", []))
    wanted = cognito._attr_list_to_dict(updates)
    return {name: wanted[name] for name in ADDRESSES & wanted.keys() if wanted[name] != present.get(name)}


def taken(pool: Json, user: Json, addresses: dict[str, str]) -> Any:
    """Return the refusal of an address under which another user signs in, or None."""
    for name in set(pool.get("UsernameAttributes") or []) & addresses.keys():
        other = cognito._resolve_user(pool, addresses[name])[0]
        if other and other is not user:
            message = f"An account with the given {name} already exists."
            return cognito.error_response_json("AliasExistsException", message, 400)
    return None


def by_user(update: Any) -> Any:
    def update_user_attributes(data: Json) -> Any:
        updates = data.get("UserAttributes", [])
        if any(attribute["Name"] in {f"{name}_verified" for name in ADDRESSES} for attribute in updates):
            message = "A client attempted to write unauthorized attribute"
            return cognito.error_response_json("NotAuthorizedException", message, 400)
        user, pool = cognito._user_pool_for_access_token(data.get("AccessToken", ""))
        if not user:
            return update(data)
        addresses = changed_addresses(user, updates)
        unverified = [{"Name": f"{name}_verified", "Value": "false"} for name in addresses]
        return taken(pool, user, addresses) or update(data | {"UserAttributes": [*updates, *unverified]})

    return update_user_attributes


def by_administrator(update: Any) -> Any:
    def update_user_attributes(data: Json) -> Any:
        pool = cognito._user_pools.get(data.get("UserPoolId"))
        user = cognito._resolve_user(pool, data.get("Username"))[0] if pool else None
        if not pool or not user:
            return update(data)
        return taken(pool, user, changed_addresses(user, data.get("UserAttributes", []))) or update(data)

    return update_user_attributes


def apply() -> None:
    cognito._update_user_attributes = by_user(cognito._update_user_attributes)
    cognito._admin_update_user_attributes = by_administrator(cognito._admin_update_user_attributes)
