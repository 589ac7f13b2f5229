"""Gap: a change set whose resources have invalid properties is executable; only its execution fails.

AWS validates the properties when the change set is created, and fails it. `DisableValidation` skips the check.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
No longer needed when a change set with a property that does not exist has the status FAILED.
"""

from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, stacks

type Parameters = dict[str, Any]

REASON = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::PropertyValidation]. To troubleshoot Early "
    "Validation errors, use the DescribeEvents API for detailed failure information."
)


def is_invalid(change_set: dict[str, Any]) -> bool:
    template, parameters = change_set["_template"], change_set["_resolved_params"]
    conditions = engine._evaluate_conditions(template, parameters)
    resources = template.get("Resources", {})
    try:
        ordered = engine._topological_sort(resources, conditions)
    except ValueError:  # the execution reports it
        return False
    name, stack_id = change_set["StackName"], change_set["StackId"]
    with stacks._stack_region_context(None, stack_id):
        found = stacks._validation_errors(
            resources, ordered, parameters, conditions, template.get("Mappings", {}), name, stack_id, owned(stack_id)
        )
    return any(error[2] == "PROPERTY_VALIDATION" for error in found)


def owned(stack_id: str) -> frozenset[str]:
    """Return the names of the buckets that the stack has already."""
    stack = handlers._resolve_stack(stack_id) or {}
    resources = stack.get("_resources", {}).values()
    return frozenset(str(found.get("PhysicalResourceId")) for found in resources)


def apply() -> None:
    create = handlers._ACTION_HANDLERS["CreateChangeSet"]

    def create_checked(parameters: Parameters) -> Any:
        response = create(parameters)
        names = (handlers._p(parameters, "ChangeSetName"), handlers._p(parameters, "StackName"))
        _, change_set = changesets._find_change_set(*names)
        created = response[0] == 200 and change_set and change_set["Status"] == "CREATE_COMPLETE"
        if created and not change_set["_disable_validation"] and is_invalid(change_set):
            change_set |= {"Status": "FAILED", "ExecutionStatus": "UNAVAILABLE", "StatusReason": REASON}
        return response

    handlers._ACTION_HANDLERS["CreateChangeSet"] = create_checked
