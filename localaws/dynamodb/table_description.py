"""Gap: the description of a new table shows a stream that is off, no warm throughput and the status ACTIVE.

A table with provisioned throughput has no BillingModeSummary, and an index has the members of a table's throughput.
This module also gives a stream record an event id of AWS's form, 32 hexadecimal digits, and its size.
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html
No longer needed when CreateTable with a stream that is not enabled returns no LatestStreamArn.
"""

import json
from typing import Any

from ministack.core.responses import json_response
from ministack.services import dynamodb

ON_DEMAND_SINCE = "LastUpdateToPayPerRequestDateTime"
ON_DEMAND = {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4_000}
"""The throughput that a new on-demand table serves at once."""
GONE = ("AttributeDefinitions", "CreationDateTime", "KeySchema", "WarmThroughput")


def as_created(create: Any) -> Any:
    """Wrap CreateTable."""

    def create_table(data: dict[str, Any]) -> Any:
        if not (data.get("StreamSpecification") or {}).get("StreamEnabled"):
            data = {name: value for name, value in data.items() if name != "StreamSpecification"}
        answer = create(data)
        if answer[0] >= 400:
            return answer
        description = json.loads(answer[2])["TableDescription"] | {"TableStatus": "CREATING"}
        for each in (description, *description.get("GlobalSecondaryIndexes", [])):
            each.pop("WarmThroughput", None)
        (description.get("BillingModeSummary") or {}).pop(ON_DEMAND_SINCE, None)
        return json_response({"TableDescription": description})

    return create_table


def as_deleted(delete: Any) -> Any:
    """Wrap DeleteTable: the description of a table that goes no longer has its keys."""

    def delete_table(data: dict[str, Any]) -> Any:
        answer = delete(data)
        if answer[0] >= 400:
            return answer
        description = json.loads(answer[2])["TableDescription"]
        return json_response({"TableDescription": {k: v for k, v in description.items() if k not in GONE}})

    return delete_table


def as_described(describe: Any) -> Any:
    """Wrap the description of a table."""

    def description(name: str) -> dict[str, Any]:
        table, described = dynamodb._tables[name], dict(describe(name))
        if not described.get("StreamSpecification", {}).get("StreamEnabled"):
            described.pop("StreamSpecification", None)
        on_demand = (table.get("BillingModeSummary") or {}).get("BillingMode") == "PAY_PER_REQUEST"
        if on_demand:
            changed = {ON_DEMAND_SINCE: table["CreationDateTime"]}
            described["BillingModeSummary"] = changed | table["BillingModeSummary"]
        elif ON_DEMAND_SINCE not in (table.get("BillingModeSummary") or {}):
            described.pop("BillingModeSummary", None)
        described |= throughput(described, on_demand, "WarmThroughput" in table)
        if "GlobalSecondaryIndexes" in described:
            indexes = described["GlobalSecondaryIndexes"]
            described["GlobalSecondaryIndexes"] = [
                index | throughput(index, on_demand, "WarmThroughput" in index) for index in indexes
            ]
        return described

    return description


def throughput(described: dict[str, Any], on_demand: bool, has_warm_throughput: bool) -> dict[str, Any]:
    """Return the members with the throughput of a table or an index."""
    given = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0} | (described.get("ProvisionedThroughput") or {})
    members: dict[str, Any] = {"ProvisionedThroughput": {"NumberOfDecreasesToday": 0} | given}
    if not has_warm_throughput:
        provisioned = {
            "ReadUnitsPerSecond": given["ReadCapacityUnits"],
            "WriteUnitsPerSecond": given["WriteCapacityUnits"],
        }
        members["WarmThroughput"] = {"Status": "ACTIVE"} | (ON_DEMAND if on_demand else provisioned)
    return members


def as_recorded(build: Any) -> Any:
    """Wrap the building of a stream record: AWS counts the keys and the images that the record has."""

    def build_record(*arguments: Any) -> dict[str, Any]:
        record = build(*arguments)
        change = record["dynamodb"]
        items = (change.get(name) or {} for name in ("Keys", "NewImage", "OldImage"))
        size = sum(dynamodb._item_size_bytes(item) for item in items)
        return {**record, "eventID": record["eventID"].replace("-", ""), "dynamodb": {**change, "SizeBytes": size}}

    return build_record


def apply() -> None:
    dynamodb._create_table = as_created(dynamodb._create_table)
    dynamodb._delete_table = as_deleted(dynamodb._delete_table)
    dynamodb._table_description = as_described(dynamodb._table_description)
    dynamodb._build_change_record = as_recorded(dynamodb._build_change_record)
