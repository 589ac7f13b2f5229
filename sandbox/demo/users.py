"""Demo users of every app with a user pool."""

from __future__ import annotations

from botocore.exceptions import ClientError

from deploy.account import client

PASSWORD = "Correct-horse-1"
USERS = ("ann@example.com", "bob@example.com")


def sign_up(user_pool: str) -> None:
    """Create the demo users in a user pool. Users that are already there keep their data."""
    cognito = client("cognito-idp")
    for user in USERS:
        try:
            cognito.admin_create_user(
                UserPoolId=user_pool,
                Username=user,
                MessageAction="SUPPRESS",
                UserAttributes=[{"Name": "email", "Value": user}, {"Name": "email_verified", "Value": "true"}],
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "UsernameExistsException":
                raise
        cognito.admin_set_user_password(UserPoolId=user_pool, Username=user, Password=PASSWORD, Permanent=True)


def id_token(client_id: str, user: str) -> str:
    """Return an ID token as the user's own client gets it."""
    answer = client("cognito-idp").initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": PASSWORD},
    )
    return str(answer["AuthenticationResult"]["IdToken"])
