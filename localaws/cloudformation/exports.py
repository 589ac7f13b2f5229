"""Gap: CloudFormation lets a stack change or remove an export that another stack imports, and take another's export.

With this module, such an update rolls back, and DeleteStack is refused.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
No longer needed when an update rolls back that changes an export in use.
"""

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks


def importing(export: str, exporter: str) -> list[str]:
    """Return the names of the stacks that import *export*, which the stack *exporter* has."""
    return [
        name
        for name, stack in cloudformation._stacks.items()
        if name != exporter
        and stack["StackStatus"] not in ("DELETE_COMPLETE", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")
        and export in handlers._imported_export_names(stack, name)
    ]


def check(name: str, stack_id: str, new: dict[str, dict[str, str]]) -> None:
    """Raise ValueError if the stack may not have the exports *new* in place of its exports so far."""
    for export in new:
        owner = cloudformation._exports.get(export)
        if owner and owner["StackId"] != stack_id:
            other = owner["StackId"].split("/")[1]
            raise ValueError(f"Export with name {export} is already exported by stack {other}")
    for export, old in cloudformation._exports.items():
        if old["StackId"] != stack_id or new.get(export, {}).get("Value") == old["Value"]:
            continue
        if users := importing(export, name):
            change = "updated" if export in new else "deleted"
            raise ValueError(f"Export {export} cannot be {change} as it is in use by {', '.join(users)}")


def with_checks(resolve: Any) -> Any:
    def resolve_outputs(definitions: dict[str, Any], *context: Any) -> Any:
        outputs, exports = resolve(definitions, *context)
        names = [output["ExportName"] for output in outputs if "ExportName" in output]
        if duplicate := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"Template format error: Duplicate Export names. Duplicated names: [{duplicate}].")
        name, stack_id = context[-2:]
        check(name, stack_id, exports)
        remove_old(stack_id, exports)
        return outputs, exports

    return resolve_outputs


def remove_old(stack_id: str, new: dict[str, Any]) -> None:
    """Remove the stack's exports that the update does not have any more. The emulator keeps them."""
    for export, old in list(cloudformation._exports.items()):
        if old["StackId"] == stack_id and export not in new:
            cloudformation._exports.pop(export)


def with_aws_message(delete: Any) -> Any:
    """Wrap DeleteStack to refuse a stack whose export is in use, in AWS's words."""

    def delete_stack(parameters: dict[str, Any]) -> Any:
        stack = handlers._resolve_stack(handlers._p(parameters, "StackName"))
        for output in stack["Outputs"] if stack else ():
            export = output.get("ExportName")
            if export and (users := importing(export, stack["StackName"])):
                message = f"Delete canceled. Cannot delete export {export} as it is in use by {', '.join(users)}"
                return handlers._error("ValidationError", message)
        return delete(parameters)

    return delete_stack


def apply() -> None:
    stacks._resolve_stack_outputs = with_checks(stacks._resolve_stack_outputs)
    actions = handlers._ACTION_HANDLERS
    actions["DeleteStack"] = with_aws_message(actions["DeleteStack"])
