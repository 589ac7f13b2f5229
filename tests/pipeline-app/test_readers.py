"""Who may read: by the map of the routes, by the API's definition, and by the tokens that `chalice local` accepts."""

from __future__ import annotations

import dataclasses
import json
import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import chalice_local
import httpx
import jwt
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from chalice.app import Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer
from chalice.deploy.swagger import CFNSwaggerGenerator
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib import wiring
from common.settings import InvalidSettings, load

ROOT = Path(__file__).parent.parent.parent
APP = ROOT / "pipeline-app"
PASSWORD = "Correct-horse-1"


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Chalice]:
    """A function that imports app.py with other settings."""

    def mapped(**changed: str) -> Chalice:
        settings = dataclasses.replace(wiring.settings(), **changed)
        monkeypatch.setattr(wiring, "settings", lambda: settings)
        app: Chalice = runpy.run_path(str(APP / "app.py"))["app"]
        return app

    return mapped


def authorizers(app: Chalice) -> dict[str, type | None]:
    """Return by method and path the kind of its authorizer, or None."""
    return {
        f"{method} {path}": type(route.authorizer) if route.authorizer else None
        for path, methods in app.routes.items()
        for method, route in methods.items()
    }


def test_only_the_health_check_is_open_if_the_reads_are_closed(mapped: Callable[..., Chalice]) -> None:
    app = mapped(reads="closed")

    found = authorizers(app)

    assert {route for route, kind in found.items() if kind is None} == {"GET /health"}
    reads = {route for route, kind in found.items() if kind is CognitoUserPoolAuthorizer}
    assert reads == {route for route in found if route.startswith("GET ")} - {"GET /health"}
    assert {route for route, kind in found.items() if kind is IAMAuthorizer} == {"POST /reports/{name}/runs"}


def test_the_definition_of_the_api_names_the_pool_for_each_read(mapped: Callable[..., Chalice]) -> None:
    definition = CFNSwaggerGenerator().generate_swagger(mapped(reads="closed"))

    secured = {
        path: methods["get"].get("security") for path, methods in definition["paths"].items() if "get" in methods
    }
    assert secured.pop("/health") is None
    assert list(secured.values()) == [[{"cognito": []}]] * len(secured)
    authorizer = definition["securityDefinitions"]["cognito"]["x-amazon-apigateway-authorizer"]
    assert authorizer["providerARNs"] == [os.environ["USER_POOL_ARN"]]
    preflights = [methods["options"] for methods in definition["paths"].values() if "options" in methods]
    assert not any("security" in preflight for preflight in preflights)


def test_every_read_is_open_if_the_stage_says_so(mapped: Callable[..., Chalice]) -> None:
    found = authorizers(mapped(reads="open", user_pool_arn=""))

    assert {kind for route, kind in found.items() if route.startswith("GET ")} == {None}
    assert found["POST /reports/{name}/runs"] is IAMAuthorizer


@pytest.mark.parametrize(("reads", "words"), [(None, "no value for reads"), ("public", "reads")])
def test_settings_that_do_not_say_who_may_read_open_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: str | None, words: str
) -> None:
    known = dataclasses.asdict(wiring.settings())
    del known["reads"], known["user_pool_arn"]
    for name in ("READS", "USER_POOL_ARN"):
        monkeypatch.delenv(name)
    (tmp_path / "unit.json").write_text(json.dumps(known | ({"reads": reads} if reads else {})))

    with pytest.raises(InvalidSettings, match=words):
        load(wiring.Settings, tmp_path)


class Pool:
    """A user pool with one user."""

    def __init__(self, endpoint: str) -> None:
        self._idp: Any = boto3.client("cognito-idp", "us-east-1", endpoint_url=endpoint)
        self._anonymous: Any = boto3.client(
            "cognito-idp", "us-east-1", endpoint_url=endpoint, config=Config(signature_version=UNSIGNED)
        )
        pool = self._idp.create_user_pool(PoolName="readers")["UserPool"]
        self.id, self.arn = pool["Id"], pool["Arn"]
        self._client = self._idp.create_user_pool_client(
            UserPoolId=self.id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        self._idp.admin_create_user(UserPoolId=self.id, Username="ann", MessageAction="SUPPRESS")
        self._idp.admin_set_user_password(UserPoolId=self.id, Username="ann", Password=PASSWORD, Permanent=True)

    def tokens(self) -> dict[str, str]:
        tokens: dict[str, str] = self._anonymous.initiate_auth(
            ClientId=self._client,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ann", "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        return tokens


@pytest.fixture(scope="module")
def pool(emulator: str) -> Pool:
    return Pool(emulator)


@pytest.fixture(scope="module")
def local_url(emulator: str, pool: Pool, free_port: Callable[[], int]) -> Iterator[str]:
    """The address of plain `chalice local` in a stage whose reads are closed."""
    environment = {"READS": "closed", "USER_POOL_ARN": pool.arn, "AWS_ENDPOINT_URL": emulator}
    with chalice_local.running("pipeline-app", "local", free_port(), environment) as url:
        yield url


def test_chalice_local_accepts_the_id_tokens_of_the_pool_alone(local_url: str, pool: Pool, emulator: str) -> None:
    own, another = pool.tokens(), Pool(emulator).tokens()
    claims = jwt.decode(own["IdToken"], options={"verify_signature": False})
    header = jwt.get_unverified_header(own["IdToken"])
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = jwt.encode(claims, key, "RS256", headers=header)
    invalid = "/devices?limit=x"  # answered before the table is read

    for path in ("/devices/pump-1", "/alerts", "/reports", "/reports/hourly", "/status", invalid):
        for token in (None, "", "x", forged, own["AccessToken"], another["IdToken"]):
            refused = httpx.get(local_url + path, headers={"Authorization": token} if token is not None else {})
            assert (refused.status_code, refused.json()["Code"]) == (401, "Unauthorized"), (path, token)
            assert refused.headers["Access-Control-Allow-Origin"] == "*"
    for scheme in ("", "Bearer ", "bearer ", "BEARER  "):
        accepted = httpx.get(local_url + invalid, headers={"Authorization": scheme + own["IdToken"]})
        assert (accepted.status_code, accepted.json()["Code"]) == (400, "InvalidInput"), scheme
    assert httpx.get(f"{local_url}/health").status_code == 200
