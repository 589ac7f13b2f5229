"""`make restore-table` and `make restore-objects`: what was deleted comes back, and what is there stays."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from deploy import restore
from deploy.errors import NotRestored
from localaws import serve
from localaws.clock.client import turned

KEYS = {"owner": "HASH", "id": "RANGE"}


class Stage:
    """A stage of an app with a table and a bucket, in a bare emulator."""

    def __init__(self, endpoint: str, turn: Callable[[float], str]) -> None:
        self.app, self.turn = f"app{uuid.uuid4().hex[:6]}", turn
        self.dynamodb, self.s3 = (boto3.client(name, endpoint_url=endpoint) for name in ("dynamodb", "s3"))
        self.said: list[str] = []

    @property
    def table(self) -> str:
        return f"{self.app}-dev-todos"

    @property
    def bucket(self) -> str:
        return f"{self.app}-dev-files-000000000000-us-east-1"

    def make_table(self, recovery: bool = True) -> None:
        self.dynamodb.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in KEYS.items()],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEYS],
        )
        self.dynamodb.get_waiter("table_exists").wait(TableName=self.table, WaiterConfig={"Delay": 1})
        specification = {"PointInTimeRecoveryEnabled": recovery}
        self.dynamodb.update_continuous_backups(TableName=self.table, PointInTimeRecoverySpecification=specification)

    def put(self, key: str, title: str) -> None:
        item = {"owner": {"S": "ann"}, "id": {"S": key}, "title": {"S": title}}
        self.dynamodb.put_item(TableName=self.table, Item=item)

    def remove(self, key: str) -> None:
        self.dynamodb.delete_item(TableName=self.table, Key={"owner": {"S": "ann"}, "id": {"S": key}})

    def items(self) -> dict[str, str]:
        found = self.dynamodb.scan(TableName=self.table)["Items"]
        return {item["id"]["S"]: item["title"]["S"] for item in found}

    def now(self) -> datetime:
        """Return the time of the stage, and let a second pass: AWS restores to whole seconds."""
        at = datetime.fromisoformat(self.turn(2)).astimezone(UTC).replace(microsecond=0)
        self.turn(2)
        return at

    def restore_table(self, at: datetime, **options: Any) -> None:
        restore.table(self.app, "dev", "todos", at, report=self.said.append, **options)

    def make_bucket(self, versions: bool = True) -> None:
        self.s3.create_bucket(Bucket=self.bucket)
        if versions:
            self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def restore_objects(self, prefix: str, since: datetime | None = None, **options: Any) -> None:
        restore.objects(self.app, "dev", "files", prefix, since, report=self.said.append, **options)

    def objects(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An emulator for these tests alone, because they turn its clock."""
    with serve.emulator(tmp_path_factory.mktemp("restored")) as url:
        yield url


@pytest.fixture
def stage(aws: str, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    return Stage(aws, functools.partial(turned, aws))


@pytest.fixture
def damaged(stage: Stage) -> tuple[Stage, datetime]:
    """A stage whose table lost an item after a time. Another item has changed since, and one is new."""
    stage.make_table()
    for key in ("kept", "changed", "removed"):
        stage.put(key, "before")
    at = stage.now()
    stage.remove("removed")
    stage.put("changed", "after")
    stage.put("new", "after")
    stage.turn(400)
    return stage, at


def test_first_a_restore_says_what_it_would_do(damaged: tuple[Stage, datetime]) -> None:
    stage, at = damaged
    before = stage.items()

    stage.restore_table(at)

    assert stage.items() == before
    assert f"{stage.table}: 1 items are missing, 1 have changed since" in stage.said


def test_missing_items_are_put_back_and_others_stay(damaged: tuple[Stage, datetime]) -> None:
    stage, at = damaged

    stage.restore_table(at)
    stage.restore_table(at, force=True)

    assert stage.items() == {"kept": "before", "changed": "after", "removed": "before", "new": "after"}
    assert stage.said[-1] == "1 items were written"
    assert [name for name in stage.dynamodb.list_tables()["TableNames"] if stage.app in name] == [stage.table]


def test_changed_items_are_replaced_on_request(damaged: tuple[Stage, datetime]) -> None:
    stage, at = damaged

    stage.restore_table(at, force=True, changed=True)

    assert stage.items() == {"kept": "before", "changed": "before", "removed": "before", "new": "after"}


def test_of_one_partition_later_sort_keys_are_put_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a consumer of the stream that gets a subscriber finds the record of the mail that was sent."""
    monkeypatch.setattr(restore, "_READ", 2)
    stage.make_table()
    keys = [f"{number}" for number in range(7)]
    for key in keys:
        stage.put(key, "before")
    at = stage.now()
    for key in keys:
        stage.remove(key)
    stage.turn(400)
    put, order = restore._put, list[str]()

    def put_noted(live: str, item: dict[str, Any], *, replace: bool) -> bool:
        order.append(item["id"]["S"])
        return put(live, item, replace=replace)

    monkeypatch.setattr(restore, "_put", put_noted)
    stage.restore_table(at, force=True)

    assert order == keys[::-1]
    assert stage.items() == dict.fromkeys(keys, "before")


def test_an_item_that_has_come_back_meanwhile_is_not_replaced(
    damaged: tuple[Stage, datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, at = damaged
    put = restore._put

    def put_late(live: str, item: dict[str, Any], *, replace: bool) -> bool:
        stage.put("removed", "again")
        return put(live, item, replace=replace)

    monkeypatch.setattr(restore, "_put", put_late)
    stage.restore_table(at, force=True)

    assert stage.items()["removed"] == "again"
    assert stage.said[-1] == "0 items were written"


def test_a_time_that_cannot_be_restored_is_refused_with_those_that_can(damaged: tuple[Stage, datetime]) -> None:
    stage, at = damaged

    with pytest.raises(NotRestored, match=r"Earliest.* \(20\d\d-.*Z to 20\d\d-.*Z\)$"):
        stage.restore_table(at - timedelta(days=40))


def test_a_table_that_is_not_there_is_refused_with_those_that_are(stage: Stage) -> None:
    stage.make_table()

    with pytest.raises(NotRestored, match=r"The tables: todos$"):
        restore.table(stage.app, "dev", "todoes", datetime.now(UTC), report=stage.said.append)


def test_deleted_objects_come_back_and_only_those(stage: Stage) -> None:
    stage.make_bucket()
    for key in ("users/ann/1.txt", "users/ann/2.txt", "users/bob/1.txt"):
        stage.s3.put_object(Bucket=stage.bucket, Key=key, Body=key.encode())
    for key in ("users/ann/1.txt", "users/bob/1.txt"):
        stage.s3.delete_object(Bucket=stage.bucket, Key=key)

    stage.restore_objects("users/ann/")
    assert stage.objects() == ["users/ann/2.txt"]

    stage.restore_objects("users/ann/", force=True)
    assert stage.objects() == ["users/ann/1.txt", "users/ann/2.txt"]
    assert stage.s3.get_object(Bucket=stage.bucket, Key="users/ann/1.txt")["Body"].read() == b"users/ann/1.txt"


def test_an_object_that_was_deleted_before_the_time_stays_deleted(stage: Stage) -> None:
    stage.make_bucket()
    stage.s3.put_object(Bucket=stage.bucket, Key="one", Body=b"x")
    stage.s3.delete_object(Bucket=stage.bucket, Key="one")
    stage.now()

    stage.restore_objects("", stage.now(), force=True)

    assert stage.objects() == []


def test_a_bucket_without_versions_is_refused(stage: Stage) -> None:
    stage.make_bucket(versions=False)

    with pytest.raises(NotRestored, match="keeps no versions"):
        stage.restore_objects("")


def test_a_bucket_that_is_not_there_is_refused_with_those_that_are(stage: Stage) -> None:
    stage.make_bucket()

    with pytest.raises(NotRestored, match=r"no bucket 'photos' .* only files"):
        restore.objects(stage.app, "dev", "photos", "", None, report=stage.said.append)
