"""The pipeline of a stage whose reads are closed, opened, and closed again, deployed as a release deploys it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from users import PASSWORD, anonymous

from deploy import apps, bootstrap, stacks

APP, STAGE = "pipeline-app", "reads"
READS = ("/devices", "/devices/none", "/alerts", "/reports", "/reports/hourly?period=2030-01-01", "/status")
READER = "ann@example.com"
CHALLENGE = "NEW_PASSWORD_REQUIRED"

type Release = Callable[..., tuple[str, dict[str, str]]]


@pytest.fixture
def release(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    """A function that deploys resources and app; it returns the address of the API and the outputs of the resources."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    bootstrap.bootstrap()

    def release(**parameters: str) -> tuple[str, dict[str, str]]:
        outputs = apps.deploy_resources(APP, STAGE, Sender="alerts@pipeline.example", **parameters)
        endpoint = urlsplit(apps.deploy_app(APP, STAGE)["EndpointURL"])
        api = str(endpoint.hostname).partition(".")[0]
        return f"{emulator}/_aws/execute-api/{api}/api", outputs

    yield release
    for kind in ("app", "resources"):
        stacks.delete(apps.stack(APP, STAGE, kind))
    (apps.ROOT / APP / "chalicelib" / "stages" / f"{STAGE}.json").unlink()


def statuses(api: str, token: str | None = None) -> set[int]:
    """Return the statuses of all reads; a missing device or report is as good as one that is there."""
    headers = {"Authorization": token} if token else {}
    found = {httpx.get(api + path, headers=headers, timeout=60).status_code for path in READS}
    return {200 if status == 404 else status for status in found}


def tokens_of(reader: str, endpoint: str, outputs: dict[str, str]) -> dict[str, str]:
    """Make the reader as an administrator does, and return the tokens after the choice of a password."""
    temporary = f"{PASSWORD}-temporary"
    boto3.client("cognito-idp").admin_create_user(
        UserPoolId=outputs["user_pool_id"], Username=reader, TemporaryPassword=temporary, MessageAction="SUPPRESS"
    )
    client: Any = anonymous("cognito-idp", endpoint)
    asked = client.initiate_auth(
        ClientId=outputs["user_pool_client_id"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": reader, "PASSWORD": temporary},
    )
    assert asked["ChallengeName"] == CHALLENGE
    answered = client.respond_to_auth_challenge(
        ClientId=outputs["user_pool_client_id"],
        ChallengeName=CHALLENGE,
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": asked["ChallengeParameters"]["USER_ID_FOR_SRP"], "NEW_PASSWORD": PASSWORD},
    )
    tokens: dict[str, str] = answered["AuthenticationResult"]
    return tokens


def test_reads_are_closed_until_a_parameter_opens_them_and_the_readers_stay(release: Release, emulator: str) -> None:
    api, outputs = release()
    tokens = tokens_of(READER, emulator, outputs)

    refused = httpx.get(f"{api}/devices")
    assert (refused.status_code, refused.json()["Code"]) == (401, "Unauthorized")
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    preflight = httpx.options(f"{api}/devices", headers={"Access-Control-Request-Headers": "authorization"})
    assert preflight.status_code == 200
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"].split(",")
    assert httpx.get(f"{api}/health").status_code == 200
    assert (statuses(api), statuses(api, tokens["AccessToken"]), statuses(api, tokens["IdToken"])) == (
        {401},
        {401},
        {200},
    )

    opened, without = release(Reads="open")
    assert (opened, statuses(api)) == (api, {200})
    assert not {"user_pool_arn", "user_pool_id", "user_pool_client_id"} & without.keys()
    assert release()[1] == without, "an update keeps the parameter"

    _, again = release(Reads="closed")
    assert (statuses(api), statuses(api, tokens["IdToken"])) == ({401}, {200})
    assert again == outputs
