"""Gap: rules for users that an administrator creates are missing: anybody can sign up beside them, and replace their
temporary password without knowing it.

- In a pool with `AllowAdminCreateUserOnly`, nobody can sign up.
- A new password needs the session of a sign-in with the temporary one. The session is valid for the client's
  `AuthSessionValidity`, and once. The password must conform to the pool's policy.
- A user who has not yet chosen a password has none to reset.

AWS: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-admin-create-user-policy.html
AWS: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
AWS: https://repost.aws/knowledge-center/cognito-forgot-password
No longer needed when a client cannot answer NEW_PASSWORD_REQUIRED with a session that no sign-in returned.
"""

import json
from typing import Any

from ministack.services import cognito

type Json = dict[str, Any]

CHALLENGE = "NEW_PASSWORD_REQUIRED"


def not_authorized(message: str) -> Any:
    return cognito.error_response_json("NotAuthorizedException", message, 400)


def unless_only_administrators(sign_up: Any) -> Any:
    def sign_up_user(data: Json) -> Any:
        pool = cognito._pool_for_client(data.get("ClientId"))[0] or {}
        only = (pool.get("AdminCreateUserConfig") or {}).get("AllowAdminCreateUserOnly", False)
        if str(only).lower() == "true":
            return not_authorized("SignUp is not permitted for this user pool")
        return sign_up(data)

    return sign_up_user


def unless_temporary(reset: Any) -> Any:
    def reset_password(data: Json) -> Any:
        pool = cognito._user_pools.get(data.get("UserPoolId")) or cognito._pool_for_client(data.get("ClientId"))[0]
        user = cognito._resolve_user(pool, data.get("Username"))[0] if pool else None
        if user and user.get("UserStatus") == "FORCE_CHANGE_PASSWORD":
            return not_authorized("User password cannot be reset in the current state.")
        return reset(data)

    return reset_password


def with_session(check_password: Any) -> Any:
    """Wrap the answer to a correct password: a challenge has a session that is remembered."""

    def answer(pool: Json, pool_id: str, client_id: str, user: Json, *others: Any, **settings: Any) -> Any:
        status, headers, body = check_password(pool, pool_id, client_id, user, *others, **settings)
        answered = json.loads(body)
        if answered.get("ChallengeName") == CHALLENGE:
            answered["Session"], _ = cognito._create_challenge_session(pool_id, client_id, user["Username"])
            body = json.dumps(answered).encode()
        return status, headers, body

    return answer


def with_known_session(respond: Any) -> Any:
    def respond_to_challenge(data: Json) -> Any:
        if data.get("ChallengeName") != CHALLENGE:
            return respond(data)
        responses = data.get("ChallengeResponses") or {}
        pool, pool_id = cognito._pool_for_client(data.get("ClientId"))
        if not pool:
            return respond(data)
        token = data.get("Session")
        if not token:
            return cognito.error_response_json("InvalidParameterException", "Missing required parameter Session", 400)
        known, asked = token in cognito._challenge_sessions, responses.get("USERNAME")
        session, user = cognito._get_challenge_session(token)[0], cognito._resolve_user(pool, asked)[0]
        if session is None:
            expired = ", session is expired." if known else "."
            return not_authorized(f"Invalid session for the user{expired}")
        if user is None or (session["pool_id"], session["username"]) != (pool_id, user["Username"]):
            return not_authorized("Invalid session for the user.")
        if refused := cognito._validate_password(pool, responses.get("NEW_PASSWORD") or ""):
            return refused
        del cognito._challenge_sessions[token]
        return respond(data)

    return respond_to_challenge


def apply() -> None:
    cognito._sign_up = unless_only_administrators(cognito._sign_up)
    cognito._forgot_password = unless_temporary(cognito._forgot_password)
    cognito._admin_reset_user_password = unless_temporary(cognito._admin_reset_user_password)
    cognito._password_auth_result = with_session(cognito._password_auth_result)
    cognito._respond_to_auth_challenge = with_known_session(cognito._respond_to_auth_challenge)
    cognito._admin_respond_to_auth_challenge = with_known_session(cognito._admin_respond_to_auth_challenge)
