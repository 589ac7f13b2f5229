"""Gap: a function's revision stays the same when its state or tags change and when a version is published.

AWS gives a new RevisionId with every change, so one that was read before the function became `Active` is outdated. A
version has an ARN and a revision of its own, also if the function is created with it.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
No longer needed when the RevisionId of a new function differs from that of the same function once it is active.
"""

import contextvars
import json
import threading
import time
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import lambda_svc

OUTDATED = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the {operation} API to retrieve the latest Revision Id"
)


def revise(function: dict[str, Any]) -> str:
    """Give the function a new revision, and return it. PublishVersion still finds its code and settings unchanged."""
    config, revision = function["config"], str(new_uuid())
    for version in function["versions"].values():
        if version.get("function_revision") == config["RevisionId"]:
            version["function_revision"] = revision
    config["RevisionId"] = revision
    return revision


def with_new_revision(schedule: Any) -> Any:
    """Wrap the change of a function's state after *delay* seconds."""

    def schedule_change(name: str, delay: float) -> None:
        def change() -> None:
            time.sleep(delay)
            if function := lambda_svc._functions.get(name):
                revise(function)
                schedule(name, 0)

        threading.Thread(target=contextvars.copy_context().run, args=(change,), daemon=True).start()

    return schedule_change


def revision_error(latest: str, given: str | None, operation: str = "GetFunction/GetAlias") -> Any:
    """Return the error for an outdated revision in a request, or None. *operation* returns the latest one."""
    if not given or given == latest:
        return None
    return lambda_svc.error_response_json("PreconditionFailedException", OUTDATED.format(operation=operation), 412)


def check_revision(current: dict[str, Any], data: dict[str, Any]) -> Any:
    return revision_error(current["RevisionId"], data.get("RevisionId"))


def revising_after(publish: Any) -> Any:
    """Wrap PublishVersion: a new version changes the revision of the function."""

    def publish_version(name: str, data: dict[str, Any]) -> Any:
        function = lambda_svc._functions.get(name)
        if function is None:
            return publish(name, data)
        if error := check_revision(function["config"], data) or code_error(function["config"], data):
            return error
        versions = len(function["versions"])
        answer = publish(name, data)
        if len(function["versions"]) > versions:
            revise(function)
        return answer

    return publish_version


def code_error(config: dict[str, Any], data: dict[str, Any]) -> Any:
    """Return the error for a version of other code than the function has, or None."""
    given, current = data.get("CodeSha256"), config["CodeSha256"]
    if not given or given == current:
        return None
    return lambda_svc._invalid_parameter_value(
        f"CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )


def with_own_version(change: Any) -> Any:
    """Wrap CreateFunction or UpdateFunctionCode: complete the version that `Publish` makes."""

    def change_function(*arguments: Any) -> Any:
        answer = change(*arguments)
        if answer[0] < 400 and arguments[-1].get("Publish"):
            described = json.loads(answer[2])
            function, number = lambda_svc._functions[described["FunctionName"]], described["Version"]
            version = function["versions"][number]
            version["function_revision"] = function["config"]["RevisionId"]
            arn = f"{function['config']['FunctionArn']}:{number}"
            version["config"] |= {"FunctionArn": arn, "RevisionId": new_uuid()}
        return answer

    return change_function


def revising_tagged(tag: Any) -> Any:
    """Wrap TagResource or UntagResource: the function has a new revision."""

    def tag_resource(arn: str, *arguments: Any) -> Any:
        answer = tag(arn, *arguments)
        function, _, _ = lambda_svc._get_base_func_record_for_ref(arn)
        if answer[0] < 400 and function:
            revise(function)
        return answer

    return tag_resource


def apply() -> None:
    lambda_svc._check_revision = check_revision
    lambda_svc._create_function = with_own_version(lambda_svc._create_function)
    lambda_svc._publish_version = revising_after(lambda_svc._publish_version)
    lambda_svc._schedule_state_transition = with_new_revision(lambda_svc._schedule_state_transition)
    lambda_svc._tag_resource = revising_tagged(lambda_svc._tag_resource)
    lambda_svc._untag_resource = revising_tagged(lambda_svc._untag_resource)
    lambda_svc._update_code = with_own_version(lambda_svc._update_code)
