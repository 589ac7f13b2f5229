"""Gap: RestoreTableToPointInTime restores the items of now, of any table and for any time.

Here the last changes of each table with point-in-time recovery are kept, so that a restore takes back those after its
time. The earliest time is the start of the process, or that of the oldest change that is kept.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableToPointInTime.html
No longer needed when a table that is restored to a time before a deletion has the item.
"""

import copy
import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import dynamodb

LAG = 300
"""Seconds before now that can be restored at the latest, as on AWS."""
KEPT = 10_000
"""The changes of a table that are kept, the last ones."""

type Request = dict[str, Any]


@dataclass
class _History:
    """The changes of a table since *began*, each with its time, the keys, and the item before, if there was one."""

    began: float
    changes: deque[tuple[float, Any, Any, Any]] = field(default_factory=deque)

    def add(self, *change: Any) -> None:
        self.changes.append((time.time(), *change))
        if len(self.changes) > KEPT:
            self.began = self.changes.popleft()[0]


_histories: dict[str, _History] = {}
"""By the id of a table."""
_began = time.time()


def history(table: Request) -> _History:
    return _histories.setdefault(table["TableId"], _History(_began))


def with_history(change: Any) -> Any:
    """Wrap a function that changes an item and returns the one before."""

    def change_item(table: Request, pk: Any, sk: Any, *item: Any) -> Any:
        before = change(table, pk, sk, *item)
        _, _, _, region, account, _ = table["TableArn"].split(":", 5)
        if (item or before is not None) and dynamodb._pitr_settings.get_scoped(account, region, table["TableName"]):
            history(table).add(pk, sk, before)
        return before

    return change_item


def beginning(update: Any) -> Any:
    """Wrap UpdateContinuousBackups: the history begins when recovery is enabled, and ends when it is disabled."""

    def update_continuous_backups(data: Request) -> Any:
        name = dynamodb._normalize_table_name(data.get("TableName"))
        was_enabled = dynamodb._pitr_settings.get(name)
        answer = update(data)
        if answer[0] == 200:
            table = dynamodb._tables[name]
            if not dynamodb._pitr_settings.get(name):
                _histories.pop(table["TableId"], None)
            elif not was_enabled:
                _histories[table["TableId"]] = _History(time.time())
        return answer

    return update_continuous_backups


def with_times(describe: Any) -> Any:
    """Wrap DescribeContinuousBackups: add the times that can be restored."""

    def describe_continuous_backups(data: Request) -> Any:
        status, headers, body = describe(data)
        name = dynamodb._normalize_table_name(data.get("TableName"))
        if status == 200 and dynamodb._pitr_settings.get(name):
            answer = json.loads(body)
            described = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
            described["EarliestRestorableDateTime"] = history(dynamodb._tables[name]).began
            described["LatestRestorableDateTime"] = time.time() - LAG
            body = json.dumps(answer).encode()
        return status, headers, body

    return describe_continuous_backups


def to_its_time(restore: Any) -> Any:
    """Wrap RestoreTableToPointInTime: refuse what AWS refuses, and take back the changes after the time."""

    def restore_table(data: Request) -> Any:
        name = dynamodb._normalize_table_name(data.get("SourceTableName") or data.get("SourceTableArn") or "")
        if name not in dynamodb._tables:
            return restore(data)
        if not dynamodb._pitr_settings.get(name):
            text = f"Point in time recovery is not enabled for table '{name}'"
            return error_response_json("PointInTimeRecoveryUnavailableException", text, 400)
        known, latest = history(dynamodb._tables[name]), time.time() - LAG
        at = latest if data.get("UseLatestRestorableTime") else float(data.get("RestoreDateTime") or 0)
        if not known.began <= at <= latest:
            text = "The specified restore time is not within the window of EarliestRestorableDateTime and "
            return error_response_json("InvalidRestoreTimeException", text + "LatestRestorableDateTime", 400)
        answer = restore(data)
        if answer[0] == 200:
            _take_back(dynamodb._tables[data["TargetTableName"]], known, at)
        return answer

    return restore_table


def _take_back(table: Request, known: _History, at: float) -> None:
    items = table["items"] = defaultdict(dict, table["items"])
    for when, pk, sk, before in reversed(known.changes):
        if when <= at:
            break
        items[pk].pop(sk, None)
        if before is not None:
            items[pk][sk] = copy.deepcopy(before)
        if not items[pk]:
            del items[pk]
    dynamodb._items_replaced(table)


def apply() -> None:
    dynamodb._set_item = with_history(dynamodb._set_item)
    dynamodb._remove_item = with_history(dynamodb._remove_item)
    dynamodb._update_continuous_backups = beginning(dynamodb._update_continuous_backups)
    dynamodb._describe_continuous_backups = with_times(dynamodb._describe_continuous_backups)
    dynamodb._restore_table_to_point_in_time = to_its_time(dynamodb._restore_table_to_point_in_time)
