"""Gap: a property that refers to a parameter with the value `AWS::NoValue` gets that text.

Recorded on AWS: such a reference leaves the property out, like a reference to the pseudo parameter itself.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html
No longer needed when a stack creates a log group whose name is a parameter with the value `AWS::NoValue`.
"""

from typing import Any

from ministack.services.cloudformation import engine

NO_VALUE = "AWS::NoValue"


def with_no_value(resolve: Any) -> Any:
    def resolve_refs(value: Any, resources: dict[str, Any], parameters: dict[str, Any], *context: Any) -> Any:
        name = value.get("Ref") if isinstance(value, dict) else None
        if isinstance(name, str) and parameters.get(name, {}).get("Value") == NO_VALUE:
            return engine._NO_VALUE
        return resolve(value, resources, parameters, *context)

    return resolve_refs


def apply() -> None:
    engine._resolve_refs = with_no_value(engine._resolve_refs)
