"""Users of the deployed todo-app."""

from __future__ import annotations

import json
import re
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from users import PASSWORD, User, anonymous


@pytest.fixture(scope="session")
def todo(sandbox: dict[str, Any]) -> dict[str, Any]:
    outputs: dict[str, Any] = sandbox["todo-app"]
    return outputs


@pytest.fixture(scope="session")
def sign_up(sandbox: dict[str, Any], todo: dict[str, Any]) -> Callable[[], User]:
    """Return a function that signs up a new user, code by mail and all."""
    cognito = anonymous("cognito-idp", sandbox["endpoint"])
    client_id = todo["user_pool_client_id"]

    def sign_up() -> User:
        email = f"{uuid.uuid4().hex}@example.com"
        cognito.sign_up(ClientId=client_id, Username=email, Password=PASSWORD)
        cognito.confirm_sign_up(ClientId=client_id, Username=email, ConfirmationCode=code_mailed_to(email))
        tokens = cognito.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        return User(todo, sandbox["endpoint"], tokens["IdToken"], tokens["AccessToken"])

    def code_mailed_to(email: str) -> str:
        with urllib.request.urlopen(f"{sandbox['console']}/mails.json") as answer:
            mail = next(mail for mail in json.load(answer) if email in json.dumps(mail))
        found = re.search(r"\b\d{6}\b", json.dumps(mail))
        assert found
        return found[0]

    return sign_up


@pytest.fixture(scope="session")
def ann(sign_up: Callable[[], User]) -> User:
    return sign_up()


@pytest.fixture(scope="session")
def bob(sign_up: Callable[[], User]) -> User:
    return sign_up()
