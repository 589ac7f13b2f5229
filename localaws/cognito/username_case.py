"""Gap: user names that differ only in case are different users, even in a pool that is not case sensitive.

This module replaces the name in a request with the spelling under which the pool has stored it.
AWS: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UsernameConfigurationType.html
AWS: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-case-sensitivity.html
No longer needed when a pool with `CaseSensitive: false` and a user `ann` rejects SignUp of `ANN`.
"""

from typing import Any

from ministack.services import cognito

type Json = dict[str, Any]


def stored_name(pool: Json, name: str) -> str:
    """Return the name or alias of the user that has this name in any case, or *name* if there is no such user."""
    aliases = [*(pool.get("UsernameAttributes") or []), *(pool.get("AliasAttributes") or [])]
    for username, user in pool["_users"].items():
        attributes = cognito._attr_list_to_dict(user.get("Attributes", []))
        for known in (username, *(attributes.get(alias, "") for alias in aliases)):
            if known.casefold() == name.casefold():
                return str(known)
    return name


def with_stored_names(data: Json) -> Json:
    """Return the request with the stored spelling of its user name, if its pool is not case sensitive."""
    pool = cognito._user_pools.get(data.get("UserPoolId")) or cognito._pool_for_client(data.get("ClientId"))[0]
    configuration = (pool or {}).get("UsernameConfiguration") or {}
    if pool is None or str(configuration.get("CaseSensitive", True)).lower() != "false":
        return data
    changed = dict(data)
    for member, name in ((None, "Username"), ("AuthParameters", "USERNAME"), ("ChallengeResponses", "USERNAME")):
        holder = changed if member is None else changed.get(member)
        if isinstance(holder, dict) and isinstance(holder.get(name), str):
            named = holder | {name: stored_name(pool, holder[name])}
            changed = named if member is None else changed | {member: named}
    return changed


def apply() -> None:
    run = cognito._run_idp_handler

    def run_with_stored_names(handler: Any, action: str, data: Json) -> Any:
        return run(lambda request: handler(with_stored_names(request)), action, data)

    cognito._run_idp_handler = run_with_stored_names
