"""`chalice deploy` as its users type it, twice. The function has no more rights than its policy file says."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from users import Author, User, anonymous
from waiting import is_empty, until

from deploy import apps

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parent.parent.parent
ACCOUNT = "000000000000"
STATEMENTS = json.loads((ROOT / "todo-app/.chalice/policies/api-handler.json").read_text())["Statement"]
# The emulator does not authorize logs and traces. This deployment does not use DAX.
ACTIONS = [
    action
    for statement in STATEMENTS
    if statement["Sid"] in ("Todos", "Lists", "SignedUploads")
    for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
]


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def clone(app: str, folder: Path) -> Path:
    """Copy *app*, so that Chalice's record of the deployment does not mix with the developer's."""
    shutil.copytree(ROOT / "common", folder / "common", dirs_exist_ok=True)
    # Chalice's cached zip does not notice a renamed file.
    ignored = shutil.ignore_patterns("deployed", "deployments", "stages")
    project = folder / app
    shutil.copytree(ROOT / app, project, symlinks=True, ignore=ignored)
    stages = project / "chalicelib/stages"
    stages.mkdir()
    shutil.copy(ROOT / app / "chalicelib/stages/test.json", stages / "local.json")
    (project / ".chalice/policies/local").mkdir(exist_ok=True)
    for file in (ROOT / app / ".chalice/policies/test").glob("*.json"):
        (project / ".chalice/policies/local" / file.name).write_text(as_local(file))
    return project


def as_local(file: Path) -> str:
    """Return a policy of the stage *test*, whose resources the deployment uses, for a deployment named *local*."""
    return file.read_text().replace("parameter/test/", "parameter/local/")


def policy_of(app: str) -> dict[str, Any]:
    """Return the policy of the function that answers an API, as `chalice deploy` gives it to its role."""
    policy: dict[str, Any] = json.loads(as_local(ROOT / app / ".chalice/policies/test/api-handler.json"))
    return policy


def admit(access_key: str, url: str) -> None:
    """Let the owner of an access key call the API at *url*, which is another one than that of its stage."""
    iam, api = boto3.client("iam"), url.rstrip("/").split("/")[-2]
    user = iam.get_access_key_last_used(AccessKeyId=access_key)["UserName"]
    resource = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/*"
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=user, PolicyName=api, PolicyDocument=document)


CHALICE = (str(Path(sys.executable).with_name("chalice")),)


def chalice_deploy(project: Path, endpoint: str, command: tuple[str, ...] = apps.CHALICE) -> str:
    """Run `chalice deploy --stage local` and return the address of the API. The default is what `make deploy` runs."""
    subprocess.run(
        [*command, "deploy", "--stage", "local"],
        cwd=project,
        check=True,
        capture_output=True,
        env=os.environ
        | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DATA_PATH": str(ROOT / "localaws/botodata"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(ROOT),
        },
    )
    resources = json.loads((project / ".chalice/deployed/local.json").read_text())["resources"]
    api = next(r["rest_api_id"] for r in resources if r["resource_type"] == "rest_api")
    return f"{endpoint}/_aws/execute-api/{api}/api"


@pytest.fixture(scope="module")
def url(sandbox: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of todo-app, deployed twice."""
    project = clone("todo-app", tmp_path_factory.mktemp("clone"))
    first = chalice_deploy(project, sandbox["endpoint"], CHALICE)
    assert chalice_deploy(project, sandbox["endpoint"], CHALICE) == first, (
        "a deployment that is repeated keeps its address"
    )
    return first


ALL_GOOD = [201, 200, 200, 200, 200, 204, 201, 204]


def use(url: str, user: User) -> list[int]:
    """Call every route, with and without an idempotency key, and return the statuses."""
    with httpx.Client(base_url=url, headers={"Authorization": user.id_token}) as api:
        created = api.post("/todos", json={"title": "Milk"})
        path = f"/todos/{created.json().get('id', 'none')}"
        answers = [
            created,
            api.get("/todos"),
            api.get("/todos?done=true"),
            api.get(path),
            api.patch(path, json={"done": True}),
            api.delete(path),
            api.post("/todos", json={"title": "Milk"}, headers={"Idempotency-Key": path}),
            upload(api),
        ]
    return [answer.status_code for answer in answers]


def upload(api: httpx.Client) -> httpx.Response:
    answer = api.post("/files", json={"name": "a.txt", "content_type": "text/plain", "size": 5})
    if answer.status_code != 201:
        return answer
    signed = answer.json()
    return httpx.post(signed["url"], data=signed["fields"], files={"file": ("a.txt", b"12345")})


def test_the_app_answers_at_the_address_that_chalice_printed(url: str, ann: User) -> None:
    assert use(url, ann) == ALL_GOOD
    assert httpx.get(f"{url}/todos").status_code == 401


@pytest.mark.parametrize("action", ACTIONS)
def test_the_function_needs_every_action_of_its_policy(
    url: str, ann: User, sandbox: dict[str, Any], action: str
) -> None:
    iam = boto3.client("iam", endpoint_url=sandbox["endpoint"])
    role = "todo-app-local-api_handler"
    name = iam.list_role_policies(RoleName=role)["PolicyNames"][0]
    policy = policy_of("todo-app")
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(without(action, policy)))

    statuses = use(url, ann)

    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
    assert {500, 403} & set(statuses), statuses
    assert use(url, ann) == ALL_GOOD


def test_the_blog_with_all_its_triggers_is_deployed_twice(sandbox: dict[str, Any], tmp_path: Path) -> None:
    blog = sandbox["blog-app"]
    project = clone("blog-app", tmp_path)

    url = chalice_deploy(project, sandbox["endpoint"])
    assert chalice_deploy(project, sandbox["endpoint"]) == url

    assert httpx.get(f"{url}/posts").json() == httpx.get(f"{blog['api']}/posts").json()
    assert Author.of(blog | {"api": url}).send("DELETE", "/posts/none").status_code == 403, "the API of another stage"
    admit(blog["author_access_key_id"], url)
    assert Author.of(blog | {"api": url}).send("DELETE", "/posts/none").status_code == 404
    s3 = boto3.client("s3", endpoint_url=sandbox["endpoint"])
    attached = s3.get_bucket_notification_configuration(Bucket=blog["photos_bucket"])
    prefixes = {
        rule["Value"]
        for function in attached["LambdaFunctionConfigurations"]
        for rule in function["Filter"]["Key"]["FilterRules"]
        if rule["Name"].lower() == "prefix"
    }
    assert prefixes == {"uploads/", "thumbnails/"}
    assert "EventBridgeConfiguration" in attached, "what attaches the packaged app stays"
    environment = os.environ | {"AWS_ENDPOINT_URL": sandbox["endpoint"]}
    subprocess.run(
        [*CHALICE, "delete", "--stage", "local"], cwd=project, check=True, capture_output=True, env=environment
    )


# The shop: one function under `chalice deploy`, two functions in production.

SHOP_RIGHTS = [
    (statement["Sid"], action)
    for statement in json.loads((ROOT / "video-app/.chalice/policies/api-handler.json").read_text())["Statement"]
    if statement["Sid"] not in ("Logs", "Traces")
    for action in as_list(statement["Action"])
    if (statement["Sid"], action) != ("Breakers", "dynamodb:UpdateItem")  # only while receipts-app is down
]

SHOP_REMEMBERS = {"PaymentKeys", "SigningKeyWhereOneFunctionDoesAll", "OtherServices", "Breakers"}
"""A container keeps these values for a while, so only a new one needs the right at once."""


@pytest.fixture(scope="module")
def shop_url(sandbox: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of video-app, deployed twice. Afterwards it gets no events of other tests' payments."""
    project = clone("video-app", tmp_path_factory.mktemp("clone"))
    ssm = boto3.client("ssm", endpoint_url=sandbox["endpoint"])
    ssm.put_parameter(Name="/local/receipts-app/api", Value=sandbox["receipts-app"]["api"], Type="String")
    first = chalice_deploy(project, sandbox["endpoint"])
    assert chalice_deploy(project, sandbox["endpoint"]) == first
    admit(sandbox["video-app"]["owner_access_key_id"], first)
    yield first
    functions = boto3.client("lambda", endpoint_url=sandbox["endpoint"])
    mappings = functions.list_event_source_mappings(FunctionName="video-app-local-publish_purchases")
    for mapping in mappings["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])


class Shop:
    """A user and the owner of the shop at *url*."""

    def __init__(self, url: str, user: User) -> None:
        self._url = url
        self._user = user
        self._owner = Author.of(user.outputs | {"api": url}, "owner")
        self._webhook_secret = user.outputs["payments_webhook_secret"]
        cognito = anonymous("cognito-idp", user.endpoint)
        self._sub = str(cognito.get_user(AccessToken=user.access_token)["Username"])

    def use(self) -> list[int]:
        """Call every route and return the statuses."""
        with httpx.Client(base_url=self._url, headers={"Authorization": self._user.id_token}) as api:
            video_id, published = self._publish()
            paths = ["", "/link", "/checkout", "/session"]
            video, link, checkout, session = (f"/videos/{video_id}{path}" for path in paths)
            return [
                *published,
                api.get("/videos").status_code,
                api.get(video).status_code,
                api.get("/plans").status_code,
                api.get("/premium").status_code,
                api.post(checkout).status_code,
                self._tell(f"video:{video_id}"),
                api.get("/library").status_code,
                self._receipt(api, video),
                api.get(link).status_code,
                api.post(session).status_code,  # there is no HLS
                self._owner.send("DELETE", video).status_code,
            ]

    def _receipt(self, api: httpx.Client, video: str) -> int:
        """Request a receipt that does not exist, because the event has no address. receipts-app may be cold."""
        for _ in range(5):
            status = api.get(f"{video}/receipt").status_code
            if status != 503:
                break
            time.sleep(1)
        return status

    def _publish(self) -> tuple[str, list[int]]:
        files = [{"name": "video.mp4", "size": 1}, {"name": "poster.jpg", "size": 1}]
        new = {"title": "T", "price": 100, "currency": "usd", "duration": 1, "files": files}
        created = self._owner.send("POST", "/videos", new)
        if created.status_code != 201:
            return "none", [created.status_code]
        uploads = []
        for upload in created.json()["uploads"]:
            sent = httpx.put(upload["parts"][0]["url"], content=b"x")
            uploads.append({"name": upload["name"], "etags": [sent.headers.get("ETag", "none")]})
        video_id = created.json()["id"]
        published = self._owner.send("POST", f"/videos/{video_id}/publish", {"uploads": uploads})
        return video_id, [created.status_code, published.status_code]

    def _tell(self, item: str) -> int:
        """Send the event of the user's payment."""
        at = int(time.time())
        metadata = {"user": self._sub, "item": item, "stage": "local"}
        about = {"payment_status": "paid", "payment_intent": f"pi_{uuid.uuid4().hex}", "metadata": metadata}
        event = {"type": "checkout.session.completed", "created": at, "data": {"object": about}}
        body = json.dumps(event)
        digest = hmac.new(self._webhook_secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={at},v1={digest}", "Content-Type": "application/json"}
        return httpx.post(f"{self._url}/payments/webhook", content=body, headers=headers).status_code


SHOP_ALL_GOOD = [201, 200, 200, 200, 200, 200, 201, 200, 200, 404, 200, 404, 204]


def test_the_shop_answers_at_its_address_and_needs_every_right_of_its_policy(
    shop_url: str, sign_up: Callable[..., User], sandbox: dict[str, Any]
) -> None:
    iam = boto3.client("iam", endpoint_url=sandbox["endpoint"])
    functions = boto3.client("lambda", endpoint_url=sandbox["endpoint"])
    role = "video-app-local-api_handler"
    name = iam.list_role_policies(RoleName=role)["PolicyNames"][0]
    shop = Shop(shop_url, sign_up("video-app"))

    def allow(policy: dict[str, Any]) -> None:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))

    assert shop.use() == SHOP_ALL_GOOD
    for sid, action in SHOP_RIGHTS:
        allow(without_right(sid, action))
        if sid in SHOP_REMEMBERS:
            functions.update_function_configuration(FunctionName="video-app-local", Timeout=28)
            functions.get_waiter("function_updated_v2").wait(
                FunctionName="video-app-local", WaiterConfig={"Delay": 0.1}
            )
        assert {500, 403} & set(shop.use()), (sid, action)
    allow(policy_of("video-app"))
    assert shop.use() == SHOP_ALL_GOOD


def without_right(sid: str, action: str) -> dict[str, Any]:
    """Return the shop's policy without *action* in the statement *sid*."""
    policy, statements = policy_of("video-app"), []
    for statement in policy["Statement"]:
        kept = [a for a in as_list(statement["Action"]) if (statement["Sid"], a) != (sid, action)]
        statements += [statement | {"Action": kept}] if kept else []
    return policy | {"Statement": statements}


def test_the_pipeline_with_all_its_triggers_is_deployed_twice_and_needs_its_rights(
    sandbox: dict[str, Any], tmp_path: Path
) -> None:
    pipeline = sandbox["pipeline-app"]
    project = clone("pipeline-app", tmp_path)

    url = chalice_deploy(project, sandbox["endpoint"])
    assert chalice_deploy(project, sandbox["endpoint"]) == url

    functions = boto3.client("lambda")
    for mapping in functions.list_event_source_mappings(FunctionName="pipeline-app-local-run_reports")[
        "EventSourceMappings"
    ]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], MaximumBatchingWindowInSeconds=1)
    put_a_reading(pipeline, sandbox["endpoint"])
    device = until(lambda: found(f"{url}/devices/deployed-pump"))
    assert httpx.get(f"{pipeline['api']}/devices/deployed-pump").json() == device
    paths = (
        "/devices",
        "/devices/deployed-pump",
        "/alerts",
        "/reports",
        "/status",
        "/reports/hourly?period=2030-01-01",
    )
    iam = boto3.client("iam", endpoint_url=sandbox["endpoint"])
    role = "pipeline-app-local-api_handler"
    name = iam.list_role_policies(RoleName=role)["PolicyNames"][0]
    policy = policy_of("pipeline-app")
    for action in ("dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:GetItem"):
        denied = json.dumps(without(action, policy))
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=denied)
        statuses = {httpx.get(url + path).status_code for path in paths}
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
        assert 500 in statuses, action
    assert {httpx.get(url + path).status_code for path in paths} <= {200, 404}
    # Messages that a deleted function had received would stay hidden for long.
    until(lambda: found(f"{url}/reports/hourly?period={datetime.now(UTC):%Y-%m-%d}&device_id=deployed-pump"))
    until(lambda: is_empty(pipeline["batches_queue"]))
    environment = os.environ | {"AWS_ENDPOINT_URL": sandbox["endpoint"]}
    subprocess.run(
        [*CHALICE, "delete", "--stage", "local"], cwd=project, check=True, capture_output=True, env=environment
    )


def put_a_reading(pipeline: dict[str, Any], endpoint: str) -> None:
    reading = {"device_id": "deployed-pump", "metric": "temperature", "value": 1, "ts": time.time(), "seq": 1}
    kinesis = boto3.client("kinesis", endpoint_url=endpoint)
    kinesis.put_record(StreamName=pipeline["stream"], Data=json.dumps(reading).encode(), PartitionKey="deployed-pump")


def found(url: str) -> Any:
    answer = httpx.get(url)
    return answer.json() if answer.status_code == 200 else None


def without(action: str, policy: dict[str, Any]) -> dict[str, Any]:
    """Return the policy without *action* in any statement."""
    statements = [
        statement | {"Action": kept}
        for statement in policy["Statement"]
        if (kept := [a for a in as_list(statement["Action"]) if a != action])
    ]
    return policy | {"Statement": statements}
