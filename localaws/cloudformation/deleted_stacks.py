"""Gap: the next stack of the same name replaces a deleted stack, and the change sets of a deleted stack are lost.

Like on AWS, a deleted stack and the change sets that were executed on it are found by their ids only.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html
No longer needed when DescribeStacks returns a deleted stack by its id after a stack of the same name was created.
"""

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, stacks

type Parameters = dict[str, Any]


def keeping_stacks(add_event: Any) -> Any:
    """Wrap the recording of an event: a stack that is deleted gets its id as its key."""

    def add(stack_id: str, stack_name: str, logical_id: str, kind: str, status: str, *more: Any, **fields: Any) -> None:
        add_event(stack_id, stack_name, logical_id, kind, status, *more, **fields)
        stack = cloudformation._stacks.get(stack_name)
        is_stack = kind == "AWS::CloudFormation::Stack" and logical_id == stack_name
        if stack and is_stack and status == "DELETE_COMPLETE" and stack["StackId"] == stack_id:
            cloudformation._stacks[stack_id] = cloudformation._stacks.pop(stack_name)

    return add


def keeping_change_sets(delete: Any) -> Any:
    """Wrap DeleteStack: it deletes the change sets. Those that were executed get the id in place of the name."""

    def delete_stack(parameters: Parameters) -> Any:
        stack = handlers._resolve_stack(handlers._p(parameters, "StackName"))
        executed = {
            change_set_id: change_set
            for change_set_id, change_set in cloudformation._change_sets.items()
            if stack and change_set["StackId"] == stack["StackId"] and change_set["ExecutionStatus"].startswith("EXEC")
        }
        answer = delete(parameters)
        for change_set_id, change_set in executed.items():
            if change_set_id not in cloudformation._change_sets:
                cloudformation._change_sets[change_set_id] = change_set
                change_set["StackName"] = change_set["StackId"]
        return answer

    return delete_stack


def apply() -> None:
    add_event = keeping_stacks(stacks._add_event)
    for module in (stacks, handlers, changesets):
        module._add_event = add_event
    actions = handlers._ACTION_HANDLERS
    actions["DeleteStack"] = keeping_change_sets(actions["DeleteStack"])
