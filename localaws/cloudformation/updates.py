"""Gap: an update reports each resource as updated, also what is new or did not change, and no clean-up at its end.

As on AWS, a resource without a change has no events and keeps its status. A new one is created, also by an update.
What an update replaced or removed is deleted while the stack is in UPDATE_COMPLETE_CLEANUP_IN_PROGRESS. A template
with a transform is always an update, also if nothing changed.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
No longer needed when a resource that an update adds has the status CREATE_COMPLETE.
"""

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, stacks

STACK = "AWS::CloudFormation::Stack"
CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
INITIATED = "Resource creation Initiated"
ADDED, UNCHANGED = "_added", "_unchanged"
"""The places in a stack for the resources that the update adds, and for the records of those that it leaves."""


def updating(name: str) -> dict[str, Any] | None:
    """Return the stack if it is being updated."""
    stack = cloudformation._stacks.get(name)
    return stack if stack and stack.get("StackStatus") in ("UPDATE_IN_PROGRESS", CLEANUP) else None


def last_event(stack_id: str, logical_id: str) -> dict[str, Any] | None:
    events = reversed(cloudformation._stack_events.get(stack_id, []))
    return next((event for event in events if event["LogicalResourceId"] == logical_id), None)


def with_added(provision: Any) -> Any:
    """Wrap the creation of a resource."""

    def create(kind: str, logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        if stack := updating(stack_name):
            stack.setdefault(ADDED, []).append(logical_id)
            if event := last_event(stack["StackId"], logical_id):
                event["ResourceStatus"] = "CREATE_IN_PROGRESS"
        return provision(kind, logical_id, properties, stack_name)

    return create


def with_unchanged(update: Any) -> Any:
    """Wrap the update of a resource. A nested stack is always updated."""

    def change(
        kind: str,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack_name: str,
        logical_id: str,
        *more: Any,
    ) -> Any:
        updated = update(kind, physical_id, old, new, stack_name, logical_id, *more)
        stack, new_id = updating(stack_name), updated[0][0]
        if stack and new_id != physical_id:
            place = (stack["StackId"], stack_name, logical_id, kind)
            stacks._add_event(*place, "UPDATE_IN_PROGRESS", INITIATED, new_id)
        elif stack and old == new and kind != STACK:
            stack.setdefault(UNCHANGED, {})[logical_id] = stack["_resources"][logical_id]
            cloudformation._stack_events[stack["StackId"]].remove(last_event(stack["StackId"], logical_id))
        return updated

    return change


def with_cleanup(delete: Any) -> Any:
    """Wrap the deletion of a resource, which has no events when an update ends."""

    def delete_resource(
        kind: str, physical_id: str, properties: dict[str, Any], stack_name: str, logical_id: str
    ) -> None:
        stack = updating(stack_name)
        if stack is None:
            delete(kind, physical_id, properties, stack_name, logical_id)
            return
        begin_cleanup(stack)
        place = (stack["StackId"], stack_name, logical_id, kind)
        stacks._add_event(*place, "DELETE_IN_PROGRESS", physical_id=physical_id)
        delete(kind, physical_id, properties, stack_name, logical_id)
        stacks._add_event(*place, "DELETE_COMPLETE", physical_id=physical_id)

    return delete_resource


def begin_cleanup(stack: dict[str, Any]) -> None:
    if stack["StackStatus"] != CLEANUP:
        stack["StackStatus"] = CLEANUP
        name, stack_id = stack["StackName"], stack["StackId"]
        stacks._add_event(stack_id, name, name, STACK, CLEANUP, physical_id=stack_id)


def as_on_aws(add_event: Any) -> Any:
    """Wrap the recording of an event."""

    def add(
        stack_id: str,
        stack_name: str,
        logical_id: str,
        kind: str,
        status: str,
        reason: str = "",
        physical_id: str = "",
        **more: Any,
    ) -> None:
        stack = cloudformation._stacks.get(stack_name) or {}
        place = (stack_id, stack_name, logical_id, kind)
        if kind == STACK and logical_id == stack_name:
            end_of_update(stack, status)
        elif logical_id in stack.get(UNCHANGED, {}):
            before = stack[UNCHANGED].pop(logical_id)
            stack["_resources"][logical_id] |= {name: before[name] for name in ("ResourceStatus", "Timestamp")}
            return
        elif status == "UPDATE_IN_PROGRESS" and not physical_id:
            physical_id = stack.get("_resources", {}).get(logical_id, {}).get("PhysicalResourceId", "")
        elif status in ("UPDATE_COMPLETE", "UPDATE_FAILED") and logical_id in stack.get(ADDED, []):
            stack[ADDED].remove(logical_id)
            status = status.replace("UPDATE", "CREATE")
            if status == "CREATE_COMPLETE":
                stack["_resources"][logical_id]["ResourceStatus"] = status
        if status == "CREATE_COMPLETE" and kind != STACK and physical_id:
            add_event(*place, "CREATE_IN_PROGRESS", INITIATED, physical_id, **more)
        add_event(*place, status, reason, physical_id, **more)

    return add


def end_of_update(stack: dict[str, Any], status: str) -> None:
    """Record the clean-up that ends each update, also if there is nothing to delete."""
    if status == "UPDATE_COMPLETE" and stack:
        last = last_event(stack["StackId"], stack["StackName"])
        if last is None or last["ResourceStatus"] != CLEANUP:
            begin_cleanup(stack)
            stack["StackStatus"] = status
    if not status.endswith("IN_PROGRESS"):
        for name in (ADDED, UNCHANGED):
            stack.pop(name, None)


def with_transforms(has_no_updates: Any) -> Any:
    """Wrap the comparison of a stack with the template of UpdateStack."""

    def stack_has_no_updates(stack: dict[str, Any], *template: Any) -> bool:
        transformed = engine._parse_template(stack["_template_body"]).get("Transform")
        return not transformed and bool(has_no_updates(stack, *template))

    return stack_has_no_updates


def apply() -> None:
    add_event = as_on_aws(stacks._add_event)
    for module in (stacks, handlers, changesets):
        module._add_event = add_event
    handlers._stack_has_no_updates = with_transforms(handlers._stack_has_no_updates)
    stacks._provision_keeping_seed = with_added(stacks._provision_keeping_seed)
    stacks._update_keeping_seed = with_unchanged(stacks._update_keeping_seed)
    stacks._delete_resource = with_cleanup(stacks._delete_resource)
