"""Users of the deployed apps, with only the credentials that AWS gives them: tokens, or an author's or owner's key."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
from botocore import UNSIGNED
from botocore.config import Config
from clients.signed import Signed

PASSWORD = "Correct-horse-1"


def stage() -> str:
    """Return the name of the stage under test."""
    return os.environ["SANDBOX_STAGE"]


@dataclass
class User:
    """A signed-in user of an app: tokens, a client of the API, and the user's own files."""

    outputs: dict[str, Any]
    endpoint: str
    email: str
    id_token: str
    access_token: str

    def api(self, **headers: str) -> httpx.Client:
        url = self.outputs["api"]
        return httpx.Client(base_url=url, headers={"Authorization": self.id_token, **headers})

    def folder(self) -> dict[str, Any]:
        with self.api() as api:
            answer: dict[str, Any] = api.get("/files").json()
        return answer

    def s3(self) -> Any:
        """Return an S3 client with the temporary credentials of the user's identity."""
        identities = anonymous("cognito-identity", self.endpoint)
        provider = f"cognito-idp.us-east-1.amazonaws.com/{self.outputs['user_pool_id']}"
        logins = {provider: self.id_token}
        identity_id = identities.get_id(IdentityPoolId=self.outputs["identity_pool_id"], Logins=logins)["IdentityId"]
        keys = identities.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretKey"],
            aws_session_token=keys["SessionToken"],
        )


def anonymous(service: str, endpoint: str) -> Any:
    return boto3.client(service, endpoint_url=endpoint, config=Config(signature_version=UNSIGNED))


def pay(checkout: httpx.Response) -> httpx.Response:
    """Pay a checkout on the provider's page, and return the redirect."""
    assert checkout.status_code == 201, checkout.text
    paid = httpx.post(checkout.json()["url"], data={"card": "4242424242424242"})
    assert paid.status_code == 303, paid.text
    return paid


@dataclass
class Author:
    """An author of blog-app or the owner of video-app, who signs with an access key."""

    outputs: dict[str, Any]
    access_key_id: str
    secret_access_key: str

    @classmethod
    def of(cls, outputs: dict[str, Any], person: str = "author") -> Author:
        return cls(outputs, outputs[f"{person}_access_key_id"], outputs[f"{person}_secret_access_key"])

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        content = json.dumps(body) if body is not None else ""
        sent = {"Content-Type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}
        key = Signed(f"{self.access_key_id}:{self.secret_access_key}")
        return httpx.request(method, self.outputs["api"] + path, headers=sent, content=content, auth=key)
