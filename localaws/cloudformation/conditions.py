"""Gap: a condition evaluates only `Ref` and `Fn::Select`, and neither other functions nor pseudo parameters.

A Boolean of a template is the text `true` or `false`. AWS::StackName has no value in a condition here.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-conditions.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/conditions-section-structure.html
No longer needed when a condition that compares `Fn::Sub` of `AWS::Region` with the Region is true.
"""

from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, stacks

LOGICAL = ("Fn::And", "Fn::Or", "Fn::Not")
NAMES_NO_VALUE = ("Condition", "Fn::Equals", *LOGICAL)


def evaluable(expression: Any, resolve: Any) -> Any:
    """Return a condition with the operands of its comparisons resolved."""
    if not isinstance(expression, dict):
        return expression
    for name in LOGICAL:
        if isinstance(expression.get(name), list):
            return {name: [evaluable(part, resolve) for part in expression[name]]}
    if isinstance(expression.get("Fn::Equals"), list):
        return {"Fn::Equals": [operand(part, resolve) for part in expression["Fn::Equals"]]}
    return expression


def operand(value: Any, resolve: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, dict) or value.keys() & set(NAMES_NO_VALUE):
        return value
    return operand(resolve(value), resolve)


def with_functions(evaluate: Any) -> Any:
    def evaluate_conditions(template: dict[str, Any], parameters: dict[str, Any]) -> Any:
        mappings = template.get("Mappings") or {}

        def resolve(value: Any) -> Any:
            return engine._resolve_refs(value, {}, parameters, {}, mappings, "", "")

        conditions = template.get("Conditions") or {}
        resolved = {name: evaluable(expression, resolve) for name, expression in conditions.items()}
        return evaluate(template | {"Conditions": resolved}, parameters)

    return evaluate_conditions


def apply() -> None:
    evaluate = with_functions(engine._evaluate_conditions)
    for module in (engine, handlers, changesets, stacks):
        module._evaluate_conditions = evaluate
