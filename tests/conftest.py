"""Fixtures for every kind of test: an emulator, the whole sandbox, and its users."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import suite
from users import PASSWORD, User, anonymous

from sandbox.ports import free_variables
from sandbox.settings import Settings

pytest_plugins = ["localaws.testing"]

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "test the stage that runs where SANDBOX_DIR, SANDBOX_STAGE and the ports say, and start none"
    parser.addoption("--running", action="store_true", help=text)
    parser.addoption("--stage", default="test", help="the stage to start: two at once need two names")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files of tests that name a deleted app."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return (is_test and suite.is_about(collection_path, suite.DELETED)) or None


@contextmanager
def as_root(outputs: dict[str, Any]) -> Iterator[None]:
    """Point boto3 and the commands of the tests to a sandbox, with the root key of this start."""
    names = {"AWS_ENDPOINT_URL": "endpoint", "AWS_ACCESS_KEY_ID": "access_key_id"}
    names["AWS_SECRET_ACCESS_KEY"] = "secret_access_key"
    with pytest.MonkeyPatch.context() as patch:
        for variable, name in names.items():
            patch.setenv(variable, outputs[name])
        boto3.setup_default_session()  # it keeps the key that it has read
        yield


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The outputs of a whole sandbox, started as a user starts it, on free ports and with its own stage."""
    if request.config.getoption("--running"):
        settings = Settings.from_environment()
        running: dict[str, Any] = json.loads(settings.outputs_file.read_text())
        os.environ |= {"SANDBOX_STAGE": settings.stage}
        with as_root(running):
            yield running
        return
    folder = tmp_path_factory.mktemp("sandbox")
    os.environ |= {
        "SANDBOX_DIR": str(folder),
        "SANDBOX_STAGE": request.config.getoption("--stage"),
        "DEVICES": "0",  # background devices would change what tests count
        "RELOAD": "0",  # tests write files into the folders of apps
        "RETRY_DELAY": "0.5",  # a poison record is retried ten times
        **free_variables(),
    }
    command = [sys.executable, "-m", "sandbox"]
    started = subprocess.run([*command, "up"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert started.returncode == 0, started.stdout + started.stderr
    outputs = json.loads((folder / "outputs.json").read_text())
    with as_root(outputs):
        yield outputs
    subprocess.run([*command, "down"], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="session")
def mailed_code(sandbox: dict[str, Any]) -> Callable[[str], str]:
    """A function that reads the newest code mailed to an address."""

    def mailed_code(email: str) -> str:
        with urllib.request.urlopen(f"{sandbox['console']}/mails.json") as answer:
            text = next(json.dumps(mail) for mail in json.load(answer) if email in mail["To"])
        found = re.search(r"is (\d{6})", text)
        assert found, text
        return found[1]

    return mailed_code


@pytest.fixture(scope="session")
def sign_up(sandbox: dict[str, Any], mailed_code: Callable[[str], str]) -> Callable[..., User]:
    """A function that signs up a new user of an app with a mailed code, in the sandbox or in a clone."""
    cognito = anonymous("cognito-idp", sandbox["endpoint"])

    def sign_up(app: str = "todo-app", stage: dict[str, Any] = sandbox) -> User:
        if app in suite.DELETED:
            pytest.skip(f"{app} was deleted")
        client_id = stage[app]["user_pool_client_id"]
        email = f"{uuid.uuid4().hex}@example.com"
        cognito.sign_up(ClientId=client_id, Username=email, Password=PASSWORD)
        cognito.confirm_sign_up(ClientId=client_id, Username=email, ConfirmationCode=mailed_code(email))
        tokens = cognito.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        return User(stage[app], stage["endpoint"], email, tokens["IdToken"], tokens["AccessToken"])

    return sign_up
