"""Two stages of everything in one AWS: both work at the same time and share no data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from contents import everything
from users import Author, User, pay
from waiting import until

from deploy import stages
from deploy.clone import begin
from deploy.delete import contents, delete
from deploy.errors import DeployError, NotDeleted

pytestmark = pytest.mark.alone

type Outputs = dict[str, Any]
ROOT = Path(__file__).parent.parent.parent
OTHER = "twin"


def sandbox_command(*arguments: str) -> None:
    command = [sys.executable, "-m", "sandbox", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def twin(sandbox: Outputs) -> Iterator[Outputs]:
    """The outputs of a clone of the sandbox's stage."""
    sandbox_command("clone", OTHER)
    yield json.loads((Path(os.environ["SANDBOX_DIR"]) / OTHER / "outputs.json").read_text())
    if stages.of(OTHER):
        sandbox_command("delete", OTHER)


def live(stage: Outputs, sign_up: Callable[..., User]) -> tuple[str, str]:
    """Use every app of a stage. Return a word that all the new data contains, and the buyer of a film."""
    word = uuid.uuid4().hex
    buyer = sign_up("video-app", stage)
    keep_todo(sign_up("todo-app", stage), word)
    publish_post(stage["blog-app"], word)
    buy_film(buyer)
    return word, buyer.email


def keep_todo(ann: User, word: str) -> None:
    with ann.api() as api:
        todo = api.post("/todos", json={"title": word}).json()
        assert api.get(f"/todos/{todo['id']}").json()["title"] == word
    folder = ann.folder()
    ann.s3().put_object(Bucket=folder["bucket"], Key=f"{folder['prefix']}{word}", Body=b"mine")
    assert httpx.get(ann.outputs["web"]).status_code == 200


def publish_post(blog: Outputs, word: str) -> None:
    post = {"title": word, "slug": word, "body_markdown": word, "tags": []}
    assert Author.of(blog).send("POST", "/posts", post).status_code == 201
    assert httpx.post(f"{blog['site']}/api/subscribers", json={"email": f"{word}@example.com"}).status_code == 202
    until(lambda: httpx.get(f"{blog['site']}/posts/{word}/").status_code == 200)


def buy_film(viewer: User) -> None:
    site, headers = viewer.outputs["cdn"], {"Authorization": viewer.id_token}
    with httpx.Client(base_url=f"{site}/api", headers=headers) as api:
        film = api.get("/videos").json()["items"][0]["id"]
        pay(api.post(f"/videos/{film}/checkout"))
        assert httpx.get(api.get(f"/videos/{film}/link").json()["url"]).content[4:8] == b"ftyp"
        until(lambda: api.get(f"/videos/{film}/receipt").json().get("sent_at"))


def mails(stage: Outputs, recipient: str) -> list[str]:
    """Return the senders of the mails to an address, as the stage's console shows them."""
    return [mail["Source"] for mail in httpx.get(f"{stage['console']}/mails.json").json() if recipient in mail["To"]]


def test_two_stages_run_at_once_and_share_no_data(
    sandbox: Outputs, twin: Outputs, sign_up: Callable[..., User]
) -> None:
    with ThreadPoolExecutor() as pool:
        (word, buyer), (other_word, other_buyer) = pool.map(lambda stage: live(stage, sign_up), (sandbox, twin))
    here, there = everything("test"), everything(OTHER)

    for own, foreign, mine in ((word, other_word, here), (other_word, word, there)):
        assert mine.count(own) >= 4, "a todo, a file, a post, a page, a subscriber"
        assert foreign not in mine
    for stage, reader, viewer in ((sandbox, word, buyer), (twin, other_word, other_buyer)):
        assert until(lambda: mails(stage, f"{reader}@example.com")) == [stage["blog-app"]["sender"]]  # noqa: B023
        assert mails(stage, viewer)[0] == stage["receipts-app"]["sender"]
    assert sandbox["receipts-app"]["sender"] != twin["receipts-app"]["sender"]
    assert not set(addresses(sandbox)) & set(addresses(twin))
    assert Author.of(sandbox["blog-app"]).send("DELETE", f"/posts/{word}").status_code == 204


def test_the_pages_of_both_stages_may_call_the_aws_and_no_other_page_may(sandbox: Outputs, twin: Outputs) -> None:
    pages = (sandbox["todo-app"]["web"], twin["todo-app"]["web"], "http://127.0.0.1:1")
    answers = [httpx.options(f"{twin['endpoint']}/", headers={"Origin": page}) for page in pages]

    assert [answer.status_code for answer in answers] == [200, 200, 403]


def addresses(stage: Outputs) -> list[str]:
    apps = [values for values in stage.values() if isinstance(values, dict)]
    return [values[name] for values in apps for name in ("api", "web", "site", "cdn") if name in values]


def test_a_user_of_one_stage_is_a_stranger_in_the_other(
    sandbox: Outputs, twin: Outputs, sign_up: Callable[..., User]
) -> None:
    ann = sign_up("todo-app", twin)

    foreign = httpx.get(f"{sandbox['todo-app']['api']}/todos", headers={"Authorization": ann.id_token})

    assert foreign.status_code == 401


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("nowhere", "feature", "there is no stage nowhere"),
        ("test", "test-2", "must not begin with"),
        ("test", "x-edge", "a stage has"),
        ("test", "Feature", "a stage has"),
        (OTHER, "test", "is not a clone of"),
    ],
)
def test_a_clone_cannot_take_the_name_of_a_stage(twin: Outputs, source: str, target: str, why: str) -> None:
    with pytest.raises(DeployError, match=why):
        begin(source, target)


def test_production_is_not_deleted_by_mistake() -> None:
    with pytest.raises(NotDeleted, match="FORCE=1"):
        delete("prod")


def test_a_deleted_stage_leaves_nothing_and_the_other_stage_still_works(twin: Outputs, ann: User) -> None:
    names = [name for _, name in contents(OTHER)]

    sandbox_command("delete", OTHER)

    assert len(names) >= 15
    assert stages.stacks_of(OTHER) == {}
    assert [name for name in every_name() if f"-{OTHER}" in name or f"/{OTHER}/" in name] == []
    assert not (Path(os.environ["SANDBOX_DIR"]) / OTHER).exists()
    with ann.api() as api:
        assert api.get("/todos").status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(twin["todo-app"]["web"])


def every_name() -> list[str]:
    """Return the names of everything that can outlive a stack: buckets, tables, pools, secrets, logs, keys."""
    client = boto3.client
    pools = client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    groups = client("cloudfront").list_key_groups()["KeyGroupList"].get("Items", [])
    regions = ("us-east-1", "eu-west-1")
    return [
        *(bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]),
        *(name for region in regions for name in client("dynamodb", region_name=region).list_tables()["TableNames"]),
        *(pool["Name"] for pool in pools),
        *(secret["Name"] for secret in client("secretsmanager").list_secrets()["SecretList"]),
        *(parameter["Name"] for parameter in client("ssm").describe_parameters()["Parameters"]),
        *(group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]),
        *(group["KeyGroup"]["KeyGroupConfig"]["Name"] for group in groups),
        *(
            identity["IdentityName"].replace("+", "-")
            for identity in client("sesv2").list_email_identities()["EmailIdentities"]
        ),
        *(key["Name"] for key in client("cloudfront").list_public_keys()["PublicKeyList"].get("Items", [])),
    ]
