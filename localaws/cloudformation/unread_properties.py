"""Gap: CloudFormation accepts properties that no resource handler reads, and drops them in silence.

With this module, the resource fails with `NotImplemented`, its type and the property, unless `coverage/properties.toml`
lists the property with the consequence. The module records what a handler reads while it creates or updates the
resource. It undoes the change before it fails. A free-form document, such as the body of a REST API, counts as one. An
attribute that a handler does not return fails in the same way.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
No longer needed when a stack fails whose bucket has an IntelligentTieringConfigurations.
"""

from collections.abc import Iterable
from typing import Any

from ministack.services.cloudformation import engine, provisioners, stacks

from localaws.cloudformation.schemas import schema
from localaws.cloudformation.validation import resolved
from localaws.coverage.properties import exceptions
from localaws.coverage.tracked import Tracked

type Provisioned = tuple[str, dict[str, Any]]


def is_tracked(resource_type: str) -> bool:
    """Tell whether the type has a handler here. A custom resource gets its properties as they are."""
    return not resource_type.startswith(("Custom::", "AWS::CloudFormation::"))


def refuse(resource_type: str, unread: Iterable[str]) -> None:
    """Raise ValueError if one of the paths is neither a listed exception nor within a free-form document."""
    listed = exceptions().get(resource_type, {})
    missing = sorted({path for path in unread if is_declared(resource_type, path) and not is_listed(path, listed)})
    if missing:
        raise ValueError(f"NotImplemented: {resource_type} has no effect here for {', '.join(missing)}")


def is_declared(resource_type: str, path: str) -> bool:
    """Tell whether the schema of the type names each part of the path. It does not name the parts of a document."""
    root: dict[str, Any] = schema(resource_type) or {}
    found: Any = root
    for name in path.split("."):
        found = resolved(found, root)
        found = resolved(found.get("items", found), root).get("properties", {}).get(name)
        if found is None:
            return False
    return True


def is_listed(path: str, listed: Iterable[str]) -> bool:
    """Tell whether the list has the path or an object around it."""
    return any(path == entry or path.startswith(f"{entry}.") for entry in listed)


def with_refusal_on_create(provision: Any, delete: Any) -> Any:
    def create(resource_type: str, logical_id: str, properties: dict[str, Any], stack: str) -> Provisioned:
        if isinstance(properties, Tracked) or not is_tracked(resource_type):
            return provision(resource_type, logical_id, properties, stack)  # type: ignore[no-any-return]
        record = Tracked(properties)
        created: Provisioned = provision(resource_type, logical_id, record, stack)
        try:
            refuse(resource_type, record.unread())
        except ValueError:
            delete(resource_type, created[0], properties, stack, logical_id)
            raise
        return created

    return create


def with_refusal_on_update(change: Any) -> Any:
    def update(
        resource_type: str,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> Provisioned:
        names = (stack, logical_id, attributes)
        if old == new or not is_tracked(resource_type):
            return change(resource_type, physical_id, old, new, *names)  # type: ignore[no-any-return]
        record = Tracked(new)
        updated: Provisioned = change(resource_type, physical_id, old, record, *names)
        try:
            refuse(resource_type, (path for path in record.unread() if differs(path, old, new)))
        except ValueError:
            if updated[0] == physical_id:
                change(resource_type, physical_id, new, old, *names)
            raise
        return updated

    return update


def with_untracked(compare: Any) -> Any:
    """Wrap a comparison of old and new properties, which reads all of them: that is no effect."""

    def compare_untracked(resource_type: str, old: dict[str, Any], new: dict[str, Any], *names: Any) -> Any:
        return compare(resource_type, old, new.untracked() if isinstance(new, Tracked) else new, *names)

    return compare_untracked


def differs(path: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Tell whether the update changes the property that has the path."""
    name = path.partition(".")[0]
    return bool(old.get(name) != new.get(name))


def with_missing_attributes(message: Any) -> Any:
    """Wrap the message for an attribute that a resource does not have, to tell what AWS has from what it has not."""

    def unknown_attribute(resource: dict[str, Any], logical_id: str, attribute: str) -> Any:
        kind = resource.get("ResourceType", "")
        if attribute in (schema(kind) or {}).get("attributes", ()):
            return f"NotImplemented: the attribute {attribute} of {kind} has no value here"
        return message(resource, logical_id, attribute)

    return unknown_attribute


def apply() -> None:
    engine._unknown_attribute_message = with_missing_attributes(engine._unknown_attribute_message)
    create = with_refusal_on_create(provisioners._provision_resource, provisioners._delete_resource)
    update = with_refusal_on_update(provisioners._update_resource)
    for name in ("_custom_named_replacement_error", "_kept_custom_name", "_replacing_change"):
        setattr(provisioners, name, with_untracked(getattr(provisioners, name)))
    for module in (provisioners, stacks):
        module._provision_resource, module._update_resource = create, update
