"""Users whom an administrator creates: nobody signs up beside them, and each chooses a password after the first."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from localaws import serve
from localaws.clock.client import turned
from localaws.testing import refusal

EMAIL = "ann@example.com"
TEMPORARY, CHOSEN = "Temporary-pass-1", "Correct-horse-1"
INVALID = "NotAuthorizedException: Invalid session for the user"
NO_RESET = "NotAuthorizedException: User password cannot be reset in the current state."
numbers = itertools.count(1)


class Pool:
    """A pool for administrators only, with one user who has a temporary password."""

    def __init__(self, endpoint: str) -> None:
        self.idp: Any = boto3.client("cognito-idp", endpoint_url=endpoint)
        self.anonymous: Any = boto3.client(
            "cognito-idp", endpoint_url=endpoint, config=Config(signature_version=UNSIGNED)
        )
        self.id = self.idp.create_user_pool(
            PoolName=f"admins-{next(numbers)}",
            UsernameAttributes=["email"],
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
        )["UserPool"]["Id"]
        self.client_id = self.idp.create_user_pool_client(
            UserPoolId=self.id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        self.invite(EMAIL)

    def invite(self, email: str) -> None:
        self.idp.admin_create_user(
            UserPoolId=self.id, Username=email, TemporaryPassword=TEMPORARY, MessageAction="SUPPRESS"
        )

    def sign_up(self) -> str:
        return refusal(
            lambda: self.anonymous.sign_up(ClientId=self.client_id, Username="eve@example.com", Password=CHOSEN)
        )

    def sign_in(self, email: str = EMAIL, password: str = TEMPORARY) -> dict[str, Any]:
        answer: dict[str, Any] = self.anonymous.initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        return answer

    def choose(self, session: str | None, password: str = CHOSEN) -> str:
        """Choose the password of the user; return how that is refused."""
        return refusal(
            lambda: self.anonymous.respond_to_auth_challenge(
                ClientId=self.client_id,
                ChallengeName="NEW_PASSWORD_REQUIRED",
                ChallengeResponses={"USERNAME": EMAIL, "NEW_PASSWORD": password},
                **({"Session": session} if session else {}),
            )
        )

    def forget(self) -> str:
        return refusal(lambda: self.anonymous.forgot_password(ClientId=self.client_id, Username=EMAIL))

    def reset(self) -> str:
        return refusal(lambda: self.idp.admin_reset_user_password(UserPoolId=self.id, Username=EMAIL))


@pytest.fixture
def pool(emulator: str) -> Pool:
    return Pool(emulator)


def test_nobody_signs_up_in_a_pool_for_administrators_only(pool: Pool, bare_emulator: str) -> None:
    assert pool.sign_up() == "NotAuthorizedException: SignUp is not permitted for this user pool"
    assert Pool(bare_emulator).sign_up() == ""


def test_a_new_password_needs_the_session_of_the_users_own_sign_in(pool: Pool, bare_emulator: str) -> None:
    pool.invite("bob@example.com")
    of_another = pool.sign_in("bob@example.com")["Session"]
    own = pool.sign_in()
    assert own["ChallengeName"] == "NEW_PASSWORD_REQUIRED"

    assert pool.choose(None) == "InvalidParameterException: Missing required parameter Session"
    assert pool.choose("x" * 44) == f"{INVALID}."
    assert pool.choose(of_another) == f"{INVALID}."
    assert pool.choose(own["Session"], "short").startswith("InvalidPasswordException: Password did not conform")
    assert pool.choose(own["Session"]) == ""
    assert pool.choose(own["Session"]) == f"{INVALID}."
    assert "AuthenticationResult" in pool.sign_in(password=CHOSEN)
    found = Pool(bare_emulator).choose("x" * 44)
    assert found == "", "the emulator needs less of localaws/cognito/admin_created_users.py"


def test_a_user_with_a_temporary_password_has_none_to_reset(pool: Pool, bare_emulator: str) -> None:
    assert (pool.forget(), pool.reset()) == (NO_RESET, NO_RESET)
    assert (Pool(bare_emulator).forget(), Pool(bare_emulator).reset()) == ("", "")

    pool.choose(pool.sign_in()["Session"])

    assert pool.forget() == ""


def test_a_session_ends_after_three_minutes(tmp_path: Path) -> None:
    with serve.emulator(tmp_path) as endpoint:  # of its own, because its clock is turned
        pool = Pool(endpoint)
        session = pool.sign_in()["Session"]

        turned(endpoint, 181)

        assert pool.choose(session) == f"{INVALID}, session is expired."
