"""Two Regions of MyBlog, in the emulator: the stacks of each, and what the edge asks in which."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest

from deploy import account, apps, delete, regions, stacks
from deploy.errors import NotDeployed, StackFailed
from localaws.cloudfront import distribution

HOME, STANDBY = "us-east-1", "eu-west-1"
STAGE = "unit"


@pytest.fixture
def go(emulator: str, monkeypatch: pytest.MonkeyPatch, forget_clients: Callable[[], None]) -> Callable[[str], None]:
    """A function that points the clients of the deployment to a Region."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)

    def point(region: str) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        account._session.cache_clear()
        forget_clients()

    return point


def deploy(kind: str, given: dict[str, str]) -> dict[str, str]:
    template = apps.template_file("blog-app", kind).read_text()
    return stacks.deploy(apps.stack("blog-app", STAGE, kind), template, {"Stage": STAGE, **given})


def test_the_region_of_the_replica_has_no_second_replica(go: Callable[[str], None]) -> None:
    go(STANDBY)

    outputs = deploy("resources", {})

    dynamodb = boto3.Session().client("dynamodb")
    for table in (outputs["Table"], outputs["SubscribersTable"]):
        described = dynamodb.describe_table(TableName=table)["Table"]
        assert [r["RegionName"] for r in described.get("Replicas", [])] in ([], [STANDBY])
    assert outputs["ReplicaRegion"] == STANDBY
    delete._delete_stack("blog-app-unit-resources")


@pytest.fixture
def home(go: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """The outputs of the resources in the first Region, which expect a second one."""
    go(HOME)
    yield deploy("resources", {"StandbyRegion": STANDBY, "ReplicaRegion": STANDBY, "SiteUrl": "https://blog.example"})
    go(HOME)
    for kind in ("edge", "resources"):
        if (name := apps.stack("blog-app", STAGE, kind)) in stacks.existing():
            delete._delete_stack(name)


def edge(home: dict[str, str], **given: str) -> dict[str, str]:
    code = (apps.ROOT / "blog-app" / "edge-function.js").read_text()
    return deploy("edge", home | {"RestAPIId": "homeapi", "FunctionCode": code} | given)


def test_the_second_region_has_all_but_the_tables_and_the_author(
    home: dict[str, str], go: Callable[[str], None]
) -> None:
    made = edge(home)
    given = regions._given("blog-app", STAGE, STANDBY)
    assert (given["HomeRegion"], given["SiteUrl"]) == (HOME, "https://blog.example")

    go(STANDBY)
    outputs = deploy("resources", given)

    for name in ("PostsStreamArn", "SubscribersStreamArn"):
        assert f":{STANDBY}:" in outputs[name]
        assert outputs[name] != home[name]
    assert {outputs[name] == home[name] for name in ("Table", "SubscribersTable", "SiteUrl", "Sender")} == {True}
    assert outputs["SiteBucket"] != home["SiteBucket"]
    assert (outputs["MailingRegion"], outputs["StandbyRegion"]) == (HOME, "")  # else nobody sends overdue mails
    assert "AuthorSecret" not in outputs
    policy = boto3.client("s3", STANDBY).get_bucket_policy(Bucket=outputs["SiteBucket"])["Policy"]
    assert f"distribution/{made['DistributionId']}" in policy
    attached = boto3.client("iam").list_attached_user_policies(UserName=home["AuthorName"])["AttachedPolicies"]
    assert len(attached) == 2

    go(HOME)
    deploy("resources", {"PhotosReplica": outputs["PhotosBucket"]})
    for region, bucket, other in (
        (HOME, home["PhotosBucket"], outputs["PhotosBucket"]),
        (STANDBY, outputs["PhotosBucket"], home["PhotosBucket"]),
    ):
        rules = boto3.client("s3", region).get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]["Rules"]
        assert [(r["Filter"]["Prefix"], r["Destination"]["Bucket"]) for r in rules] == [
            ("thumbnails/", f"arn:aws:s3:::{other}")
        ]

    go(STANDBY)
    assert delete.delete_standby("blog-app", STAGE) == []
    assert stacks.existing() & {"blog-app-unit-resources"} == set()
    assert boto3.client("dynamodb", HOME).describe_table(TableName=home["Table"])["Table"]["Replicas"]


def test_a_second_region_that_fails_leaves_the_settings_of_the_first_one(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edge(home)
    written: list[dict[str, str]] = []
    monkeypatch.setattr(apps, "write_settings", lambda app, stage, outputs: written.append(outputs))
    monkeypatch.setattr(regions.sys, "executable", "false")

    with pytest.raises(StackFailed, match="eu-west-1: the command standby failed"):
        regions.release("blog-app", STAGE, STANDBY, lambda line: None)

    assert written == [home]


def test_the_edge_reads_from_two_regions_and_writes_to_the_one_that_the_path_names(home: dict[str, str]) -> None:
    cloudfront = boto3.client("cloudfront", HOME)
    alone = distribution.load(cloudfront, edge(home)["DistributionId"])  # the second Region is not deployed yet
    assert {behavior.failover for behavior in alone.behaviors} == {None}
    assert alone.behavior("/api/subscribers").origin.id == "api"
    assert "POST" in alone.behavior("/api/subscribers").allowed_methods

    standby = {"Region": STANDBY, "SiteBucket": "other-site", "PhotosBucket": "other-photos", "RestAPIId": "otherapi"}
    made = edge(home, **{f"Standby{name}": value for name, value in standby.items()})

    both = distribution.load(cloudfront, made["DistributionId"])
    reads = {"/": "site", "/api/posts": "api", "/api/photos/p": "api", "/thumbnails/p/1.webp": "photos"}
    for path, origin in reads.items():
        behavior = both.behavior(path)
        assert behavior.failover
        assert (behavior.origin.id, behavior.failover.origin.id) == (origin, f"standby-{origin}")
        assert behavior.failover.statuses == {500, 502, 503, 504}
    for prefix, origin in (("", "api"), ("/standby", "standby-api")):
        for path in ("/api/subscribers", "/api/subscribers/token", "/api/unsubscribe/token"):
            behavior = both.behavior(prefix + path)
            assert (behavior.origin.id, behavior.failover) == (origin, None)
            assert {"POST", "DELETE"} <= behavior.allowed_methods
    assert both.behavior("/standby/api/x").origin.domain == f"otherapi.execute-api.{STANDBY}.amazonaws.com"


@pytest.mark.parametrize(
    ("given", "known", "message"),
    [
        ([HOME], {}, "name this Region, us-east-1, and then one other"),
        ([STANDBY, HOME], {}, "name this Region, us-east-1, and then one other"),
        ([HOME, HOME], {}, "name this Region, us-east-1, and then one other"),
        ([HOME, "us-west-2"], {"StandbyRegion": STANDBY}, "a stage keeps its second Region"),
        ([HOME, STANDBY], {"ReplicaRegion": "us-west-2"}, "have their replica in us-west-2"),
    ],
)
def test_regions_that_a_stage_cannot_have_are_refused(
    go: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, given: list[str], known: dict[str, str], message: str
) -> None:
    go(HOME)
    monkeypatch.setattr(stacks, "parameters_of", lambda *_, **__: known)

    with pytest.raises(NotDeployed, match=message):
        regions.parameters("blog-app", STAGE, given)


def test_a_release_goes_to_the_regions_of_the_last_one(
    go: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    go(HOME)
    monkeypatch.setattr(stacks, "parameters_of", lambda *_, **__: {"StandbyRegion": STANDBY})
    assert regions.parameters("blog-app", STAGE, []) == {"StandbyRegion": STANDBY}

    monkeypatch.setattr(stacks, "parameters_of", lambda *_, **__: {})
    assert regions.parameters("blog-app", STAGE, []) == {}
    assert [app for app in apps.names() if regions.can(app)] == ["blog-app"]
