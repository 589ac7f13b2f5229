"""The pipeline's dashboard in a stage whose reads are closed: the user pool is real, and the API is a stub."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from page_server import serve_page
from phone import PHONE, fits
from pipeline_stub import API, Pipeline
from playwright.sync_api import Page, Route, expect

AWS = "http://aws.test"
TEMPORARY, CHOSEN = "Temporary-pass-1", "Correct-horse-1"
numbers = itertools.count(1)


class Readers:
    """The user pool of resources.yaml, as far as signing in depends on it."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        key = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}  # not that of the sandbox
        self.idp: Any = boto3.client("cognito-idp", "us-east-1", endpoint_url=endpoint, **key)
        self.id = self.idp.create_user_pool(
            PoolName="readers",
            UsernameAttributes=["email"],
            AutoVerifiedAttributes=["email"],
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
            Policies={"PasswordPolicy": {"MinimumLength": 12, "RequireSymbols": False}},
        )["UserPool"]["Id"]
        self.client_id = self.idp.create_user_pool_client(
            UserPoolId=self.id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]

    def invite(self) -> str:
        """Make a user as an administrator does; return the address."""
        email = f"reader-{next(numbers)}@example.com"
        attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
        self.idp.admin_create_user(
            UserPoolId=self.id,
            Username=email,
            TemporaryPassword=TEMPORARY,
            UserAttributes=attributes,
            MessageAction="SUPPRESS",
        )
        return email

    def sign_out_everywhere(self, email: str) -> None:
        self.idp.admin_user_global_sign_out(UserPoolId=self.id, Username=email)

    def answer(self, route: Route) -> None:
        """Answer a request of the page by the emulator, which allows no page of a test."""
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
        if route.request.method == "OPTIONS":
            route.fulfill(headers=headers)
            return
        sent = {name: route.request.headers[name] for name in ("content-type", "x-amz-target")}
        answer = httpx.post(self._endpoint, content=route.request.post_data_buffer or b"", headers=sent)
        route.fulfill(status=answer.status_code, headers=headers, body=answer.content)

    def accepts(self, token: str) -> bool:
        """Return whether it is an ID token of this pool."""
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims["token_use"] == "id" and claims["aud"] == self.client_id


class ClosedPipeline(Pipeline):
    """Answers 401 as API Gateway does, unless the request has a token that *accepts* accepts."""

    def __init__(self, accepts: Callable[[str], bool]) -> None:
        super().__init__(5)
        self.accepts = accepts

    def answer(self, route: Route) -> None:
        token = route.request.headers.get("authorization")
        if route.request.method == "OPTIONS" or (token and self.accepts(token)):
            super().answer(route)
        else:
            refusal = {"Code": "Unauthorized", "Message": "the token is missing, expired or not of this pool"}
            route.fulfill(status=401, headers={"Access-Control-Allow-Origin": "*"}, json=refusal)


@pytest.fixture(scope="module")
def readers(emulator: str) -> Readers:
    return Readers(emulator)


@pytest.fixture
def pipeline(readers: Readers) -> ClosedPipeline:
    return ClosedPipeline(readers.accepts)


@pytest.fixture(scope="module")
def site(readers: Readers, free_port: Callable[[], int]) -> Iterator[str]:
    config = {"api": API, "region": "us-east-1", "user_pool_client_id": readers.client_id, "endpoint": AWS}
    with serve_page("pipeline-app", free_port(), config) as url:
        yield url


@pytest.fixture
def open_page(new_page: Callable[..., Page], site: str, readers: Readers, pipeline: Pipeline) -> Callable[..., Page]:
    """Return a function that opens the dashboard."""

    def open_page(**options: Any) -> Page:
        page = new_page(**options)
        page.route(f"{API}/**", pipeline.answer)
        page.route(f"{AWS}/**", readers.answer)
        page.goto(site)
        return page

    return open_page


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


def sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def choose(page: Page, password: str) -> None:
    expect(page.get_by_role("heading", name="Choose your own password")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Save password").click()


def live(page: Page) -> Page:
    expect(page.get_by_text("Live", exact=True).first).to_be_visible()
    return page


def signed_in(page: Page, email: str) -> Page:
    sign_in(page, email, TEMPORARY)
    choose(page, CHOSEN)
    return live(page)


def test_a_reader_replaces_the_temporary_password_reads_signs_out_and_signs_in_again(
    page: Page, readers: Readers, pipeline: ClosedPipeline
) -> None:
    email = readers.invite()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("link", name="Create an account")).to_have_count(0)
    assert pipeline.requested == []
    sign_in(page, email, TEMPORARY)
    choose(page, CHOSEN)
    expect(page.get_by_role("list", name="Devices").get_by_role("button")).to_have_count(5)
    live(page)
    expect(page.get_by_text(email)).to_be_visible()

    page.reload()
    live(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    sign_in(page, email, TEMPORARY)
    expect(page.get_by_text("The email address or password is incorrect.")).to_be_visible()
    sign_in(page, email, CHOSEN)
    live(page)


def test_a_new_password_that_the_pool_rejects_or_that_comes_late_is_explained(page: Page, readers: Readers) -> None:
    sign_in(page, readers.invite(), TEMPORARY)

    choose(page, "short")
    assert "Still missing" in page.get_by_label("Password", exact=True).evaluate("field => field.validationMessage")
    page.route(f"{AWS}/**", _expired)
    choose(page, CHOSEN)
    expect(page.get_by_text("This took too long.")).to_be_visible()
    page.unroute(f"{AWS}/**", _expired)
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page).to_have_url(re.compile("#sign-in$"))


def _expired(route: Route) -> None:
    message = "Invalid session for the user, session is expired."
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
    route.fulfill(status=400, headers=headers, json={"__type": "NotAuthorizedException", "message": message})


def test_a_session_that_ended_elsewhere_leads_to_the_sign_in(
    page: Page, readers: Readers, pipeline: ClosedPipeline
) -> None:
    email = readers.invite()
    signed_in(page, email)

    readers.sign_out_everywhere(email)
    pipeline.accepts = lambda token: False

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="Your session has ended.")).to_be_visible()


def test_a_token_that_the_api_rejects_is_renewed_silently(
    page: Page, readers: Readers, pipeline: ClosedPipeline
) -> None:
    signed_in(page, readers.invite())
    rejected = page.evaluate("JSON.parse(sessionStorage.getItem('session')).idToken")

    pipeline.accepts = lambda token: token != rejected and readers.accepts(token)

    page.wait_for_function("token => JSON.parse(sessionStorage.getItem('session')).idToken !== token", arg=rejected)
    live(page)


def test_the_sign_in_fits_a_phone(open_page: Callable[..., Page], readers: Readers) -> None:
    page = open_page(**PHONE)

    fits(page, "sign-in")
    sign_in(page, readers.invite(), TEMPORARY)
    expect(page.get_by_role("heading", name="Choose your own password")).to_be_visible()
    fits(page, "choose")
    choose(page, CHOSEN)
    live(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.get_by_role("button", name="Sign out").bounding_box()["height"] >= 44  # type: ignore[index]
