"""Brings back what was deleted by mistake: items of a table, and objects of a bucket (docs/recovery.md).

Nothing that is there is deleted, and without *force* nothing is written: a command first says what it would do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import batched, groupby
from typing import Any

from botocore.exceptions import ClientError

from deploy.account import client
from deploy.errors import NotRestored

type Item = dict[str, Any]
type Pair = tuple[Item, Item | None]
"""An item as it was, and as it is, if it is there."""
type Report = Callable[[str], object]

_READ = 100
"""Items of a BatchGetItem, at most."""
_WRITERS = 10
"""Partitions that are written at once: boto3 has so many connections."""


def table(
    app: str, stage: str, name: str, at: datetime, *, changed: bool = False, force: bool = False, report: Report = print
) -> None:
    """Put the items into the table *name* that it had at a time and has no longer.

    With *changed*, also replace those that have changed since. Items that are new since stay. The items of that time
    are in a table of their own, which the next call uses again, and which is deleted when they are put back. Raises
    NotRestored.
    """
    live = f"{app}-{stage}-{name}"
    copy = f"{live}-at-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    _restore(live, copy, at, report)
    missing = differing = written = 0
    with ThreadPoolExecutor(_WRITERS) as writers:
        for pairs in _compared(copy, live):
            absent = sum(now is None for _, now in pairs)
            missing, differing = missing + absent, differing + len(pairs) - absent
            if force:
                wanted = [(then, now) for then, now in pairs if now is None or changed]
                written += sum(writers.map(partial(_put_all, live), _by_partition(wanted, _keys(copy)[0])))
    report(f"{live}: {missing} items are missing, {differing} have changed since")
    if not force:
        report("Nothing was written. FORCE=1 puts the missing items back; CHANGED=1 replaces the changed ones too.")
        return
    client("dynamodb").delete_table(TableName=copy)
    report(f"{written} items were written")


def _restore(live: str, copy: str, at: datetime, report: Report) -> None:
    """Make the table *copy* as *live* was at a time, if it is not there, and wait until it is active.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableToPointInTime.html
    """
    dynamodb = client("dynamodb")
    try:
        dynamodb.restore_table_to_point_in_time(SourceTableName=live, TargetTableName=copy, RestoreDateTime=at)
        report(f"{copy} is restored, which takes AWS 20 minutes or more")
    except dynamodb.exceptions.TableAlreadyExistsException:
        report(f"{copy} was restored by an earlier call")
    except ClientError as error:
        raise NotRestored(f"{live}: {error.response['Error']['Message']}{_possible(live)}") from error
    pause = 0.1
    while dynamodb.describe_table(TableName=copy)["Table"]["TableStatus"] != "ACTIVE":
        time.sleep(pause)
        pause = min(2 * pause, 10)


def _possible(live: str) -> str:
    """Return in words which times, or which tables, can be restored."""
    dynamodb = client("dynamodb")
    try:
        answer = dynamodb.describe_continuous_backups(TableName=live)["ContinuousBackupsDescription"]
    except ClientError:
        names = [name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]]
        prefix = live.rpartition("-")[0] + "-"
        return f". The tables: {', '.join(name.removeprefix(prefix) for name in names if name.startswith(prefix))}"
    times = answer.get("PointInTimeRecoveryDescription", {})
    if "EarliestRestorableDateTime" not in times:
        return ""
    first, last = (times[f"{which}RestorableDateTime"].astimezone(UTC) for which in ("Earliest", "Latest"))
    return f" ({first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ})"


def _compared(copy: str, live: str) -> Iterator[list[Pair]]:
    """Yield the items of *copy* that *live* has not, each with that of the same key in *live* if there is one.

    A list ends with a partition. Of a partition, later sort keys come first: a consumer of the stream that gets a
    subscriber then finds the record of the mail that was sent.
    """
    keys = _keys(copy)
    pages = client("dynamodb").get_paginator("scan").paginate(TableName=copy, ConsistentRead=True)
    for some in _partitions((item for page in pages for item in page["Items"]), keys[0]):
        wanted = [{name: item[name] for name in keys} for item in some]
        now = {_key(item, keys): item for part in batched(wanted, _READ) for item in _read(live, part)}
        pairs = [(item, now.get(_key(item, keys))) for item in reversed(some)]
        yield [(then, known) for then, known in pairs if then != known]


def _by_partition(pairs: Iterable[Pair], key: str) -> list[list[Pair]]:
    return [list(some) for _, some in groupby(pairs, lambda pair: pair[0][key])]


def _partitions(items: Iterable[Item], key: str) -> Iterator[list[Item]]:
    """Yield the items in lists of a read or more that end with a partition."""
    some: list[Item] = []
    for item in items:
        if len(some) >= _READ and item[key] != some[-1][key]:
            yield some
            some = []
        some.append(item)
    if some:
        yield some


def _read(name: str, keys: Sequence[Item]) -> Iterator[Item]:
    wanted: Any = {name: {"Keys": list(keys), "ConsistentRead": True}}
    while wanted:
        answer = client("dynamodb").batch_get_item(RequestItems=wanted)
        yield from answer["Responses"][name]
        wanted = answer["UnprocessedKeys"]


def _put_all(live: str, pairs: Iterable[Pair]) -> int:
    """Put the items of a partition one after the other; return how many were written."""
    return sum(_put(live, then, replace=now is not None) for then, now in pairs)


def _put(live: str, item: Item, *, replace: bool) -> bool:
    """Put an item; return False if *replace* is not set and one with its key has come back meanwhile."""
    dynamodb = client("dynamodb")
    key = _keys(live)[0]
    condition = {"ConditionExpression": "attribute_not_exists(#key)", "ExpressionAttributeNames": {"#key": key}}
    try:
        dynamodb.put_item(TableName=live, Item=item, **({} if replace else condition))
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _keys(name: str) -> list[str]:
    schema = client("dynamodb").describe_table(TableName=name)["Table"]["KeySchema"]
    return [key["AttributeName"] for key in schema]


def _key(item: Item, keys: Sequence[str]) -> str:
    return repr([item[name] for name in keys])


def objects(
    app: str, stage: str, name: str, prefix: str, since: datetime | None, *, force: bool = False, report: Report = print
) -> None:
    """Bring back the deleted objects of the bucket *name* whose keys begin with *prefix*, as they were last.

    With *since*, only those that were deleted at that time or later. A deletion in a bucket with versions adds a
    marker, which hides the versions; without it the last version is there again. Raises NotRestored.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/RestoringPreviousVersions.html
    """
    s3, bucket = client("s3"), _bucket(app, stage, name)
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        raise NotRestored(f"{bucket} keeps no versions. `prod` does; another stage with PARAMETERS=Versions=true")
    count = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        hidden = [each for each in page.get("DeleteMarkers", []) if _is_wanted(each, since)]
        for marker in hidden:
            report(f"{marker['Key']} was deleted at {marker['LastModified'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        if force and hidden:
            _remove(bucket, hidden)
        count += len(hidden)
    report(f"{count} objects are {'there again' if force else 'deleted; FORCE=1 brings them back'}")


def _is_wanted(marker: Item, since: datetime | None) -> bool:
    return marker["IsLatest"] and (since is None or marker["LastModified"] >= since)


def _remove(bucket: str, markers: Sequence[Item]) -> None:
    """Remove the markers of a page, which has a thousand at most. Raises NotRestored."""
    versions = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in markers]
    answer = client("s3").delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
    if failed := answer.get("Errors"):
        raise NotRestored(f"{bucket}: {failed[0]['Key']}: {failed[0]['Message']}; {len(failed)} objects stay deleted")


def _bucket(app: str, stage: str, name: str) -> str:
    """Return the name of a bucket in the account and Region. Raises NotRestored."""
    s3, prefix = client("s3"), f"{app}-{stage}-"
    account, region = client("sts").get_caller_identity()["Account"], s3.meta.region_name
    ending = f"-{account}-{region}"
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    own = [each[len(prefix) : -len(ending)] for each in names if each.startswith(prefix) and each.endswith(ending)]
    if name not in own:
        raise NotRestored(f"there is no bucket {name!r} of {app} in {stage}, only {', '.join(own) or 'none'}")
    return f"{prefix}{name}{ending}"
