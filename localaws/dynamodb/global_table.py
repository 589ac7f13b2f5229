"""Gap: CloudFormation creates no replicas of an `AWS::DynamoDB::GlobalTable` and ignores the settings of replicas.

With this module, each Region in `Replicas` has the table and its stream. A write in one Region appears in the streams
of all Regions.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-globaltable.html
No longer needed when DescribeTable succeeds in both Regions of a global table that a stack created with two replicas.
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners


def replicas(properties: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of each replica by Region."""
    return {replica["Region"]: replica for replica in properties.get("Replicas", [])}


def other_regions(properties: dict[str, Any]) -> set[str]:
    """Return the Regions of all replicas except the Region of the stack."""
    return replicas(properties).keys() - {get_region()}


def without_replicas() -> dict[str, Any]:
    return {"Replicas": [{"Region": get_region()}]}


def raise_on_error(answer: Any) -> None:
    status, _, body = answer
    if status >= 400:
        raise ValueError(body.decode())


def set_replicas(table: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Create, update and delete replicas. The replica in the Region of the stack is the table itself."""
    if get_region() not in replicas(new):
        raise ValueError(f"Replicas of {table} must include the Region of the stack, {get_region()}")
    if len(replicas(new)) < len(new["Replicas"]):
        raise ValueError(f"Replicas of {table} must have Regions that differ")
    changes = (("Delete", other_regions(old) - other_regions(new)), ("Create", other_regions(new) - other_regions(old)))
    for action, regions in changes:
        if updates := [{action: {"RegionName": region}} for region in sorted(regions)]:
            raise_on_error(dynamodb._update_table({"TableName": table, "ReplicaUpdates": updates}))
    for region, settings in replicas(new).items():
        with request_scope(get_account_id(), region):
            set_replica_settings(table, settings)


def set_replica_settings(table: str, settings: dict[str, Any]) -> None:
    """Apply the settings that each replica has separately: deletion protection, point-in-time recovery and tags."""
    protected = provisioners._cfn_bool(settings.get("DeletionProtectionEnabled"))
    raise_on_error(dynamodb._update_table({"TableName": table, "DeletionProtectionEnabled": protected}))
    recovery = settings.get("PointInTimeRecoverySpecification", {})
    enabled = provisioners._cfn_bool(recovery.get("PointInTimeRecoveryEnabled"))
    specification = {"PointInTimeRecoveryEnabled": enabled}
    raise_on_error(
        dynamodb._update_continuous_backups({"TableName": table, "PointInTimeRecoverySpecification": specification})
    )
    dynamodb._tags[dynamodb._tables[table]["TableArn"]] = list(settings.get("Tags", []))


def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
    table, attributes = provisioners._ddb_global_table_create(logical_id, properties, stack)
    try:
        set_replicas(table, without_replicas(), properties)
    except ValueError:
        delete(table, properties)
        raise
    return table, attributes | {"TableId": dynamodb._tables[table]["TableId"]}


def update(table: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str) -> Any:
    # The emulator's own update handler gets no logical ID, so it would replace a table that has a generated name.
    before = dynamodb._tables.get(table)
    updated = provisioners._ddb_update(table, old, new, stack, logical_id)
    if dynamodb._tables[updated[0]] is not before:
        delete_replicas(table, old)
        old = without_replicas()
    name = {"TableName": table}  # it would generate another one in another Region
    for region in other_regions(old) & other_regions(new):
        with request_scope(get_account_id(), region):
            provisioners._ddb_update(table, old | name, new | name, stack, logical_id)
    set_replicas(updated[0], old, new)
    return updated


def delete(table: str, properties: dict[str, Any]) -> None:
    delete_replicas(table, properties)
    provisioners._ddb_delete(table, properties)


def delete_replicas(table: str, properties: dict[str, Any]) -> None:
    for region in other_regions(properties):
        with request_scope(get_account_id(), region):
            provisioners._ddb_delete(table, properties)


def apply() -> None:
    handlers = {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
    provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::GlobalTable"] |= handlers
