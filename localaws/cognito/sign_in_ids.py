"""Gap: a user keeps the id of each sign-in for ever, so that GlobalSignOut can revoke the tokens of all of them.

AWS keeps them as long as the tokens are valid. Here the newest 1,000 of a user stay.
AWS: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GlobalSignOut.html
No longer needed when a user who has signed in a million times uses as much memory as one who did so 1,000 times.
"""

from typing import Any

from ministack.services import cognito

MAX_IDS = 1_000


def with_bound(build: Any) -> Any:
    """Wrap what makes the tokens of a sign-in."""

    def build_auth_result(pool_id: str, client_id: str, user: dict[str, Any], *more: Any, **named: Any) -> Any:
        result = build(pool_id, client_id, user, *more, **named)
        del user.get("_origin_jtis", [])[:-MAX_IDS]
        return result

    return build_auth_result


def apply() -> None:
    cognito._build_auth_result = with_bound(cognito._build_auth_result)
