"""A release day in the sandbox: the deployed origins, load balancer and edge, and clients of all kinds."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from users import stage
from waiting import until

from bench.release_day import clients
from bench.release_day.clients import Address, Tally
from updates.client import Client
from updates.publish import Repository, key

INDEX_SECONDS = 5


@pytest.fixture(scope="module")
def updates(sandbox: dict[str, Any]) -> dict[str, str]:
    outputs: dict[str, str] = sandbox["updates"]
    return outputs


@pytest.fixture(scope="module")
def release(updates: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], str]:
    """Return a function that publishes so many bytes under a version, and returns the package's path."""
    folder = tmp_path_factory.mktemp("packages")
    repository = Repository(Path(updates["releases"]), key(updates["signing_key"]))

    def release(version: str, size: int) -> str:
        file = folder / f"app-{version}.bin"
        file.write_bytes(random.Random(version).randbytes(size))
        return str(repository.release(file, version)["url"])

    return release


@pytest.fixture
def origins_that_end(updates: dict[str, str]) -> Iterator[Callable[[], None]]:
    """Return a function that stops all origins until the end of the test."""
    autoscaling, name = boto3.client("autoscaling"), f"updates-{stage()}"
    (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]

    def scale(count: int) -> None:
        autoscaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=count)
        until(lambda: len(targets()) == count)

    yield lambda: scale(0)
    scale(group["DesiredCapacity"])


def targets() -> list[Any]:
    elb = boto3.client("elbv2")
    groups = elb.describe_target_groups()["TargetGroups"]
    (group,) = (group for group in groups if group["TargetGroupName"].startswith(f"updates-{stage()}"))
    health: list[Any] = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    return health


def sent_by_origins(updates: dict[str, str], path: str) -> list[int]:
    """Return the size in bytes of each response of an origin at *path*."""
    log = Path(updates["log"]).read_text()
    return [int(sent) for sent in re.findall(rf'"GET {re.escape(path)}" \d+ (\d+)$', log, re.MULTILINE)]


async def run_clients(updates: dict[str, str], version: str, count: int, tally: Tally) -> None:
    async with asyncio.timeout(120):
        await clients.run(Address(int(urlsplit(updates["edge"]).port or 0), "localhost"), version, count, tally)


def test_500_clients_cause_one_origin_request_and_each_gets_the_right_package(
    updates: dict[str, str], release: Callable[[str, int], str]
) -> None:
    size, tally = 300_000, Tally()

    async def release_day() -> str:
        fleet = asyncio.create_task(run_clients(updates, "5.0.0", 500, tally))
        await asyncio.sleep(clients.POLL)
        path = await asyncio.to_thread(release, "5.0.0", size)
        await fleet
        return path

    path = asyncio.run(release_day())

    assert (len(tally.done), tally.wrong) == (500, 0)
    assert tally.resumed > 50
    assert tally.received >= 500 * size
    assert sent_by_origins(updates, path) == [size]
    polls = len(sent_by_origins(updates, "/releases/index.json?channel=stable"))
    assert polls < tally.polls / 20


def test_a_client_that_verifies_updates_through_the_edge(
    updates: dict[str, str], release: Callable[[str, int], str], tmp_path: Path
) -> None:
    client = Client(updates["edge"], tmp_path, Path(updates["root"]).read_bytes(), name="a")
    release("5.1.0", 100_000)

    until(lambda: client.update() and client.installed()["version"] == "5.1.0")

    (installed,) = tmp_path.glob("installed/*-5.1.0.bin")
    assert installed.read_bytes() == random.Random("5.1.0").randbytes(100_000)


def test_an_index_is_never_older_than_its_ttl_and_a_range_never_mixes_two_versions(
    updates: dict[str, str], release: Callable[[str, int], str]
) -> None:
    index = f"{updates['edge']}/releases/index.json?channel=stable"
    begun = httpx.get(index, headers={"Range": "bytes=0-99"})
    assert begun.status_code == 206

    release("5.2.0", 1000)
    ages = []

    def new() -> bool:
        answer = httpx.get(index, headers={"Cookie": f"visitor={time.time()}"}, params={"channel": "stable", "x": "y"})
        ages.append(int(answer.headers.get("age", 0)))
        return bool(answer.json()["releases"][0]["version"] == "5.2.0")

    until(new)

    rest = httpx.get(index, headers={"Range": "bytes=100-", "If-Range": begun.headers["etag"]})
    assert max(ages) <= INDEX_SECONDS
    assert (rest.status_code, rest.json()["releases"][0]["version"]) == (200, "5.2.0")


def test_without_origins_clients_finish_from_the_edge_and_a_stale_index_has_its_age(
    updates: dict[str, str], release: Callable[[str, int], str], origins_that_end: Callable[[], None]
) -> None:
    path = release("5.3.0", 300_000)
    index = f"{updates['edge']}/releases/index.json?channel=stable"
    plain = {"Accept-Encoding": "identity"}  # like the clients below: each encoding is cached separately
    until(lambda: httpx.get(index, headers=plain).json()["releases"][0]["version"] == "5.3.0")
    httpx.get(updates["edge"] + path).raise_for_status()

    origins_that_end()

    tally = Tally()
    asyncio.run(run_clients(updates, "5.3.0", 50, tally))
    assert (len(tally.done), tally.wrong, tally.failures) == (50, 0, 0)
    stale = until(lambda: int((a := httpx.get(index, headers=plain)).headers["age"]) > INDEX_SECONDS and a)
    assert (stale.status_code, stale.json()["releases"][0]["version"]) == (200, "5.3.0")
    unknown = httpx.get(f"{updates['edge']}/packages/never-asked-for")
    assert (unknown.status_code, unknown.headers["x-cache"]) == (503, "Error from cloudfront")


@pytest.mark.parametrize(
    ("asked", "status", "parts"),
    [
        ("bytes=0-9,100-109,-5", 206, ((0, 10), (100, 110), (-5, None))),
        ("bytes=100-109,0-9", 200, ()),
        ("bytes=0-9,5-20", 200, ()),
        ("bytes=0-9,x-20", 200, ()),
        ("bytes=999999999-", 416, ()),
    ],
)
def test_several_ranges_answer_as_cloudfront_documents(
    updates: dict[str, str], asked: str, status: int, parts: tuple[tuple[int, int | None], ...]
) -> None:
    url = f"{updates['edge']}/packages/app-1.1.0.bin"
    whole = httpx.get(url).content

    answer = httpx.get(url, headers={"Range": asked})

    assert answer.status_code == status
    if status == 206:
        boundary = answer.headers["content-type"].removeprefix("multipart/byteranges; boundary=").encode()
        got = [part.partition(b"\r\n\r\n")[2][:-2] for part in answer.content.split(b"--" + boundary)[1:-1]]
        assert got == [whole[first:after] for first, after in parts]
    elif status == 200:
        assert answer.content == whole


def test_the_load_balancer_answers_only_the_edge(updates: dict[str, str]) -> None:
    direct = f"{updates['origin']}/releases/index.json"

    assert httpx.get(direct).status_code == 403
    assert httpx.get(direct, headers={"X-Edge-Secret": "guessed"}).status_code == 403
    assert httpx.get(f"{updates['edge']}/releases/index.json").status_code == 200


@pytest.mark.usefixtures("sandbox")
def test_a_new_stage_raises_no_alarm_on_missing_signatures() -> None:
    cloudwatch, name = boto3.client("cloudwatch"), f"updates-{stage()}-refresh-is-missing"

    def state() -> str:
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return str(alarm["StateValue"])

    until(lambda: state() == "OK")
