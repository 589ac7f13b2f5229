"""The Cognito identity pool, which gives each user an identity and a folder in S3. Adapter for Cognito."""

from typing import Any

from common import aws
from common.errors import Unauthorized


class IdentityPool:
    """Identity pool *pool_id* for the users of user pool *user_pool_id*, through a ``cognito-identity`` *client*."""

    def __init__(self, client: Any, pool_id: str, user_pool_id: str) -> None:
        self._client = client
        self.pool_id = pool_id
        self.region = pool_id.partition(":")[0]
        self.login_provider = f"cognito-idp.{self.region}.amazonaws.com/{user_pool_id}"

    def identity_of(self, id_token: str) -> str:
        """Return the id by GetId, which needs no IAM permission.

        https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
        """
        with aws.translated({"NotAuthorizedException": Unauthorized("the identity pool refused the token")}):
            answer = self._client.get_id(IdentityPoolId=self.pool_id, Logins={self.login_provider: id_token})
        return str(answer["IdentityId"])
