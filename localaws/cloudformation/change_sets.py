"""Gap: each change set that creates a stack makes another one, a stack id is no name, and some names may be missing.

The change sets of a stack that is in review belong to the same stack.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteChangeSet.html
No longer needed when two change sets that create the stack of one name have the same StackId.
"""

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers

type Parameters = dict[str, Any]

NAME_MISSING = "StackName must be specified if ChangeSetName is not specified as an ARN."


def by_name(create: Any) -> Any:
    """Wrap CreateChangeSet: the name of a stack may be its id."""

    def create_change_set(parameters: Parameters) -> Any:
        stack = handlers._resolve_stack(handlers._p(parameters, "StackName"))
        return create(parameters | {"StackName": [stack["StackName"]]} if stack else parameters)

    return create_change_set


def for_one_stack(create: Any) -> Any:
    """Wrap CreateChangeSet: it keeps the stack that another change set made, and is in review."""

    def create_change_set(parameters: Parameters) -> Any:
        name = handlers._p(parameters, "StackName")
        stack = handlers._resolve_stack(name)
        if stack is None or stack["StackStatus"] != "REVIEW_IN_PROGRESS":
            return create(parameters)
        status, headers, body = create(parameters)
        made, stack_id = cloudformation._stacks.get(name), stack["StackId"]
        cloudformation._stacks[name] = stack
        if made is None or made is stack:
            return status, headers, body
        cloudformation._stack_events.pop(made["StackId"], None)
        for change_set in cloudformation._change_sets.values():
            if change_set["StackId"] == made["StackId"]:
                change_set["StackId"] = stack_id
        return status, headers, body.replace(made["StackId"].encode(), stack_id.encode())

    return create_change_set


def with_name(handle: Any, message: str) -> Any:
    """Wrap an action on a change set, which needs the name of the stack unless the change set is given by its id."""

    def answer(parameters: Parameters) -> Any:
        by_id = handlers._p(parameters, "ChangeSetName").startswith("arn:")
        if handlers._p(parameters, "ChangeSetName") and not by_id and not handlers._p(parameters, "StackName"):
            return handlers._error("ValidationError", message)
        return handle(parameters)

    return answer


def with_status(execute: Any) -> Any:
    """Wrap ExecuteChangeSet: the refusal of a change set that failed names the change set by its id."""

    def execute_change_set(parameters: Parameters) -> Any:
        names = (handlers._p(parameters, "ChangeSetName"), handlers._p(parameters, "StackName"))
        change_set_id, change_set = changesets._find_change_set(*names)
        if change_set and change_set["Status"] == "FAILED":
            message = f"ChangeSet [{change_set_id}] cannot be executed in its current status of [FAILED]"
            return handlers._error("InvalidChangeSetStatus", message)
        return execute(parameters)

    return execute_change_set


def apply() -> None:
    actions = handlers._ACTION_HANDLERS
    actions["CreateChangeSet"] = by_name(for_one_stack(actions["CreateChangeSet"]))
    actions["ExecuteChangeSet"] = with_status(actions["ExecuteChangeSet"])
    for action in ("DeleteChangeSet", "DescribeChangeSet", "ExecuteChangeSet"):
        actions[action] = with_name(actions[action], NAME_MISSING)
    actions["GetTemplate"] = with_name(actions["GetTemplate"], "StackName is a required parameter.")
