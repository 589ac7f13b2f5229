"""Gap: CloudFormation makes no replica of an `AWS::DynamoDB::GlobalTable`, and keeps no setting of one.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-globaltable.html
Every Region of `Replicas` has the table with its stream, and a write in one appears in the streams of all.
No longer needed when DescribeTable of a table with two replicas, made by a stack, answers in both Regions.
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners


def replicas(properties: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings of each replica, by its Region."""
    return {replica["Region"]: replica for replica in properties.get("Replicas", [])}


def elsewhere(properties: dict[str, Any]) -> set[str]:
    """The Regions of the replicas beside the table itself."""
    return replicas(properties).keys() - {get_region()}


def only_here() -> dict[str, Any]:
    return {"Replicas": [{"Region": get_region()}]}


def checked(answer: Any) -> None:
    status, _, body = answer
    if status >= 400:
        raise ValueError(body.decode())


def set_replicas(table: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Add, change and remove replicas; the one in the stack's own Region is the table itself."""
    if get_region() not in replicas(new):
        raise ValueError(f"Replicas of {table} have to include the Region of the stack, {get_region()}")
    changes = (("Delete", elsewhere(old) - elsewhere(new)), ("Create", elsewhere(new) - elsewhere(old)))
    for action, regions in changes:
        if updates := [{action: {"RegionName": region}} for region in sorted(regions)]:
            checked(dynamodb._update_table({"TableName": table, "ReplicaUpdates": updates}))
    for region, settings in replicas(new).items():
        with request_scope(get_account_id(), region):
            set_own(table, settings)


def set_own(table: str, settings: dict[str, Any]) -> None:
    """Give a replica the settings that each has for itself."""
    protected = provisioners._cfn_bool(settings.get("DeletionProtectionEnabled"))
    checked(dynamodb._update_table({"TableName": table, "DeletionProtectionEnabled": protected}))
    recovery = settings.get("PointInTimeRecoverySpecification", {})
    enabled = provisioners._cfn_bool(recovery.get("PointInTimeRecoveryEnabled"))
    specification = {"PointInTimeRecoveryEnabled": enabled}
    checked(
        dynamodb._update_continuous_backups({"TableName": table, "PointInTimeRecoverySpecification": specification})
    )
    dynamodb._tags[dynamodb._tables[table]["TableArn"]] = list(settings.get("Tags", []))


def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
    table, attributes = provisioners._ddb_global_table_create(logical_id, properties, stack)
    try:
        set_replicas(table, only_here(), properties)
    except ValueError:
        delete(table, properties)
        raise
    return table, attributes | {"TableId": dynamodb._tables[table]["TableId"]}


def update(table: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str) -> Any:
    # Not by the emulator's own, which does not know the logical id and so renames a table without a name.
    before = dynamodb._tables.get(table)
    updated = provisioners._ddb_update(table, old, new, stack, logical_id)
    if dynamodb._tables[updated[0]] is not before:
        delete_elsewhere(table, old)
        old = only_here()
    for region in elsewhere(old) & elsewhere(new):
        with request_scope(get_account_id(), region):
            provisioners._ddb_update(table, old, new, stack, logical_id)
    set_replicas(updated[0], old, new)
    return updated


def delete(table: str, properties: dict[str, Any]) -> None:
    delete_elsewhere(table, properties)
    provisioners._ddb_delete(table, properties)


def delete_elsewhere(table: str, properties: dict[str, Any]) -> None:
    for region in elsewhere(properties):
        with request_scope(get_account_id(), region):
            provisioners._ddb_delete(table, properties)


def apply() -> None:
    handlers = {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
    provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::GlobalTable"] |= handlers
