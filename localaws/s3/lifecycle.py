"""Gap: what a lifecycle rule expires stays: objects, noncurrent versions, delete markers and unfinished uploads.

S3 carries out the rules once a day. Here the first request to a bucket after midnight (UTC) does. An object in a bucket
with versions gets a delete marker. Storage classes do not change, and no notifications are sent.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
No longer needed when an object is gone two days after a rule with an expiration of one day applied to it.
"""

import datetime
import itertools
from typing import Any

from ministack.services import s3

from localaws.s3.expiration import applies, expirations, midnight_after

type Json = dict[str, Any]

_carried_out: dict[str, datetime.date] = {}
"""By bucket the day on which its rules were last carried out."""


def carry_out(bucket: str, rules: list[Json], now: datetime.datetime) -> None:
    """Delete what the rules of the bucket have expired."""
    objects = s3._buckets[bucket]["objects"]
    for key, record in list(objects.items()):
        if any(at <= now for at, _ in expirations(bucket, key, record)):
            expire(bucket, key, record)
    for (name, key), versions in list(s3._object_versions.items()):
        if name == bucket:
            for rule in rules:
                delete_versions(bucket, key, versions, rule, now)
    for rule in rules:
        abort_uploads(bucket, rule, now)


def expire(bucket: str, key: str, record: Json) -> None:
    if s3._bucket_versioning.get(bucket) in ("Enabled", "Suspended"):
        s3._record_delete_marker(bucket, key, record)
        s3._buckets[bucket]["objects"].pop(key, None)
    else:
        s3._purge_current_object(bucket, key, s3._buckets[bucket])


def delete_versions(bucket: str, key: str, versions: list[Json], rule: Json, now: datetime.datetime) -> None:
    """Delete the noncurrent versions that the rule expires, and a delete marker that has become the only version."""
    noncurrent = rule.get("NoncurrentVersionExpiration", {})
    days, kept = noncurrent.get("NoncurrentDays"), noncurrent.get("NewerNoncurrentVersions", 0)
    # A version becomes noncurrent when the next one is made.
    successors = list(itertools.pairwise(versions))
    for version, successor in successors[: max(len(successors) - kept, 0)]:
        if days and applies(rule, bucket, key, version) and midnight_after(successor, days) <= now:
            s3._delete_object_version(s3._buckets[bucket], bucket, key, version["version_id"])
    marked = rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker") and applies(rule, bucket, key, versions[0])
    if marked and len(versions) == 1 and versions[0].get("is_delete_marker"):
        s3._delete_object_version(s3._buckets[bucket], bucket, key, versions[0]["version_id"])


def abort_uploads(bucket: str, rule: Json, now: datetime.datetime) -> None:
    days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    for identifier, upload in list(s3._multipart_uploads.items()):
        started = {"size": 0, "last_modified": upload["created"]}
        chosen = days and upload["bucket"] == bucket and applies(rule, bucket, upload["key"], started)
        if chosen and midnight_after(started, days) <= now:
            s3._multipart_uploads.pop(identifier, None)


def apply() -> None:
    ensure_bucket = s3._ensure_bucket

    def ensure_lifecycle(name: str) -> Any:
        rules = s3._bucket_lifecycle.get(name)
        if isinstance(rules, list):
            now = datetime.datetime.now(datetime.UTC)
            if _carried_out.get(name) != now.date():
                _carried_out[name] = now.date()
                carry_out(name, rules, now)
        return ensure_bucket(name)

    s3._ensure_bucket = ensure_lifecycle
