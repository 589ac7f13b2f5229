"""Gap: SimulatePrincipalPolicy ignores permissions boundaries, context keys, resource policies and further resources.

AWS evaluates a simulated call as the call itself: identity policies, boundary, the given context, and each resource.
Callers that trust a simulation, such as a check before a deployment, must get the decision of the call.
AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
No longer needed when SimulatePrincipalPolicy answers `implicitDeny` for an action that a role's permissions boundary
does not allow.
"""

import json
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator as evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam

DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny", "ImplicitDeny": "implicitDeny"}


def apply() -> None:
    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulate_principal_policy


def simulate_principal_policy(request: dict[str, Any]) -> Any:
    arn = iam._p(request, "PolicySourceArn")
    kind, _, path = arn.rpartition(":")[2].partition("/")
    name = path.rpartition("/")[2]
    store = {"user": iam._users, "role": iam._roles, "group": iam._groups}.get(kind)
    if store is None or name not in store:
        return iam._error(404, "NoSuchEntity", f"The {kind or 'principal'} {name or arn} cannot be found.", ns="iam")
    account = get_account_id()
    policies = _policies_of(kind, name, account)
    policies += [evaluator.parse_policy_document(text) for text in _members(request, "PolicyInputList")]
    limits = evaluator._permissions_boundary(store, name, account)
    if boundary := list(_members(request, "PermissionsBoundaryPolicyInputList")):
        limits = [[evaluator.parse_policy_document(text) for text in boundary]]
    keys = _context_keys(request)
    results = [
        _result(action, resource, _decide(arn, kind, action, resource, keys, policies, limits, request))
        for action in _members(request, "ActionNames")
        for resource in list(_members(request, "ResourceArns")) or ["*"]
    ]
    body = f"<EvaluationResults>{''.join(results)}</EvaluationResults><IsTruncated>false</IsTruncated>"
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        f"<SimulatePrincipalPolicyResult>{body}</SimulatePrincipalPolicyResult>",
        ns="iam",
    )


def _policies_of(kind: str, name: str, account: str) -> list[Any]:
    if kind == "user":
        return list(evaluator._gather_user_policies(name, account))
    if kind == "role":
        return list(evaluator._gather_role_policies(name, account))
    arns = iam._groups[name]["AttachedPolicies"]
    attached = [evaluator._resolve_managed_policy_document(arn, account) for arn in arns]
    documents = [*(iam._group_inline_policies.get(name) or {}).values(), *attached]
    return [evaluator.parse_policy_document(document) for document in documents if document]


def _decide(
    arn: str,
    kind: str,
    action: str,
    resource: str,
    keys: dict[str, Any],
    policies: list[Any],
    limits: list[Any],
    request: dict[str, Any],
) -> str:
    """Return the decision that a call of *action* on *resource* would get."""
    context = evaluator.EvalContext(
        principal_arn=arn,
        principal_type="User" if kind == "user" else "AssumedRole",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context=keys,
        principal_keys=keys,
        secure_transport=True,
    )
    result = evaluator.evaluate(context, policies, *limits)
    if policy := iam._p(request, "ResourcePolicy"):
        result = evaluator.combine_resource_policy(result, context, json.loads(policy), get_account_id())
    return str(result.decision)


def _result(action: str, resource: str, decision: str) -> str:
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{DECISIONS[decision]}</EvalDecision>"
        "<MatchedStatements></MatchedStatements><MissingContextValues></MissingContextValues></member>"
    )


def _members(request: dict[str, Any], name: str) -> Iterator[str]:
    number = 1
    while value := iam._p(request, f"{name}.member.{number}"):
        yield value
        number += 1


def _context_keys(request: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the given context keys, by their names in lower case."""
    keys: dict[str, Any] = {}
    number = 1
    while name := iam._p(request, f"ContextEntries.member.{number}.ContextKeyName"):
        values = list(_members(request, f"ContextEntries.member.{number}.ContextKeyValues"))
        several = iam._p(request, f"ContextEntries.member.{number}.ContextKeyType").endswith("List")
        keys[name.lower()] = values if several else (values or [""])[0]
        number += 1
    return keys
