"""Gap: the answers for an object do not tell when a lifecycle rule expires it.

The date is the next midnight (UTC) after the object's last change plus the days of the rule. Of more than one rule, the
first to expire the object is named.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
No longer needed when HeadObject returns Expiration for an object to which an expiration rule applies.
"""

import datetime
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ministack.services import s3

type Json = dict[str, Any]

DAY = datetime.timedelta(days=1)


def applies(rule: Json, bucket: str, key: str, record: Json) -> bool:
    chosen = rule.get("Filter") or {}
    chosen = chosen.get("And") or chosen
    tags = s3._object_tags.get((bucket, key, record.get("version_id"))) or {}
    wanted = [*chosen.get("Tags", []), *([chosen["Tag"]] if "Tag" in chosen else [])]
    return (
        rule["Status"] == "Enabled"
        and key.startswith(chosen.get("Prefix") or "")
        and record["size"] > chosen.get("ObjectSizeGreaterThan", -1)
        and record["size"] < chosen.get("ObjectSizeLessThan", float("inf"))
        and all(tags.get(tag["Key"]) == tag["Value"] for tag in wanted)
    )


def midnight_after(record: Json, days: int) -> datetime.datetime:
    """Return the midnight (UTC) after the last change of the record plus the days."""
    after: datetime.datetime = s3._object_mtime_dt(record) + days * DAY
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == after else midnight + DAY


def expirations(bucket: str, key: str, record: Json) -> Iterator[tuple[datetime.datetime, str]]:
    """Yield the time at which each rule expires the object, and the rule's id."""
    rules = s3._bucket_lifecycle.get(bucket)
    for rule in rules if isinstance(rules, list) else []:
        expiration = rule.get("Expiration") or {}
        if not applies(rule, bucket, key, record):
            continue
        if "Date" in expiration:
            yield datetime.datetime.fromisoformat(expiration["Date"]), rule.get("ID", "")
        if "Days" in expiration:
            yield midnight_after(record, expiration["Days"]), rule.get("ID", "")


def header(bucket: str, key: str) -> dict[str, str]:
    """Return `x-amz-expiration` for the current object, or nothing."""
    record = (s3._ensure_bucket(bucket) or {"objects": {}})["objects"].get(key)
    found = min(expirations(bucket, key, record), default=None, key=lambda each: each[0]) if record else None
    if found is None:
        return {}
    date = found[0].strftime("%a, %d %b %Y %H:%M:%S GMT")
    return {"x-amz-expiration": f'expiry-date="{date}", rule-id="{quote(found[1])}"'}


def telling(run: Any) -> Any:
    """Wrap an operation whose answer tells when the object expires."""

    def operation(bucket: str, key: str, *arguments: Any) -> Any:
        answer = run(bucket, key, *arguments)
        if answer[0] in (200, 206):
            answer[1].update(header(bucket, key))
        return answer

    return operation


def apply() -> None:
    s3._get_object, s3._head_object = telling(s3._get_object), telling(s3._head_object)
    s3._put_object = telling(s3._put_object)
    s3._complete_multipart_upload = telling(s3._complete_multipart_upload)
