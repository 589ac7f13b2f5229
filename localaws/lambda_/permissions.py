"""Gap: a function's policy accepts any principal, mixes those of its versions and aliases, and has no revision.

AWS names an account by the ARN of its root user, and refuses a role or user that does not exist. It knows every service
principal; this module knows their form. The function, each version and each alias have a policy and a revision of their
own.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
No longer needed when GetPolicy of a function without statements returns a ResourceNotFoundException.
"""

import json
import re
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, new_uuid
from ministack.services import iam, lambda_svc

from localaws.lambda_.revisions import revise, revision_error

SERVICE = re.compile(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com)")
CONDITIONS = {
    "SourceArn": ("ArnLike", "AWS:SourceArn"),
    "SourceAccount": ("StringEquals", "AWS:SourceAccount"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
    "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
}
"""The parameters of AddPermission that become conditions of the statement."""

type Json = dict[str, Any]


def add_permission(name: str, data: Json, query: Json | None = None, path_qualifier: str | None = None) -> Any:
    """Add a statement to the policy of the function, version or alias."""
    qualifier = lambda_svc._qualifier_from_path_or_query(path_qualifier, query)
    if qualifier == "$LATEST":
        return lambda_svc._invalid_parameter_value("We currently do not support adding policies for $LATEST.")
    if (resource := find(name, qualifier)) is None:
        return missing_resource(name, qualifier)
    principal = principal_of(str(data.get("Principal", "")))
    if principal is None:
        return lambda_svc._invalid_parameter_value(
            "The provided principal was invalid. Please check the principal and try again."
        )
    function, identifier = lambda_svc._functions[name], data.get("StatementId") or str(new_uuid())
    if any(statement["Sid"] == identifier for statement in statements(name, qualifier)):
        text = f"The statement id ({identifier}) provided already exists. "
        text += "Please provide a new statement id, or remove the existing statement."
        return lambda_svc.error_response_json("ResourceConflictException", text, 409)
    if error := revision_error(policy_revision(function, qualifier, resource), data.get("RevisionId"), "GetPolicy"):
        return error
    statement = {
        "Sid": identifier,
        "Effect": "Allow",
        "Principal": principal,
        "Action": data.get("Action", "lambda:InvokeFunction"),
        "Resource": lambda_svc._policy_resource_arn(name, qualifier),
    }
    if found := conditions(data):
        statement["Condition"] = found
    function["policy"]["Statement"].append(statement)
    change_revision(function, qualifier, resource)
    return lambda_svc.json_response({"Statement": json.dumps(statement)}, 201)


def remove_permission(name: str, identifier: str, query: Json, path_qualifier: str | None = None) -> Any:
    """Remove a statement from the policy of the function, version or alias."""
    qualifier = lambda_svc._qualifier_from_path_or_query(path_qualifier, query)
    if name not in lambda_svc._functions:
        return not_found(f"No policy found for: {lambda_svc._policy_resource_arn(name, qualifier)}")
    if (resource := find(name, qualifier)) is None:
        return missing_resource(name, qualifier)
    function, given = lambda_svc._functions[name], statements(name, qualifier)
    if not given:
        return not_found("No policy is associated with the given resource.")
    removed = next((statement for statement in given if statement["Sid"] == identifier), None)
    if removed is None:
        return not_found(f"Statement {identifier} is not found in resource policy.")
    if error := revision_error(
        policy_revision(function, qualifier, resource), lambda_svc._qp_first(query, "RevisionId"), "GetPolicy"
    ):
        return error
    function["policy"]["Statement"].remove(removed)
    change_revision(function, qualifier, resource)
    if len(given) == 1:
        del function["policy_revisions"][qualifier or ""]
    return 204, {}, b""


def get_policy(name: str, query: Json | None = None, path_qualifier: str | None = None) -> Any:
    """Answer with the policy of the function, version or alias."""
    qualifier = lambda_svc._qualifier_from_path_or_query(path_qualifier, query)
    resource, found = find(name, qualifier), statements(name, qualifier)
    if resource is None or not found:
        return not_found("The resource you requested does not exist.")
    function = lambda_svc._functions[name]
    policy = {**function["policy"], "Statement": found}
    revision = policy_revision(function, qualifier, resource)
    return lambda_svc.json_response({"Policy": json.dumps(policy), "RevisionId": revision})


def find(name: str, qualifier: str | None) -> Json | None:
    """Return the settings of the function, version or alias, which have its revision; None if it does not exist."""
    function = lambda_svc._functions.get(name)
    if not function:
        return None
    version = function["versions"].get(qualifier) if qualifier else function
    found: Json | None = version["config"] if version else function.get("aliases", {}).get(qualifier)
    return found


def missing_resource(name: str, qualifier: str | None) -> Any:
    """Return the error for a function, version or alias that does not exist."""
    is_alias = qualifier and "$" not in qualifier and not qualifier.isdigit() and name in lambda_svc._functions
    arn = lambda_svc._policy_resource_arn(name, qualifier)
    return not_found(f"Cannot find alias arn: {arn}" if is_alias else f"Function not found: {arn}")


def not_found(message: str) -> Any:
    return lambda_svc.error_response_json("ResourceNotFoundException", message, 404)


def statements(name: str, qualifier: str | None) -> list[Json]:
    """Return the statements in the policy of the function, version or alias."""
    function, arn = lambda_svc._functions.get(name), lambda_svc._policy_resource_arn(name, qualifier)
    return [each for each in function["policy"]["Statement"] if each["Resource"] == arn] if function else []


def principal_of(given: str) -> str | dict[str, str] | None:
    """Return the principal of the statement; None if AWS refuses it."""
    if given == "*":
        return given
    if SERVICE.fullmatch(given):
        return {"Service": given}
    if re.fullmatch(r"\d{12}", given):
        return {"AWS": f"arn:aws:iam::{given}:root"}
    return {"AWS": given} if is_principal(given) else None


def is_principal(arn: str) -> bool:
    """Return whether the ARN names an account, or a role, user or session that can exist."""
    try:
        spec = parse_arn(arn)
    except ArnParseError:
        return False
    kind, _, path = str(spec.resource).partition("/")
    if spec.service == "sts":
        return kind in ("assumed-role", "federated-user")
    if spec.service != "iam" or kind not in ("root", "role", "user"):
        return False
    if kind == "root" or spec.account_id != get_account_id():
        return True
    return path.rpartition("/")[2] in (iam._roles if kind == "role" else iam._users)


def conditions(data: Json) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for parameter, (operator, key) in CONDITIONS.items():
        value = data.get(parameter)
        if value is not None:
            found.setdefault(operator, {})[key] = str(value).lower() if operator == "Bool" else value
    return found


def policy_revision(function: Json, qualifier: str | None, resource: Json) -> str:
    """Return the revision of a policy; that of its function, version or alias while there is none."""
    revisions: dict[str, str] = function.get("policy_revisions", {})
    return revisions.get(qualifier or "") or str(resource["RevisionId"])


def change_revision(function: Json, qualifier: str | None, resource: Json) -> None:
    """Give the policy and its function, version or alias the same new revision."""
    if qualifier:
        resource["RevisionId"] = new_uuid()
    else:
        revise(function)
    function.setdefault("policy_revisions", {})[qualifier or ""] = resource["RevisionId"]


def apply() -> None:
    lambda_svc._add_permission = add_permission
    lambda_svc._remove_permission = remove_permission
    lambda_svc._get_policy = get_policy
