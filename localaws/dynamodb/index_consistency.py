"""Gap: a Query or Scan of a global secondary index sees each write at once.

Indexes are updated asynchronously, usually within a fraction of a second. With the option `LOCALAWS_CONSISTENCY_DELAY`
(see account.eventual_consistency), a read of an index returns the items as they were so many seconds ago.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes
No longer needed when a Query of an index does not return an item of the same second.
"""

import time
from collections import defaultdict, deque
from typing import Any

from ministack.services import dynamodb

from localaws.account.eventual_consistency import delay

type Json = dict[str, Any]
type Change = tuple[float, Any, Any, Json | None]

_changes: dict[str, deque[Change]] = defaultdict(deque)
"""By the ARN of a table: the time, the keys and the old image of each write within the delay, the oldest first."""


def table_for(name: Any, index: str | None) -> Json | None:
    """Return the table as a read of one of its indexes, or of the table itself, sees it."""
    table: Json | None = dynamodb._tables.get(name)
    if not table or index not in {each["IndexName"] for each in table.get("GlobalSecondaryIndexes") or []}:
        return table
    changes = _changes[table["TableArn"]]
    while changes and changes[0][0] <= time.time() - delay():
        changes.popleft()
    if not changes:
        return table
    items = {pk: dict(partition) for pk, partition in table["items"].items()}
    for _, pk, sk, old in reversed(changes):
        if old is None:
            items.get(pk, {}).pop(sk, None)
        else:
            items.setdefault(pk, {})[sk] = old
    earlier = {key: value for key, value in table.items() if key != dynamodb._INDEX_MEMBERS}
    return earlier | {"items": {pk: partition for pk, partition in items.items() if partition}}


def noting(write: Any) -> Any:
    """Wrap a function that writes an item, and returns its old image."""

    def write_and_note(table: Json, pk: Any, sk: Any, *item: Json) -> Any:
        old = write(table, pk, sk, *item)
        _changes[table["TableArn"]].append((time.time(), pk, sk, old))
        return old

    return write_and_note


def apply() -> None:
    if delay():
        dynamodb._set_item, dynamodb._remove_item = noting(dynamodb._set_item), noting(dynamodb._remove_item)
