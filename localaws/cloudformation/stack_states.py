"""Gap: CreateStack and CreateChangeSet replace a stack whose creation failed, without deleting it first.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
No longer needed when CreateStack answers AlreadyExistsException for a stack in the state ROLLBACK_COMPLETE.
"""

from collections.abc import Callable
from typing import Any

from ministack.services.cloudformation import handlers

UPDATABLE = {
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
}

type Parameters = dict[str, Any]


def refused_create(stack: dict[str, Any], parameters: Parameters) -> Any:
    """Return the error of a request that creates a stack that exists, or None."""
    if change_set := handlers._p(parameters, "ChangeSetName"):
        if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
            return None
        name = handlers._p(parameters, "StackName")
        message = f"Stack [{name}] already exists and cannot be created again with the changeSet [{change_set}]."
        return handlers._error("ValidationError", message)
    if stack["StackStatus"] != "ROLLBACK_COMPLETE":
        return None
    return handlers._error("AlreadyExistsException", f"Stack [{stack['StackName']}] already exists")


def refused_update(stack: dict[str, Any], parameters: Parameters) -> Any:
    """Return the error of a request that updates a stack in a state that does not allow it, or None."""
    status = stack["StackStatus"]
    if status in UPDATABLE:
        return None
    message = f"Stack:{stack['StackId']} is in {status} state and can not be updated."
    return handlers._error("ValidationError", message)


def refused_change_set(stack: dict[str, Any], parameters: Parameters) -> Any:
    kind = handlers._p(parameters, "ChangeSetType")
    if kind == "IMPORT" and stack["StackStatus"] != "ROLLBACK_COMPLETE":
        return None
    return (refused_create if kind in ("CREATE", "IMPORT") else refused_update)(stack, parameters)


def with_states(call: Any, refused: Callable[[dict[str, Any], Parameters], Any]) -> Any:
    """Wrap an action to refuse the states of its stack that AWS refuses."""

    def handle(parameters: Parameters) -> Any:
        stack = handlers._resolve_stack(handlers._p(parameters, "StackName"))
        return (stack and refused(stack, parameters)) or call(parameters)

    return handle


def apply() -> None:
    checks = (
        ("CreateStack", refused_create),
        ("UpdateStack", refused_update),
        ("CreateChangeSet", refused_change_set),
    )
    for action, refused in checks:
        handlers._ACTION_HANDLERS[action] = with_states(handlers._ACTION_HANDLERS[action], refused)
