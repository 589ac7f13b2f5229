"""Identity pools without guests, user names in any case, and addresses of other users."""

from __future__ import annotations

import itertools
import uuid
from functools import cache
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from localaws.testing import refusal

PASSWORD = "Passw0rd!"
GUEST = "NotAuthorizedException: Unauthenticated access is not supported for this identity pool."
numbers = itertools.count(1)


@cache
def client(endpoint: str, service: str, signed: bool = True) -> Any:
    config = Config(retries={"max_attempts": 0}) if signed else Config(signature_version=UNSIGNED)
    return boto3.client(service, endpoint_url=endpoint, config=config)


def identity(endpoint: str, guests: bool) -> str:
    """Ask for an identity without a login; return how it is refused."""
    made = client(endpoint, "cognito-identity").create_identity_pool(
        IdentityPoolName=f"pool-{next(numbers)}", AllowUnauthenticatedIdentities=guests
    )
    anonymous = client(endpoint, "cognito-identity", signed=False)
    return refusal(lambda: anonymous.get_id(IdentityPoolId=made["IdentityPoolId"]))


def test_a_pool_without_guests_gives_no_identity_without_a_login(emulator: str, bare_emulator: str) -> None:
    assert identity(emulator, guests=False) == GUEST
    assert identity(emulator, guests=True) == ""
    assert identity(bare_emulator, guests=False) == ""


class Pool:
    """A user pool with the user `ann@example.com`, whose name is its email address if *alias*."""

    def __init__(self, endpoint: str, case_sensitive: bool, alias: bool) -> None:
        self.idp = client(endpoint, "cognito-idp")
        self.id = self.idp.create_user_pool(
            PoolName=f"pool-{next(numbers)}",
            UsernameConfiguration={"CaseSensitive": case_sensitive},
            **({"UsernameAttributes": ["email"]} if alias else {}),
        )["UserPool"]["Id"]
        self.client_id = self.idp.create_user_pool_client(
            UserPoolId=self.id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        self.sign_up("ann@example.com")
        self.idp.admin_confirm_sign_up(UserPoolId=self.id, Username="ann@example.com")

    def call(self, action: str, **members: Any) -> str:
        """Call an administrator's action in this pool; return how it is refused."""
        return refusal(lambda: getattr(self.idp, action)(UserPoolId=self.id, **members))

    def sign_up(self, name: str) -> str:
        return refusal(lambda: self.idp.sign_up(ClientId=self.client_id, Username=name, Password=PASSWORD))

    def sign_in(self, name: str) -> str:
        return refusal(
            lambda: self.idp.initiate_auth(
                ClientId=self.client_id,
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
            )
        )


@pytest.mark.parametrize("alias", [True, False])
def test_a_pool_that_is_not_case_sensitive_has_one_user_of_a_name(
    emulator: str, bare_emulator: str, alias: bool
) -> None:
    pool, bare = (Pool(endpoint, case_sensitive=False, alias=alias) for endpoint in (emulator, bare_emulator))

    assert pool.sign_in("Ann@Example.COM") == ""
    assert pool.sign_up("ANN@example.com").startswith("UsernameExistsException")
    assert pool.sign_up("bob@example.com") == ""
    assert bare.sign_in("Ann@Example.COM") != ""
    assert bare.sign_up("ANN@example.com") == ""


def test_a_case_sensitive_pool_distinguishes_names(emulator: str) -> None:
    pool = Pool(emulator, case_sensitive=True, alias=False)

    assert pool.sign_in("Ann@Example.COM") != ""
    assert pool.sign_up("ANN@example.com") == ""


def test_a_pool_is_case_sensitive_unless_it_says_otherwise(emulator: str) -> None:
    idp = client(emulator, "cognito-idp")
    pool = idp.create_user_pool(PoolName="silent")["UserPool"]["Id"]
    idp.admin_create_user(UserPoolId=pool, Username="ann")

    assert refusal(lambda: idp.admin_get_user(UserPoolId=pool, Username="ANN")).startswith("UserNotFoundException")
    assert refusal(lambda: idp.admin_create_user(UserPoolId=pool, Username="ANN")) == ""


@pytest.mark.parametrize("alias", [True, False])
def test_administrators_name_users_in_any_case(emulator: str, bare_emulator: str, alias: bool) -> None:
    pool, bare = (Pool(endpoint, case_sensitive=False, alias=alias) for endpoint in (emulator, bare_emulator))
    name = "Ann@EXAMPLE.com"

    assert pool.call("admin_create_user", Username=name).startswith("UsernameExistsException")
    assert pool.call("admin_set_user_password", Username=name, Password=PASSWORD, Permanent=True) == ""
    assert pool.call("admin_disable_user", Username=name) == ""
    assert pool.call("admin_delete_user", Username=name) == ""
    assert pool.call("admin_get_user", Username="ann@example.com").startswith("UserNotFoundException")
    assert bare.call("admin_get_user", Username=name).startswith("UserNotFoundException")


def test_a_code_is_checked_for_a_name_in_any_case(emulator: str) -> None:
    pool = Pool(emulator, case_sensitive=False, alias=True)
    pool.sign_up("bob@example.com")

    refused = refusal(
        lambda: pool.idp.confirm_sign_up(ClientId=pool.client_id, Username="BOB@example.com", ConfirmationCode="000")
    )
    assert refused.startswith("CodeMismatchException")


def test_users_are_listed_by_an_address_in_any_case(emulator: str) -> None:
    pool = Pool(emulator, case_sensitive=False, alias=True)

    found = pool.idp.list_users(UserPoolId=pool.id, Filter='email = "ANN@example.com"')["Users"]
    assert [attribute["Value"] for attribute in found[0]["Attributes"] if attribute["Name"] == "email"] == [
        "ann@example.com"
    ]


class Ann:
    """A user of a pool of her own, whose second user is `bob@example.com`, with a verified address."""

    def __init__(self, endpoint: str, **settings: Any) -> None:
        self.idp = client(endpoint, "cognito-idp")
        self.pool = self.idp.create_user_pool(PoolName=f"pool-{next(numbers)}", **settings)["UserPool"]["Id"]
        app = self.idp.create_user_pool_client(
            UserPoolId=self.pool, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        self.names = []
        for person in ("ann", "bob"):
            email = f"{person}@example.com"
            verified = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
            name = email if "UsernameAttributes" in settings else person
            self.idp.admin_create_user(UserPoolId=self.pool, Username=name, UserAttributes=verified)
            self.idp.admin_set_user_password(UserPoolId=self.pool, Username=name, Password=PASSWORD, Permanent=True)
            self.names.append(name)
        self.token = self.idp.initiate_auth(
            ClientId=app,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": self.names[0], "PASSWORD": PASSWORD},
        )["AuthenticationResult"]["AccessToken"]

    def change(self, name: str, value: str) -> str:
        """Change an attribute of Ann's as herself; return how that is refused."""
        attributes = [{"Name": name, "Value": value}]
        return refusal(lambda: self.idp.update_user_attributes(AccessToken=self.token, UserAttributes=attributes))

    def change_by_administrator(self, name: str, value: str) -> str:
        attributes = [{"Name": name, "Value": value}]
        return refusal(
            lambda: self.idp.admin_update_user_attributes(
                UserPoolId=self.pool, Username=self.names[0], UserAttributes=attributes
            )
        )

    def attributes(self) -> dict[str, str]:
        got = self.idp.get_user(AccessToken=self.token)["UserAttributes"]
        return {attribute["Name"]: attribute["Value"] for attribute in got}


TAKEN = "AliasExistsException: An account with the given email already exists."


def test_the_address_of_another_user_cannot_be_taken(emulator: str, bare_emulator: str) -> None:
    pool = {"UsernameAttributes": ["email"], "UsernameConfiguration": {"CaseSensitive": False}}
    ann, bare = (Ann(endpoint, **pool) for endpoint in (emulator, bare_emulator))

    assert ann.change("email", "Bob@example.com") == TAKEN
    assert ann.change_by_administrator("email", "BOB@example.com") == TAKEN
    assert ann.change("email", "Ann@example.com") == ""
    assert ann.change("email", "anna@example.com") == ""
    assert ann.attributes()["email_verified"] == "false"
    assert bare.change("email", "bob@example.com") == ""


def test_an_alias_moves_only_with_a_verified_address(emulator: str, bare_emulator: str) -> None:
    ann, bare = (Ann(endpoint, AliasAttributes=["email"]) for endpoint in (emulator, bare_emulator))

    assert ann.change("email", "bob@example.com") == ""
    assert ann.attributes()["email_verified"] == "false"
    assert ann.idp.admin_get_user(UserPoolId=ann.pool, Username="bob@example.com")["Username"] == "bob"
    assert ann.change("email_verified", "true").startswith("NotAuthorizedException")
    bare.change("email", "bob@example.com")
    assert bare.attributes()["email_verified"] == "true"


def delivery(endpoint: str, **settings: Any) -> Any:
    """Sign up in a new pool; return where the code goes."""
    idp = client(endpoint, "cognito-idp")
    pool = idp.create_user_pool(PoolName=f"pool-{next(numbers)}", **settings)["UserPool"]["Id"]
    app = idp.create_user_pool_client(UserPoolId=pool, ClientName="web")["UserPoolClient"]["ClientId"]
    attributes = [{"Name": "email", "Value": "ann@example.com"}]
    signed_up = idp.sign_up(ClientId=app, Username="ann", Password=PASSWORD, UserAttributes=attributes)
    return signed_up.get("CodeDeliveryDetails", {}).get("Destination")


def test_a_code_goes_to_an_address_that_the_pool_verifies(emulator: str, bare_emulator: str) -> None:
    assert delivery(emulator) is None
    assert delivery(emulator, AutoVerifiedAttributes=["email"]) == "a***@e***"
    found = delivery(bare_emulator)
    assert found == "ann@example.com", "the emulator needs less of localaws/cognito/code_delivery.py"


def deleted(endpoint: str, number: int = 1) -> str:
    """Delete an identity with *number* - 1 others; return how that is refused, or how the identity then is."""
    identities = client(endpoint, "cognito-identity")
    pool = identities.create_identity_pool(
        IdentityPoolName=f"pool-{next(numbers)}", AllowUnauthenticatedIdentities=True
    )
    made = client(endpoint, "cognito-identity", signed=False).get_id(IdentityPoolId=pool["IdentityPoolId"])[
        "IdentityId"
    ]
    assert identities.describe_identity(IdentityId=made)["IdentityId"] == made
    others = [f"us-east-1:{uuid.uuid4()}" for _ in range(number - 1)]
    if refused := refusal(lambda: identities.delete_identities(IdentityIdsToDelete=[made, *others])):
        return refused
    return refusal(lambda: identities.describe_identity(IdentityId=made))


def test_identities_are_deleted_sixty_at_a_time(emulator: str, bare_emulator: str) -> None:
    assert deleted(emulator).startswith("ResourceNotFoundException")
    assert deleted(emulator, 60).startswith("ResourceNotFoundException")
    assert deleted(emulator, 61).startswith("ValidationException")
    assert deleted(bare_emulator).startswith("InvalidAction")
