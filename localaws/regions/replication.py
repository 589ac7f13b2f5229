"""The replication of global tables and buckets while a Region is down: it waits until both Regions are up.

DynamoDB propagates pending writes when a Region is available again, and the last of two writes to an item wins:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb, s3

from localaws.regions import calls as regions

type Item = dict[str, Any] | None


@dataclass(frozen=True)
class Write:
    """A write in the Region *source* that the replica in the Region *target* waits for."""

    account: str
    source: str
    target: str
    table: str
    key: str
    event: str
    old: Item
    new: Item

    @property
    def ends(self) -> set[str]:
        return {self.source, self.target}


_waiting: list[Write] = []
"""In the order of the writes."""
_lock = threading.Lock()


def replicating(replicate: Any) -> Any:
    """Wrap the replication of a write: do not reach a Region that is down."""

    def replicate_write(table: dict[str, Any], event: str, old: Item, new: Item) -> None:
        source, account, name = get_region(), get_account_id(), table["TableName"]
        others = set(dynamodb._replica_group(table)) - {source}
        cut = others if source in regions.DOWN else others & regions.DOWN
        if not cut:
            replicate(table, event, old, new)
            return
        item = new if new is not None else old
        key = str([(item or {}).get(table[part]) for part in ("pk_name", "sk_name") if table[part]])
        with _lock:
            _waiting.extend(Write(account, source, target, name, key, event, old, new) for target in sorted(cut))
        replicate({"TableName": name, "_global_regions": [source, *(others - cut)]}, event, old, new)

    def catch_up() -> None:
        with _lock:
            ready = [write for write in _waiting if not write.ends & regions.DOWN]
            _waiting[:] = [write for write in _waiting if write.ends & regions.DOWN]
        last = {(write.account, write.table, write.key): write.source for write in ready}
        for write in ready:
            if last[write.account, write.table, write.key] != write.target:  # a later write there wins
                with request_scope(write.account, write.source):
                    group = {"TableName": write.table, "_global_regions": [write.source, write.target]}
                    replicate(group, write.event, write.old, write.new)

    regions.ON_UP.append(catch_up)
    return replicate_write


def replicating_objects(replicate: Any) -> Any:
    """Wrap the replication of an object to the bucket that a rule names."""
    waiting: list[tuple[str, tuple[Any, ...]]] = []

    def is_cut(bucket: str, key: str, tags: dict[str, str] | None) -> bool:
        rule, role = s3._replication_rule_for(bucket, key, tags)
        target = rule and s3._replication_destination(bucket, key, rule, role)
        return bool(target) and not regions.DOWN.isdisjoint({s3.bucket_region(bucket), s3.bucket_region(target[0])})

    def replicate_object(
        bucket: str, key: str, stored: dict[str, Any], data: Any, tags: dict[str, str] | None = None
    ) -> None:
        if regions.DOWN and is_cut(bucket, key, tags):
            stored["replication_status"] = "PENDING"
            waiting.append((get_account_id(), (bucket, key, stored, data, tags)))
        else:
            replicate(bucket, key, stored, data, tags)

    def catch_up() -> None:
        ready, waiting[:] = list(waiting), []
        for account, (bucket, key, stored, data, tags) in ready:
            with request_scope(account, get_region()):
                if (s3._ensure_bucket(bucket) or {"objects": {}})["objects"].get(key) is stored:
                    replicate_object(bucket, key, stored, data, tags)

    regions.ON_UP.append(catch_up)
    return replicate_object


def install() -> None:
    """Let global tables and buckets follow Regions that go and come back."""
    dynamodb._replicate_write = replicating(dynamodb._replicate_write)
    s3._maybe_replicate = replicating_objects(s3._maybe_replicate)
