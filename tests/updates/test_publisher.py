"""The publisher of a stage: the function on the file system, its network, and `make publish`."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from published import Published, a_repository

import deploy.updates
from deploy import stacks
from deploy.errors import NotDeployed, ReleaseRefused
from deploy.publish import Publisher
from updates import publisher as function
from updates.client import Client

STAGE = "publisher"
pytestmark = pytest.mark.usefixtures("endpoint")


@pytest.fixture(scope="module")
def releases(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stage's file system."""
    stack = deploy.updates.deploy("before", STAGE)
    first = invoke("refresh")
    assert "no repository" in first.get("refused", ""), first  # the schedule comes before the first release
    [folder] = tmp_path_factory.getbasetemp().glob(f"emulator?/efs/{stack['FileSystem']}")
    return folder


@pytest.fixture(scope="module")
def root_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("safe") / "root.pem"


def package(folder: Path, version: str) -> Path:
    file = folder / f"app-{version}.bin"
    file.write_bytes(version.encode() * 1000)
    return file


def invoke(command: str) -> dict[str, Any]:
    answer = boto3.client("lambda").invoke(
        FunctionName=f"updates-{STAGE}-publisher", Payload=json.dumps({"command": command})
    )
    result: dict[str, Any] = json.loads(answer["Payload"].read())
    return result


def test_the_first_release_asks_for_a_root_key_and_every_later_one_is_one_command(
    releases: Path, root_key: Path, tmp_path: Path, serve: Callable[[Path], str]
) -> None:
    publisher = Publisher(STAGE)
    with pytest.raises(ReleaseRefused, match="root key"):
        publisher.release(package(tmp_path, "1.0.0"), "1.0.0")

    first = publisher.release(package(tmp_path, "1.0.0"), "1.0.0", root_key=root_key)
    second = publisher.release(
        package(tmp_path, "1.1.0"), "1.1.0", waves=[{"starts_at": "2020-01-01T00:00:00Z", "percent": 100}]
    )

    assert stat.S_IMODE(root_key.stat().st_mode) == 0o600
    assert publisher.release(package(tmp_path, "1.0.0"), "1.0.0") == first
    assert [release["version"] for release in index(releases)] == ["1.1.0", "1.0.0"]
    client = Client(serve(releases), tmp_path / "client", first_root_of(releases), name="a")
    assert client.update()
    assert client.installed()["version"] == second["version"] == "1.1.0"
    assert uploaded() == []

    publisher.withdraw("1.1.0")
    assert [release["version"] for release in index(releases)] == ["1.0.0"]
    with pytest.raises(ReleaseRefused, match=r"no 1\.1\.0 in stable"):
        publisher.withdraw("1.1.0")


def test_another_package_of_a_published_name_is_refused_and_its_upload_removed(
    releases: Path, root_key: Path, tmp_path: Path
) -> None:
    publisher = Publisher(STAGE)
    publisher.release(package(tmp_path, "2.0.0"), "2.0.0", root_key=root_key)
    (tmp_path / "app-2.0.0.bin").write_bytes(b"other")

    with pytest.raises(ReleaseRefused, match="choose another name"):
        publisher.release(tmp_path / "app-2.0.0.bin", "2.0.0")

    assert uploaded() == []
    assert not list(releases.glob(".download-*"))


def test_the_root_is_renewed_and_the_key_replaced_without_clients_noticing(
    releases: Path, root_key: Path, tmp_path: Path, serve: Callable[[Path], str]
) -> None:
    publisher = Publisher(STAGE)
    publisher.release(package(tmp_path, "3.0.0"), "3.0.0", root_key=root_key)

    publisher.renew_root(root_key)
    publisher.renew_root(root_key, rotate=True)
    publisher.release(package(tmp_path, "3.1.0"), "3.1.0")

    client = Client(serve(releases), tmp_path / "client", first_root_of(releases), name="a")
    assert client.update()
    assert client.installed()["version"] == "3.1.0"


def test_the_schedule_signs_again(releases: Path, root_key: Path, tmp_path: Path) -> None:
    Publisher(STAGE).release(package(tmp_path, "4.0.0"), "4.0.0", root_key=root_key)
    before = timestamp(releases)
    rule = boto3.client("events").describe_rule(Name=f"updates-{STAGE}-refresh")
    [target] = boto3.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]

    assert "root_expires" in invoke(**json.loads(target["Input"]))

    assert rule["ScheduleExpression"] == "rate(1 day)"
    assert timestamp(releases)["version"] == before["version"] + 1


def test_a_stage_without_servers_is_named() -> None:
    with pytest.raises(NotDeployed, match="make updates STAGE=nowhere"):
        Publisher("nowhere")


def test_a_refresh_that_leaves_clients_without_updates_fails_the_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = a_repository(tmp_path / "old", -timedelta(days=366))
    assert run(old, "refresh", monkeypatch, pytest.raises(function.RootExpired)) is None
    new = a_repository(tmp_path / "new")
    new.release_key = old.release_key  # a rotation stopped between the secret and the root
    assert run(new, "refresh", monkeypatch, pytest.raises(function.NotPublished)) is None
    assert run(new, "withdraw", monkeypatch) == {"refused": "there is no 1 in stable"}
    assert run(new, "steal", monkeypatch) == {"refused": "there is no command steal"}


def run(published: Published, command: str, monkeypatch: pytest.MonkeyPatch, raises: Any = None) -> Any:
    monkeypatch.setenv("RELEASES", str(published.folder))
    monkeypatch.setenv("RELEASE_KEY", "key")
    monkeypatch.setattr(function, "key", lambda _: published.release_key)
    event = {"command": command, "version": "1", "channel": "stable"}
    if raises is None:
        return function.handler(event, None)
    with raises:
        function.handler(event, None)
    return None


@pytest.mark.parametrize("template", deploy.updates.TEMPLATES)
def test_the_publisher_reaches_what_it_needs_and_its_zone_has_it(template: str) -> None:
    resources = stacks.read((deploy.updates.FOLDER / f"{template}.yaml").read_text())["Resources"]
    network = resources["Publisher"]["Properties"]["VpcConfig"]

    for target in ("FilesSecurityGroup", "EndpointsSecurityGroup"):
        open_to = [rule["SourceSecurityGroupId"] for rule in resources[target]["Properties"]["SecurityGroupIngress"]]
        assert all(group in open_to for group in network["SecurityGroupIds"])
    endpoint = resources["SecretsManagerEndpoint"]["Properties"]
    assert endpoint["SubnetIds"] == network["SubnetIds"] == [resources["MountTargetA"]["Properties"]["SubnetId"]]
    assert "MountTargetA" in resources["Publisher"]["DependsOn"]


def index(releases: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((releases / "releases" / "stable.json").read_text())["releases"]
    return found


def first_root_of(releases: Path) -> bytes:
    return (releases / "metadata" / "1.root.json").read_bytes()


def timestamp(releases: Path) -> dict[str, Any]:
    signed: dict[str, Any] = json.loads((releases / "metadata" / "timestamp.json").read_text())["signed"]
    return signed


def uploaded() -> list[Any]:
    answer = boto3.client("s3").list_objects_v2(Bucket=stacks.artifacts(), Prefix=f"updates-{STAGE}/")
    return answer.get("Contents", [])
