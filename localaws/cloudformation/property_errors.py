"""Gap: CloudFormation accepts unknown, missing and mistyped properties of a resource.

This module checks the properties against the schema of the resource type before anything is created. DescribeEvents has
the errors. `DisableValidation` skips the check; on AWS, the resource's handler then refuses the properties later.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-type-schemas.html
No longer needed when a stack fails whose queue has a property that does not exist.
"""

from collections.abc import Iterator
from typing import Any

from ministack.services.cloudformation import engine, stacks

from localaws.cloudformation.schemas import schema
from localaws.cloudformation.validation import UNKNOWN, errors

type Found = tuple[str, str, str, str, str]


def known(value: Any, resources: dict[str, Any], resolve: Any) -> Any:
    """Return a value with its intrinsic functions resolved, or UNKNOWN where it needs a resource of the stack."""
    if isinstance(value, list):
        resolved = [known(item, resources, resolve) for item in value]
        return [item for item in resolved if item is not engine._NO_VALUE]
    if not isinstance(value, dict):
        return UNKNOWN if isinstance(value, str) and "{{resolve:" in value else value
    if len(value) == 1:
        (name, argument), *_ = value.items()
        if name == "Fn::If":
            return known(resolve_branch(argument, resolve), resources, resolve)
        if name == "Ref" or name.startswith("Fn::"):
            if any(reference in resources for reference, _ in engine._intrinsic_references(value)):
                return UNKNOWN
            try:
                return resolve(value)
            except Exception:  # the emulator raises many kinds; the deployment reports the failure
                return UNKNOWN
    members = {key: known(item, resources, resolve) for key, item in value.items()}
    return {key: item for key, item in members.items() if item is not engine._NO_VALUE}


def resolve_branch(argument: Any, resolve: Any) -> Any:
    """Return the branch of Fn::If that applies."""
    condition, if_true, if_false = argument
    return if_true if resolve({"Condition": condition}) else if_false


def found_in(logical_id: str, resource: dict[str, Any], resources: dict[str, Any], resolve: Any) -> Iterator[Found]:
    """Yield the errors of one resource in the emulator's form."""
    kind = resource.get("Type", "")
    document = schema(kind)
    if document is None:
        return
    properties = known(resource.get("Properties") or {}, resources, resolve)
    for path, reason in errors(properties, document, document):
        message = f"Properties validation failed for resource {logical_id} with message:\n#{path}: {reason}"
        yield logical_id, kind, "PROPERTY_VALIDATION", f"/Resources/{logical_id}/Properties{path}", message


def with_schemas(validate: Any) -> Any:
    def validation_errors(
        resources: dict[str, Any],
        ordered: list[str],
        parameters: dict[str, Any],
        conditions: dict[str, Any],
        mappings: dict[str, Any],
        name: str,
        stack_id: str,
        *owned: Any,
    ) -> list[Found]:
        def resolve(value: Any) -> Any:
            return engine._resolve_refs(value, {}, parameters, conditions, mappings, name, stack_id)

        found: list[Found] = validate(resources, ordered, parameters, conditions, mappings, name, stack_id, *owned)
        for logical_id in ordered:
            found += found_in(logical_id, resources[logical_id], resources, resolve)
        return found

    return validation_errors


def apply() -> None:
    stacks._validation_errors = with_schemas(stacks._validation_errors)
