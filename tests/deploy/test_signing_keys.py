"""The signing keys of a stage, made and rotated through the APIs of CloudFront and Secrets Manager."""

from __future__ import annotations

import contextlib
import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from deploy.signing_keys import Algorithm, SigningKeys


class Interrupted(Exception):
    """The process ends in the middle, as after Ctrl-C."""


class Account:
    """A new stage in the emulator, with its keys as clients and edges see them."""

    def __init__(self, emulator: str, stage: str | None = None) -> None:
        self.stage = stage or uuid.uuid4().hex[:8]
        self.cloudfront = boto3.client("cloudfront", endpoint_url=emulator)
        self.secrets = boto3.client("secretsmanager", endpoint_url=emulator)
        self.waits: list[tuple[list[str], str]] = []

    def keys(self, **clients: Any) -> SigningKeys:
        each = {"cloudfront": self.cloudfront, "secrets_manager": self.secrets} | clients
        return SigningKeys(app="video-app", stage=self.stage, **each)

    def rotate(self, algorithm: Algorithm = "ecdsa", **clients: Any) -> str:
        def sleep(seconds: float) -> None:
            self.waits.append((self.trusted(), self.signing()))

        return self.keys(**clients).rotate(
            algorithm, propagation=1, retirement=1, sleep=sleep, on_step=lambda line: None
        )

    def trusted(self) -> list[str]:
        groups = self.cloudfront.list_key_groups()["KeyGroupList"].get("Items", [])
        configs = [group["KeyGroup"]["KeyGroupConfig"] for group in groups]
        keys: list[str]
        (keys,) = (config["Items"] for config in configs if config["Name"] == f"video-app-{self.stage}")
        return keys

    def secret(self) -> dict[str, str]:
        text = self.secrets.get_secret_value(SecretId=f"video-app-{self.stage}-signing-key")["SecretString"]
        return dict(json.loads(text))

    def signing(self) -> str:
        return self.secret()["key_id"]

    def public_keys(self) -> list[str]:
        keys = self.cloudfront.list_public_keys()["PublicKeyList"].get("Items", [])
        return [key["Id"] for key in keys if key["Name"].startswith(f"video-app-{self.stage}-")]


class Interrupting:
    """A client whose *nth* call fails: before it does anything, or after it did everything except respond."""

    def __init__(self, client: Any, calls: itertools.count[int], nth: int, late: bool) -> None:
        self._client, self._calls, self._nth, self._late = client, calls, nth, late
        self.exceptions = client.exceptions

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            if next(self._calls) != self._nth:
                return getattr(self._client, operation)(**parameters)
            if self._late:
                with contextlib.suppress(ClientError):
                    getattr(self._client, operation)(**parameters)
            raise Interrupted(operation)

        return call


@pytest.fixture
def new_account(emulator: str) -> Iterator[Callable[[], Account]]:
    """A function that makes a stage. Its keys are deleted after the test: an account has ten public keys at most."""
    made: list[Account] = []

    def make() -> Account:
        made.append(Account(emulator))
        return made[-1]

    yield make
    for account in made:
        account.keys().delete()


@pytest.fixture
def account(new_account: Callable[[], Account]) -> Account:
    return new_account()


@pytest.mark.parametrize(("algorithm", "kind"), [("rsa", rsa.RSAPrivateKey), ("ecdsa", ec.EllipticCurvePrivateKey)])
def test_a_key_is_made_once_and_trusted(account: Account, algorithm: Algorithm, kind: type) -> None:
    group = account.keys().ensure(algorithm)

    secret = account.secret()
    private = load_pem_private_key(secret["private_key"].encode(), None)
    config = account.cloudfront.get_public_key(Id=secret["key_id"])["PublicKey"]["PublicKeyConfig"]
    assert isinstance(private, kind)
    assert load_pem_public_key(config["EncodedKey"].encode()) == private.public_key()
    assert account.trusted() == [secret["key_id"]]
    assert account.keys().ensure(algorithm) == group
    assert account.secret() == secret


def test_a_rotation_trusts_both_keys_until_the_old_links_have_expired(account: Account) -> None:
    account.keys().ensure("ecdsa")
    old = account.signing()

    new = account.rotate("rsa")

    assert account.waits == [([old, new], old), ([old, new], new)]
    assert account.trusted() == account.public_keys() == [new]
    assert account.signing() == new != old


def test_keys_can_be_rotated_again(account: Account) -> None:
    first = account.rotate()
    second = account.rotate()

    assert first != second
    assert account.trusted() == account.public_keys() == [second]


def test_the_keys_of_another_stage_stay(emulator: str, account: Account) -> None:
    other = Account(emulator, f"{account.stage}-blue")
    other.keys().ensure("ecdsa")

    account.rotate()

    assert other.public_keys() == other.trusted() == [other.signing()]
    other.keys().delete()


def test_a_secret_that_was_deleted_by_mistake_comes_back_with_its_key(account: Account) -> None:
    account.keys().ensure("ecdsa")
    signing = account.signing()
    account.secrets.delete_secret(SecretId=f"video-app-{account.stage}-signing-key", RecoveryWindowInDays=7)

    account.keys().ensure("ecdsa")

    assert (account.signing(), account.trusted()) == (signing, [signing])


def test_a_key_that_is_lost_for_good_is_replaced_and_the_new_one_is_trusted(account: Account) -> None:
    group = account.keys().ensure("ecdsa")
    lost = account.signing()
    account.secrets.delete_secret(SecretId=f"video-app-{account.stage}-signing-key", ForceDeleteWithoutRecovery=True)

    assert account.keys().ensure("ecdsa") == group
    new = account.signing()
    assert account.trusted() == [lost, new], "links of the lost key are valid until they expire"
    account.rotate()
    assert (account.trusted(), account.public_keys()) == ([account.signing()], [account.signing()])


@pytest.mark.parametrize("late", [False, True])
def test_an_interrupted_rotation_resumes(new_account: Callable[[], Account], late: bool) -> None:
    for nth in itertools.count():
        account = new_account()
        account.keys().ensure("ecdsa")
        calls = itertools.count()
        clients = {
            "cloudfront": Interrupting(account.cloudfront, calls, nth, late),
            "secrets_manager": Interrupting(account.secrets, calls, nth, late),
        }
        try:
            account.rotate(**clients)
        except Interrupted:
            assert account.signing() in account.trusted()
            account.rotate()
        else:
            break

        assert account.trusted() == account.public_keys() == [account.signing()]
        assert all(key in trusted for trusted, key in account.waits)
        account.keys().delete()  # every list of keys has all of the emulator's
    assert nth > 10


@pytest.mark.parametrize("late", [False, True])
def test_an_interrupted_creation_of_keys_resumes(new_account: Callable[[], Account], late: bool) -> None:
    for nth in itertools.count():
        account = new_account()
        calls = itertools.count()
        clients = {
            "cloudfront": Interrupting(account.cloudfront, calls, nth, late),
            "secrets_manager": Interrupting(account.secrets, calls, nth, late),
        }
        try:
            account.keys(**clients).ensure("ecdsa")
        except Interrupted:
            account.keys().ensure("ecdsa")
        else:
            break

        assert account.trusted() == [account.signing()]
        account.keys().delete()
    assert nth > 3
