"""Gap: CloudFormation passes a value to a service in the type that the template or a parameter has, such as "5" for 5.

With this module, a text becomes the number or Boolean that the schema of the resource type names, and a number or
Boolean becomes a text. A value that does not fit stays; `property_errors` refuses it.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-type-schemas.html
No longer needed when a workgroup that gets its BytesScannedCutoffPerQuery from a parameter has a number.
"""

from typing import Any

from ministack.services.cloudformation import provisioners, stacks

from localaws.cloudformation.schemas import schema
from localaws.cloudformation.validation import Schema, resolved

_BOOLEANS = {"true": True, "false": False}


def converted(value: Any, schema: Schema, root: Schema) -> Any:
    """Return *value* in the types of its schema; *root* is the document that `$ref` points into."""
    schema = resolved(schema, root)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        others: Schema = next(iter(schema.get("patternProperties", {}).values()), {})
        return {name: converted(item, properties.get(name, others), root) for name, item in value.items()}
    if isinstance(value, list):
        return [converted(item, schema.get("items", {}), root) for item in value]
    try:
        return _scalar(value, schema.get("type"))
    except ValueError:
        return value


def _scalar(value: Any, kind: Any) -> Any:
    if kind == "string" and isinstance(value, bool):
        return str(value).lower()
    if kind == "string" and isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return value
    if kind == "boolean":
        return _BOOLEANS.get(value.lower(), value)
    if kind == "integer":
        return int(value)
    return float(value) if kind == "number" else value


def of_type(resource_type: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a resource in the types of its schema."""
    document = schema(resource_type)
    return converted(properties, document, document) if document else properties


def with_types_on_create(provision: Any) -> Any:
    def create(resource_type: str, logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        return provision(resource_type, logical_id, of_type(resource_type, properties), stack)

    return create


def with_types_on_update(change: Any) -> Any:
    def update(
        resource_type: str, physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, *names: Any
    ) -> Any:
        return change(
            resource_type, physical_id, of_type(resource_type, old), of_type(resource_type, new), stack, *names
        )

    return update


def apply() -> None:
    create = with_types_on_create(provisioners._provision_resource)
    update = with_types_on_update(provisioners._update_resource)
    for module in (provisioners, stacks):
        module._provision_resource, module._update_resource = create, update
