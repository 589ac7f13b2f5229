"""Gap: a method without authorization scopes lets an access token in where API Gateway wants an ID token.

AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-enable-cognito-user-pool.html
(without scopes the token is treated as an identity token, with scopes as an access token). As on AWS, an ID
token of any app client of the pool is let in: which client, the app itself checks by `aud`.
No longer needed when an access token gets 401 from a method that names no scopes.
"""

from typing import Any

from ministack.services import apigateway_v1 as gateway


def apply() -> None:
    validate = gateway._validate_cognito_authorizer

    async def validate_use(authorizer: Any, method: dict[str, Any], *request: Any) -> tuple[Any, Any]:
        claims, refusal = await validate(authorizer, method, *request)
        use = "access" if method.get("authorizationScopes") else "id"
        if not refusal and claims.get("token_use") != use:
            return None, gateway._gw_error("UNAUTHORIZED", "Unauthorized")
        return claims, refusal

    gateway._validate_cognito_authorizer = validate_use
