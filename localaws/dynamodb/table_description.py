"""Gap: the description of a new table shows a stream that is off, no warm throughput and the status ACTIVE.

This module also gives a stream record an event id of AWS's form: 32 hexadecimal digits.
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


def as_created(create: Any) -> Any:
    """Wrap CreateTable."""

    def create_table(data: dict[str, Any]) -> Any:
        if not (data.get("StreamSpecification") or {}).get("StreamEnabled"):
            data = {name: value for name, value in data.items() if name != "StreamSpecification"}
        answer = create(data)
        if answer[0] >= 400:
            return answer
        description = json.loads(answer[2])["TableDescription"]
        description.pop("WarmThroughput", None)
        description["BillingModeSummary"].pop(ON_DEMAND_SINCE, None)
        return json_response({"TableDescription": description | {"TableStatus": "CREATING"}})

    return create_table


def as_described(describe: Any) -> Any:
    """Wrap the description of a table."""

    def description(name: str) -> dict[str, Any]:
        table, described = dynamodb._tables[name], describe(name)
        throughput = {"NumberOfDecreasesToday": 0} | described["ProvisionedThroughput"]
        described["ProvisionedThroughput"] = throughput
        if not described.get("StreamSpecification", {}).get("StreamEnabled"):
            described.pop("StreamSpecification", None)
        on_demand = (table.get("BillingModeSummary") or {}).get("BillingMode") == "PAY_PER_REQUEST"
        if on_demand:
            since = {ON_DEMAND_SINCE: table["CreationDateTime"]}
            described["BillingModeSummary"] = since | described["BillingModeSummary"]
        if "WarmThroughput" not in table:
            provisioned = {
                "ReadUnitsPerSecond": throughput["ReadCapacityUnits"],
                "WriteUnitsPerSecond": throughput["WriteCapacityUnits"],
            }
            described["WarmThroughput"] = {"Status": "ACTIVE"} | (ON_DEMAND if on_demand else provisioned)
        return dict(described)

    return description


def with_hexadecimal_id(build: Any) -> Any:
    """Wrap the building of a stream record."""

    def build_record(*arguments: Any) -> dict[str, Any]:
        record = build(*arguments)
        return {**record, "eventID": record["eventID"].replace("-", "")}

    return build_record


def apply() -> None:
    dynamodb._create_table = as_created(dynamodb._create_table)
    dynamodb._table_description = as_described(dynamodb._table_description)
    dynamodb._build_change_record = with_hexadecimal_id(dynamodb._build_change_record)
