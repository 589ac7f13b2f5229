"""Gap: CloudFormation drops the TimeToLiveSpecification of a DynamoDB table.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
No longer needed when DescribeTimeToLive of a table made by a stack answers ENABLED.
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
    provision, change = provisioner["create"], provisioner["update"]

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        table, attributes = provision(logical_id, properties, stack)
        if PROPERTY in properties:
            set_time_to_live(table, properties[PROPERTY])
        return table, attributes

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], *names: Any) -> Any:
        table, attributes = change(physical_id, old, new, *names)
        if PROPERTY in new:
            set_time_to_live(table, new[PROPERTY])
        elif PROPERTY in old:
            set_time_to_live(table, old[PROPERTY] | {"Enabled": False})
        return table, attributes

    provisioner["create"], provisioner["update"] = create, update


def apply() -> None:
    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        patch(provisioners._RESOURCE_HANDLERS[kind])
