"""The people of a journey: users of a pool, and those who sign with an access key."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials

from deploy.verify.journey import Journey
from deploy.verify.requests import Api

SENDER = ", from a sender that SES has verified (make preflight lists what is not)"
"""What a step that waits for a mail expects, too: SES takes none before somebody has opened the link of the sender."""


def address(journey: Journey, person: str) -> str:
    """Return an address that accepts every mail, at SES's mailbox simulator. SES sends there from its sandbox too.

    https://docs.aws.amazon.com/ses/latest/DeveloperGuide/mailbox-simulator.html
    """
    return f"success+{journey.name}-{person}@simulator.amazonses.com"


@dataclass(frozen=True)
class User:
    """A signed-in user of an app."""

    journey: Journey
    email: str
    id_token: str
    access_token: str
    refresh_token: str

    @property
    def sub(self) -> str:
        """The user's permanent id, from the token."""
        payload = self.id_token.split(".")[1]
        claims: dict[str, str] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims["sub"]

    def api(self, url: str) -> Api:
        return Api(self.journey.http, url, {"Authorization": self.id_token})

    def s3(self, folder: dict[str, str]) -> Any:
        """Return an S3 client with the temporary credentials of the user's identity; *folder* is the API's answer."""
        session = boto3.Session()
        identities = session.client("cognito-identity", config=Config(signature_version=UNSIGNED))
        logins = {folder["login_provider"]: self.id_token}
        keys = identities.get_credentials_for_identity(IdentityId=folder["identity_id"], Logins=logins)["Credentials"]
        return session.client(
            "s3",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretKey"],
            aws_session_token=keys["SessionToken"],
        )


def sign_in(journey: Journey, person: str, app: str | None = None, client_id: str | None = None) -> User:
    """Make a user of the app's pool as an administrator does, without a mail, and sign in with the password.

    The pool is the one of the journey's app, or of *app*. The user signs in to the app's client, or to *client_id*.
    """
    resources, email = journey.outputs(app=app), address(journey, person)
    pool, password = resources["UserPoolId"], f"Aa1-{secrets.token_urlsafe(24)}"
    cognito = journey.client("cognito-idp")

    def remove() -> None:
        try:
            cognito.admin_delete_user(UserPoolId=pool, Username=email)
        except cognito.exceptions.UserNotFoundException:
            return

    journey.remove_later(f"user {email}", remove)
    cognito.admin_create_user(
        UserPoolId=pool,
        Username=email,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
    )
    cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
    anonymous: Any = boto3.Session().client("cognito-idp", config=Config(signature_version=UNSIGNED))
    tokens = anonymous.initiate_auth(
        ClientId=client_id or resources["UserPoolClientId"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )["AuthenticationResult"]
    return User(journey, email, tokens["IdToken"], tokens["AccessToken"], tokens["RefreshToken"])


def with_secret(journey: Journey, url: str, secret: str) -> Api:
    """Return the API as the person sees it whose access key is in the secret."""
    key = json.loads(journey.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    credentials = Credentials(key["access_key_id"], key["secret_access_key"])
    return Api(journey.http, url, signer=credentials, region=journey.region)


def operator(journey: Journey, url: str) -> Api:
    """Return the API as the tester sees it, who signs with the credentials of this command."""
    credentials = journey.session.get_credentials()
    assert credentials is not None  # the command has said whose they are
    return Api(journey.http, url, signer=credentials.get_frozen_credentials(), region=journey.region)
