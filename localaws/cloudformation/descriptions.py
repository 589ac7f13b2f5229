"""Gap: descriptions of stacks, change sets and events have empty members, lack others, and lose a stack's description.

AWS returns the change set that a stack was last changed by, no text that is empty, and events in the order in which
they happened. It names a missing stack before a missing change set.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackEvent.html
No longer needed when DescribeStacks returns the `Description` of a stack that a change set created.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, stacks

type Parameters = dict[str, Any]
type Change = Callable[[str, Parameters], str]

DELETING = ("DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
NO_OPTIONS = "<NotificationARNs/><RollbackConfiguration/>"
STACK = re.compile(r"<member><StackName>.*?<DriftInformation>", re.DOTALL)
STACK_ID = re.compile(r"<StackId>([^<]*)</StackId>")
CHANGE_SET_ID = re.compile(r"<ChangeSetId>([^<]*)</ChangeSetId>")
OF_DELETED_STACK = re.compile(r"<StackName>arn:[^<]*:stack/([^/<]*)/[^<]*</StackName>")
PROTECTED = re.compile(r"<EnableTerminationProtection>[^<]*</EnableTerminationProtection>")
TAGS = re.compile(r"<Tags>.*?</Tags>", re.DOTALL)
UPDATED = re.compile(r"<LastUpdatedTime>[^<]*</LastUpdatedTime>")


def without_empty(text: str, *names: str) -> str:
    for name in names:
        text = text.replace(f"<{name}></{name}>", "")
    return text


def describe_stacks(text: str, parameters: Parameters) -> str:
    text = STACK.sub(lambda found: describe_stack(found.group()), text)
    return without_empty(text, "StackStatusReason", "Description", "Outputs", "Parameters", "Capabilities")


def describe_stack(text: str) -> str:
    """Return the description of one stack, up to its drift information, as AWS writes it."""
    found = STACK_ID.search(text)
    stack = handlers._resolve_stack(found.group(1)) if found else None
    if stack is None:
        return text
    text = with_resolved(text, stack.get("_resolved_params", {}))
    if stack["StackStatus"] == "DELETE_COMPLETE":
        text = PROTECTED.sub("", text)
    if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        text = TAGS.sub("<Tags></Tags>", text)
        text = text.replace("<StackStatusReason><", "<StackStatusReason>User Initiated<")
    more = NO_OPTIONS
    if (change_set := stack.get("_change_set")) and not stack["StackStatus"].startswith(("DELETE_C", "ROLLBACK")):
        more += f"<ChangeSetId>{change_set}</ChangeSetId>"
    elif not (change_set or stack["StackStatus"].startswith("UPDATE")):
        text = UPDATED.sub("", text)
    if deleted := stack.get("_deleted"):
        more += f"<DeletionTime>{deleted}</DeletionTime>"
    return text.replace("<DriftInformation>", f"{more}<DriftInformation>")


def with_resolved(text: str, values: dict[str, Any]) -> str:
    """Return a description whose parameters from the Parameter Store have the name there and the resolved value."""
    for name, value in values.items():
        if "SsmName" in value:
            key, resolved = f"<ParameterKey>{name}</ParameterKey>", handlers._esc(str(value["Value"]))
            shown = f"<ParameterValue>{handlers._esc(value['SsmName'])}</ParameterValue>"
            text = text.replace(
                f"{key}<ParameterValue>{resolved}</ParameterValue>",
                f"{key}{shown}<ResolvedValue>{resolved}</ResolvedValue>",
            )
    return text


def describe_change_set(text: str, parameters: Parameters) -> str:
    change_set = cloudformation._change_sets[CHANGE_SET_ID.findall(text)[0]]
    text = with_resolved(text, change_set["_resolved_params"])
    text = OF_DELETED_STACK.sub(r"<StackName>\1</StackName>", text)
    text = without_empty(text, "StatusReason", "Description", "Parameters", "Tags")
    more = f"{NO_OPTIONS}<IncludeNestedStacks>false</IncludeNestedStacks>"
    return text.replace("</DescribeChangeSetResult>", f"{more}</DescribeChangeSetResult>")


def describe_events(text: str, parameters: Parameters) -> str:
    return without_empty(text, "ResourceStatusReason", "PhysicalResourceId")


CHANGES: dict[str, Change] = {
    "DescribeStacks": describe_stacks,
    "DescribeChangeSet": describe_change_set,
    "DescribeStackEvents": describe_events,
}


def described(handle: Any, change: Change) -> Any:
    def answer(parameters: Parameters) -> Any:
        status, headers, body = handle(parameters)
        return status, headers, change(body.decode(), parameters).encode() if status == 200 else body

    return answer


def with_missing_stack(handle: Any) -> Any:
    """Refuse a change set of a stack that does not exist as AWS does, and find it by the id of its stack."""

    def answer(parameters: Parameters) -> Any:
        name = handlers._p(parameters, "StackName")
        by_id = handlers._p(parameters, "ChangeSetName").startswith("arn:")
        stack = handlers._resolve_stack(name)
        if name and not by_id and stack is None:
            return handlers._error("ValidationError", f"Stack [{name}] does not exist")
        return handle(parameters | {"StackName": [stack["StackName"]]} if stack else parameters)

    return answer


def get_template_error(parameters: Parameters) -> str | None:
    name = handlers._p(parameters, "StackName")
    if not name and not handlers._p(parameters, "ChangeSetName"):
        return "StackName is required if ChangeSetName is not specified."
    return f"Stack with id {name} does not exist" if name and handlers._resolve_stack(name) is None else None


def describe_resource_error(parameters: Parameters) -> str | None:
    """Return the error for a stack or resource that does not exist. It names the stack as the request does."""
    name, resource = handlers._p(parameters, "StackName"), handlers._p(parameters, "LogicalResourceId")
    stack = handlers._resolve_stack(name)
    if stack is None:
        return f"Stack '{name}' does not exist"
    return None if resource in stack["_resources"] else f"Resource {resource} does not exist for stack {name}"


def checked(handle: Any, error_of: Callable[[Parameters], str | None]) -> Any:
    def answer(parameters: Parameters) -> Any:
        message = error_of(parameters)
        return handlers._error("ValidationError", message) if message else handle(parameters)

    return answer


def executed(execute: Any) -> Any:
    """Keep the id of the change set that is executed, and the description of its template."""

    def answer(parameters: Parameters) -> Any:
        names = (handlers._p(parameters, "ChangeSetName"), handlers._p(parameters, "StackName"))
        change_set_id, change_set = changesets._find_change_set(*names)
        response = execute(parameters)
        if response[0] == 200 and (stack := cloudformation._stacks.get(change_set["StackName"])):
            stack["_change_set"] = change_set_id
            stack["Description"] = change_set["_template"].get("Description", "")
        return response

    return answer


def add_event_in_order(add_event: Any) -> Any:
    """Give each event of a stack a later time than the one before, so that clients can sort them."""

    def add(stack_id: str, stack_name: str, logical_id: str, kind: str, status: str, *more: Any, **fields: Any) -> None:
        add_event(stack_id, stack_name, logical_id, kind, status, *more, **fields)
        events = cloudformation._stack_events[stack_id]
        if len(events) > 1 and events[-1]["Timestamp"] <= events[-2]["Timestamp"]:
            later = datetime.fromisoformat(events[-2]["Timestamp"]) + timedelta(milliseconds=1)
            events[-1]["Timestamp"] = later.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        stack = handlers._resolve_stack(stack_id) if status in DELETING else None
        if stack and kind == "AWS::CloudFormation::Stack":
            stack["_deleted"] = now_iso()

    return add


def apply() -> None:
    add_event = add_event_in_order(stacks._add_event)
    for module in (stacks, handlers, changesets):
        module._add_event = add_event
    actions = handlers._ACTION_HANDLERS
    for action, change in CHANGES.items():
        actions[action] = described(actions[action], change)
    for action in ("DescribeChangeSet", "ExecuteChangeSet"):
        actions[action] = with_missing_stack(actions[action])
    actions["GetTemplate"] = checked(actions["GetTemplate"], get_template_error)
    actions["DescribeStackResource"] = checked(actions["DescribeStackResource"], describe_resource_error)
    actions["ExecuteChangeSet"] = executed(actions["ExecuteChangeSet"])
