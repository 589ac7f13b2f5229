"""Gap: CloudFormation ignores parameters that the template does not declare, and words its refusals differently.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
No longer needed when CreateStack answers ValidationError to a parameter that the template does not declare.
"""

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers


def check(template: dict[str, Any], given: list[dict[str, Any]], previous: dict[str, Any]) -> None:
    """Raise ValueError with AWS's message if the parameters of a request do not fit the template."""
    declared = template.get("Parameters") or {}
    values = {parameter["Key"]: parameter for parameter in given if "Key" in parameter}
    if unknown := [name for name in values if name not in declared]:
        raise ValueError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    for name, parameter in values.items():
        if parameter.get("UsePreviousValue") and name not in previous:
            raise ValueError(
                f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key "
                "not in the previous template"
            )
    missing = [name for name, definition in declared.items() if name not in values and "Default" not in definition]
    if missing:
        raise ValueError(f"Parameters: [{', '.join(missing)}] must have values")
    for name, definition in declared.items():
        if not values.get(name, {}).get("UsePreviousValue"):
            check_value(name, definition, values.get(name, definition).get("Value", definition.get("Default", "")))


def check_value(name: str, definition: dict[str, Any], value: Any) -> None:
    """Raise ValueError if a value is not of the parameter's type or not allowed."""
    kind, text = definition.get("Type", "String"), str(value)
    if kind == "Number" and not is_number(text):
        raise ValueError(f"Parameter '{name}' must be a number.")
    if kind == "List<Number>" and not all(is_number(item.strip()) for item in text.split(",")):
        raise ValueError(f"Parameter '{name}' must be a list of numbers.")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def with_texts(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template whose parameters have texts for Booleans, as CloudFormation reads them."""
    parameters = {
        name: {key: text_of(value) for key, value in definition.items()}
        for name, definition in (template.get("Parameters") or {}).items()
    }
    return template | {"Parameters": parameters} if parameters else template


def text_of(value: Any) -> Any:
    if isinstance(value, list):
        return [text_of(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else value


def with_checks(resolve: Any) -> Any:
    def resolve_parameters(
        template: dict[str, Any], given: list[dict[str, Any]], previous: dict[str, Any] | None = None
    ) -> Any:
        check(template, given, previous or {})
        try:
            return resolve(with_texts(template), given, previous)
        except ValueError as error:
            name = str(error).split("'")[1] if "'" in str(error) else ""
            if "is not in AllowedValues" in str(error):
                raise ValueError(f"Parameter '{name}' must be one of AllowedValues") from None
            if "failed to resolve: SSM parameter" in str(error):
                raise ValueError(f"Parameter {name} should either have input value or default value") from None
            raise

    return resolve_parameters


def with_mask(create_change_set: Any) -> Any:
    """Wrap CreateChangeSet to mask the parameters with NoEcho, as it is done in the description of a stack."""

    def create(parameters: dict[str, Any]) -> Any:
        answer = create_change_set(parameters)
        for change_set in cloudformation._change_sets.values():
            for parameter in change_set["Parameters"]:
                if change_set["_resolved_params"][parameter["ParameterKey"]]["NoEcho"]:
                    parameter["ParameterValue"] = "****"
        return answer

    return create


def apply() -> None:
    actions = handlers._ACTION_HANDLERS
    actions["CreateChangeSet"] = with_mask(actions["CreateChangeSet"])
    for module in (handlers, changesets):
        module._resolve_parameters = with_checks(module._resolve_parameters)
