"""Gap: CloudFormation ignores the TimeToLiveSpecification of a DynamoDB table.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
No longer needed when DescribeTimeToLive returns ENABLED for a table that a stack created with TTL.
"""

from typing import Any

from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

PROPERTY = "TimeToLiveSpecification"


def set_time_to_live(table: str, specification: dict[str, Any]) -> None:
    enabled = provisioners._cfn_bool(specification.get("Enabled"))
    status, _, body = dynamodb._update_ttl(
        {"TableName": table, PROPERTY: specification | {"Enabled": enabled}},
    )
    if status >= 400:
        raise ValueError(body.decode())


def patch(provisioner: dict[str, Any]) -> None:
    original_create, original_update = provisioner["create"], provisioner["update"]

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        table, attributes = original_create(logical_id, properties, stack)
        if PROPERTY in properties:
            set_time_to_live(table, properties[PROPERTY])
        return table, attributes

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], *names: Any) -> Any:
        table, attributes = original_update(physical_id, old, new, *names)
        if PROPERTY in new:
            set_time_to_live(table, new[PROPERTY])
        elif PROPERTY in old:
            set_time_to_live(table, old[PROPERTY] | {"Enabled": False})
        return table, attributes

    provisioner["create"], provisioner["update"] = create, update


def apply() -> None:
    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        patch(provisioners._RESOURCE_HANDLERS[kind])
