"""Gap: user names that differ only in case are different users, even in a pool that is not case sensitive.

Every action finds a user by name, alias or `sub` in one place, which now tries the stored spellings.
SignUp and AdminCreateUser look for a user of the same name themselves, so they get the stored spelling.
A pool is case sensitive if its template or request does not say otherwise.
AWS: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UsernameConfigurationType.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-cognito-userpool-usernameconfiguration.html
AWS: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-case-sensitivity.html
No longer needed when a pool with `CaseSensitive: false` and a user `ann` rejects SignUp of `ANN`.
"""

from collections.abc import Iterator
from typing import Any

from ministack.services import cognito

type Json = dict[str, Any]


def is_case_sensitive(pool: Json) -> bool:
    configuration = pool.get("UsernameConfiguration") or {}
    return str(configuration.get("CaseSensitive", True)).lower() != "false"


def spellings(pool: Json, name: str) -> Iterator[str]:
    """Yield the names and aliases of users that differ from *name* at most in case."""
    aliases = [*(pool.get("UsernameAttributes") or []), *(pool.get("AliasAttributes") or [])]
    for username, user in pool["_users"].items():
        attributes = cognito._attr_list_to_dict(user.get("Attributes", []))
        for known in (username, *(attributes.get(alias, "") for alias in aliases)):
            if known.casefold() == name.casefold():
                yield known


def in_any_case(resolve: Any) -> Any:
    def resolve_user(pool: Json, name: Any) -> Any:
        found = resolve(pool, name)
        if found[0] or is_case_sensitive(pool) or not isinstance(name, str):
            return found
        others = (resolve(pool, spelling) for spelling in spellings(pool, name))
        return next((other for other in others if other[0]), found)

    return resolve_user


def with_stored_name(create: Any) -> Any:
    """Wrap the creation of a user: the name of a user that exists gets its stored spelling."""

    def create_user(data: Json) -> Any:
        pool = cognito._user_pools.get(data.get("UserPoolId")) or cognito._pool_for_client(data.get("ClientId"))[0]
        name = data.get("Username")
        if pool and isinstance(name, str) and not is_case_sensitive(pool):
            stored = (known for known in pool["_users"] if known.casefold() == name.casefold())
            data = data | {"Username": next(stored, name)}
        return create(data)

    return create_user


def apply() -> None:
    cognito._resolve_user = in_any_case(cognito._resolve_user)
    cognito._sign_up = with_stored_name(cognito._sign_up)
    cognito._admin_create_user = with_stored_name(cognito._admin_create_user)
