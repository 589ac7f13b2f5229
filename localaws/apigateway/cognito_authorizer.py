"""Gap: a method without authorization scopes accepts an access token, where API Gateway requires an ID token.

API Gateway treats the token as an identity token without scopes, and as an access token with scopes. As on AWS, an ID
token of any app client of the user pool is accepted; the app must check the client in `aud`.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-enable-cognito-user-pool.html
No longer needed when a method without scopes answers 401 to an access token.
"""

from typing import Any

from ministack.services import apigateway_v1 as gateway


def apply() -> None:
    validate = gateway._validate_cognito_authorizer

    async def validate_token_use(authorizer: Any, method: dict[str, Any], *request: Any) -> tuple[Any, Any]:
        claims, error = await validate(authorizer, method, *request)
        use = "access" if method.get("authorizationScopes") else "id"
        if not error and claims.get("token_use") != use:
            return None, gateway._gw_error("UNAUTHORIZED", "Unauthorized")
        return claims, error

    gateway._validate_cognito_authorizer = validate_token_use
