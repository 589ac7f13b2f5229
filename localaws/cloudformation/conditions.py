"""Gap: a condition evaluates only `Ref` and `Fn::Select`, and neither other functions nor pseudo parameters.

A Boolean of a template is the text `true` or `false`. AWS::StackId has no value in a condition here.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-conditions.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/conditions-section-structure.html
No longer needed when a condition that compares `Fn::Sub` of `AWS::Region` with the Region is true.
"""

from contextvars import ContextVar
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, stacks

stack_name: ContextVar[str] = ContextVar("stack_name", default="")
"""The name of the stack whose conditions are evaluated."""

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
            return engine._resolve_refs(value, {}, parameters, {}, mappings, stack_name.get(), "")

        conditions = template.get("Conditions") or {}
        resolved = {name: evaluable(expression, resolve) for name, expression in conditions.items()}
        return evaluate(template | {"Conditions": resolved}, parameters)

    return evaluate_conditions


def with_stack_name(handle: Any) -> Any:
    """Wrap an action on one stack."""

    def answer(parameters: dict[str, Any]) -> Any:
        name = handlers._p(parameters, "StackName")
        if not name and (change_set := changesets._find_change_set(handlers._p(parameters, "ChangeSetName"))[1]):
            name = change_set["StackName"]
        stack = handlers._resolve_stack(name)
        token = stack_name.set(stack["StackName"] if stack else name)
        try:
            return handle(parameters)
        finally:
            stack_name.reset(token)

    return answer


def with_own_name(deploy: Any) -> Any:
    """Wrap the deployment of a stack, which may be nested in another."""

    async def deploy_stack(name: str, *settings: Any, **options: Any) -> None:
        stack_name.set(name)  # for the task that runs the deployment
        await deploy(name, *settings, **options)

    return deploy_stack


def apply() -> None:
    actions = handlers._ACTION_HANDLERS
    for action in ("CreateStack", "UpdateStack", "CreateChangeSet", "ExecuteChangeSet"):
        actions[action] = with_stack_name(actions[action])
    deploy = with_own_name(stacks._deploy_stack_async)
    for module in (handlers, changesets, stacks):
        module._deploy_stack_async = deploy
    evaluate = with_functions(engine._evaluate_conditions)
    for module in (engine, handlers, changesets, stacks):
        module._evaluate_conditions = evaluate
