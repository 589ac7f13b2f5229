"""The page of an app in its bucket, and the edge that is told what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from deploy import apps, site, stacks
from deploy.errors import NotPublished

BUCKET = "todo-app-unit-site"
POLICY = "default-src 'none'; connect-src 'self' https://aws.example; frame-ancestors 'none'; base-uri 'none'"
META = '<meta http-equiv="Content-Security-Policy" content="{}">'
PAGES = (
    "todo-app/web/index.html",
    "pipeline-app/web/index.html",
    "pipeline-app/web/sign-in.html",
    "video-app/web/index.html",
)
OUTPUTS = {
    "todo-app-unit-resources": {"SiteBucket": BUCKET, "UserPoolId": "pool", "UserPoolClientId": "client"},
    "todo-app-unit-edge": {"DistributionId": "E1", "SiteUrl": "https://todo.example"},
    "blog-app-unit-resources": {"SiteUrl": "https://blog.example"},
    "blog-app-unit-edge": {"DistributionId": "E2", "DistributionDomain": "d2.cloudfront.net"},
}


@pytest.fixture(scope="module")
def policy(emulator: str) -> str:
    """The id of a response headers policy."""
    security = {"ContentSecurityPolicy": {"Override": True, "ContentSecurityPolicy": POLICY}}
    config: Any = {"Name": "todo-app-unit", "SecurityHeadersConfig": security}
    cloudfront = boto3.client("cloudfront", endpoint_url=emulator)
    made = cloudfront.create_response_headers_policy(ResponseHeadersPolicyConfig=config)
    return str(made["ResponseHeadersPolicy"]["Id"])


@pytest.fixture
def web(emulator: str, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the page of todo-app, whose stacks exist."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    monkeypatch.setattr(stacks, "outputs", lambda name, **_: OUTPUTS[name])
    monkeypatch.setattr(stacks, "resources", lambda name: {"Headers": ("", policy)})
    monkeypatch.setattr(site, "ROOT", tmp_path)
    folder = tmp_path / "todo-app" / "web"
    folder.mkdir(parents=True)
    for name in ("index.html", "app.js"):
        (folder / name).write_text(name)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    yield folder
    for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def invalidated(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The keys of each invalidation."""
    batches: list[list[str]] = []
    monkeypatch.setattr(site, "_invalidate", lambda distribution, keys: batches.append(list(keys)))
    return batches


def test_a_page_is_published_with_the_addresses_of_its_stage(web: Path, invalidated: list[list[str]]) -> None:
    published = site.publish("todo-app", "unit", console="http://console")

    config = json.load(boto3.client("s3").get_object(Bucket=BUCKET, Key="config.json")["Body"])
    assert config == {
        **{"api": "/api", "region": "us-east-1", "console": "http://console"},
        **{"user_pool_id": "pool", "user_pool_client_id": "client"},
    }
    assert published == {"page": "https://todo.example", **config}
    assert invalidated == [], "nothing is cached yet"

    (web / "app.js").write_text("new")
    site.publish("todo-app", "unit")
    site.publish("todo-app", "unit")
    (web / "app.js").unlink()
    site.publish("todo-app", "unit")

    assert invalidated == [["app.js"], ["app.js"]]


def test_a_page_is_published_with_the_policy_of_its_edge(web: Path, invalidated: list[list[str]]) -> None:
    (web / "index.html").write_text(f"<head>{META.format("default-src 'self'")}</head>")

    site.publish("todo-app", "unit")

    page = boto3.client("s3").get_object(Bucket=BUCKET, Key="index.html")["Body"].read().decode()
    written = "default-src 'none'; connect-src 'self' https://aws.example; base-uri 'none'"
    assert page == f"<head>{META.format(written)}</head>"


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_a_place_for_the_policy_of_its_edge(page: str) -> None:
    written = site.with_policy((apps.ROOT / page).read_bytes(), POLICY).decode()

    assert "connect-src 'self' https://aws.example" in written
    assert "Content-Security-Policy" in written.split("<script")[0], "it applies to what follows"


@pytest.mark.parametrize("app", ["todo-app", "pipeline-app", "video-app", "blog-app"])
def test_an_edge_lets_a_page_call_only_the_hosts_that_it_needs_and_nobody_frame_it(app: str) -> None:
    headers = apps.template(app, "edge")["Resources"]["Headers"]["Properties"]["ResponseHeadersPolicyConfig"]
    policy = headers["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    text = policy if isinstance(policy, str) else policy["Fn::Sub"][0]
    directives = dict(part.partition(" ")[::2] for part in text.split("; "))

    assert directives["connect-src"].partition(" ")[0] == directives["script-src"] == "'self'"
    assert directives["default-src"] == directives["frame-ancestors"] == "'none'"
    assert "*" not in json.dumps(policy)


def test_the_documents_name_every_header_of_the_edge() -> None:
    security = apps.template("todo-app", "edge")["Resources"]["Headers"]["Properties"]["ResponseHeadersPolicyConfig"]
    values = {
        "ContentSecurityPolicy": "`Content-Security-Policy`",
        "ContentTypeOptions": "`X-Content-Type-Options: nosniff`",
        "FrameOptions": "`X-Frame-Options: DENY`",
        "ReferrerPolicy": "`Referrer-Policy: same-origin`",
        "StrictTransportSecurity": "`Strict-Transport-Security: max-age=31536000; includeSubDomains`",
    }
    text = (apps.ROOT / "docs" / "deploying.md").read_text()

    for header in security["SecurityHeadersConfig"]:
        assert values[header] in text


def test_a_page_whose_stage_has_no_users_any_more_names_no_pool(
    web: Path, invalidated: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish("todo-app", "unit", console="http://console")
    monkeypatch.setitem(OUTPUTS, "todo-app-unit-resources", {"SiteBucket": BUCKET})

    site.publish("todo-app", "unit")

    config = json.load(boto3.client("s3").get_object(Bucket=BUCKET, Key="config.json")["Body"])
    assert config == {"api": "/api", "region": "us-east-1", "console": "http://console"}
    assert invalidated == [["config.json"]]


def test_an_interrupted_publication_invalidates_the_rest_when_it_is_repeated(
    web: Path, invalidated: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish("todo-app", "unit")
    (web / "app.js").write_text("new")
    with monkeypatch.context() as patched:

        def killed(*arguments: Any) -> None:
            raise KeyboardInterrupt

        patched.setattr(site, "_invalidate", killed)
        with pytest.raises(KeyboardInterrupt):
            site.publish("todo-app", "unit")

    site.publish("todo-app", "unit")

    assert invalidated == [["app.js"]]


class Functions:
    """A Lambda client whose functions give *answer*."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.invoked: list[tuple[str, dict[str, Any]]] = []

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:
        self.invoked.append((FunctionName, json.loads(Payload)))
        return self.answer


def test_a_site_that_a_function_makes_is_published_at_once(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = Functions({})
    monkeypatch.setattr(site, "client", lambda *_, **__: functions)
    monkeypatch.setattr(stacks, "resources", lambda name: {"PublishRegularly": ("AWS::Lambda::Function", f"{name}-f")})

    assert site.publish("blog-app", "unit") == {"page": "https://blog.example"}

    [(function, event)] = functions.invoked
    assert function == "blog-app-unit-f"
    assert event["detail-type"] == "Scheduled Event"

    class Body:
        def read(self) -> bytes:
            return b'{"errorMessage": "no posts table"}'

    functions.answer = {"FunctionError": "Unhandled", "Payload": Body()}
    with pytest.raises(NotPublished, match=r"blog-app-unit-f failed: .*no posts table"):
        site.publish("blog-app", "unit")


def test_the_function_is_one_of_the_app() -> None:
    assert apps.site_metadata("blog-app")["Function"] in apps.template("blog-app", "app")["Resources"]
    assert apps.site_metadata("receipts-app") == {}
