"""Only a valid ID token of the pool, for this app's client, is accepted: deployed and under `chalice local`."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import chalice_local
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from users import PASSWORD, User, anonymous, stage

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def local_url(sandbox: dict[str, Any], free_port: Callable[[], int]) -> Iterator[str]:
    """The address of plain `chalice local`, run in the app's folder against the sandbox."""
    environment = {"STAGE": stage(), "AWS_ENDPOINT_URL": sandbox["endpoint"]}
    with chalice_local.running("todo-app", stage(), free_port(), environment) as url:
        yield url


@pytest.fixture(params=["deployed", "chalice local"])
def url(request: pytest.FixtureRequest, todo: dict[str, Any]) -> str:
    if request.param == "deployed":
        return str(todo["api"])
    return str(request.getfixturevalue("local_url"))


def encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@pytest.fixture(scope="module")
def tokens(sandbox: dict[str, Any], todo: dict[str, Any], ann: User) -> dict[str, str | None]:
    """Invalid tokens by their fault."""
    header = jwt.get_unverified_header(ann.id_token)
    claims = jwt.decode(ann.id_token, options={"verify_signature": False})
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signature = ann.id_token.rpartition(".")[2]
    return {
        "none": None,
        "empty": "",
        "garbage": "x",
        "three dots": "...",
        "alg none": f"{encode({'alg': 'none'})}.{encode(claims)}.",
        "signed by another key": jwt.encode(claims, key, "RS256", headers=header),
        "HMAC with the public key's id": jwt.encode(claims, header["kid"] * 3, "HS256", headers={"kid": header["kid"]}),
        "claims changed": f"{encode(header)}.{encode(claims | {'sub': 'bob'})}.{signature}",
        "expired": expired(sandbox["endpoint"], todo),
        "access token": ann.access_token,
        "of another pool": of_another_pool(sandbox["endpoint"]),
        "of another client": of_another_client(sandbox["endpoint"], todo["user_pool_id"]),
    }


def expired(endpoint: str, todo: dict[str, Any]) -> str:
    """Return an expired token: the client's tokens were valid for one second when its user signed in."""
    cognito = boto3.client("cognito-idp", endpoint_url=endpoint)
    names = {"UserPoolId": todo["user_pool_id"], "ClientId": todo["user_pool_client_id"]}
    client = cognito.describe_user_pool_client(**names)["UserPoolClient"]
    kept = {key: client[key] for key in ("ClientName", "ExplicitAuthFlows")}
    units = {"IdToken": "seconds", "AccessToken": "minutes", "RefreshToken": "days"}
    cognito.update_user_pool_client(**names, **kept, IdTokenValidity=1, TokenValidityUnits=units)
    try:
        token = sign_in(endpoint, todo["user_pool_id"], todo["user_pool_client_id"])
    finally:
        units["IdToken"] = "minutes"
        cognito.update_user_pool_client(**names, **kept, IdTokenValidity=60, TokenValidityUnits=units)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 1
    time.sleep(max(0, claims["exp"] - time.time() + 1))
    return token


def of_another_pool(endpoint: str) -> str:
    cognito = boto3.client("cognito-idp", endpoint_url=endpoint)
    pool = cognito.create_user_pool(PoolName="another")["UserPool"]["Id"]
    return token_of(endpoint, pool)


def of_another_client(endpoint: str, pool: str) -> str:
    return token_of(endpoint, pool)


def token_of(endpoint: str, pool: str) -> str:
    """Return an ID token for a new client of *pool*."""
    cognito = boto3.client("cognito-idp", endpoint_url=endpoint)
    flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="another", ExplicitAuthFlows=flows)
    return sign_in(endpoint, pool, client["UserPoolClient"]["ClientId"])


def sign_in(endpoint: str, pool: str, client_id: str) -> str:
    """Return an ID token of a new user of *pool*."""
    cognito = boto3.client("cognito-idp", endpoint_url=endpoint)
    email = f"{time.time_ns()}@example.com"
    cognito.admin_create_user(UserPoolId=pool, Username=email, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=PASSWORD, Permanent=True)
    answer = anonymous("cognito-idp", endpoint).initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
    )
    return str(answer["AuthenticationResult"]["IdToken"])


WRONG = [
    "none",
    "empty",
    "garbage",
    "three dots",
    "alg none",
    "signed by another key",
    "HMAC with the public key's id",
    "claims changed",
    "expired",
    "access token",
    "of another pool",
    "of another client",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_token_is_refused(url: str, tokens: dict[str, str | None], wrong: str) -> None:
    token = tokens[wrong]
    headers = {"Authorization": token} if token is not None else {}
    for method, path in [("GET", "/todos"), ("POST", "/todos"), ("GET", "/cached/todos"), ("GET", "/files")]:
        body = {"title": "x"} if method == "POST" else None
        refused = httpx.request(method, url + path, headers=headers, json=body)

        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "*"), (method, path)


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_a_valid_token_is_accepted(url: str, ann: User, prefix: str) -> None:
    assert httpx.get(f"{url}/todos", headers={"Authorization": prefix + ann.id_token}).status_code == 200
    assert httpx.get(f"{url}/files", headers={"Authorization": prefix + ann.id_token}).status_code == 200
