"""Gap: the root key can assume every role that trusts any service, and services outside the emulator call with it.

In AWS only the service itself can assume such a role. The data planes of localaws run outside the emulator: they call
AssumeRole with the root key and the header `x-localaws-service`. Such a call is evaluated as a call of that service.
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services
No longer needed when the root key cannot assume a role that trusts only `lambda.amazonaws.com`, and a process outside
the emulator can call AssumeRole as a service.
"""

import json
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.core.router import extract_access_key_id
from ministack.services import iam, sts

HEADER = "x-localaws-service"
calling_service: ContextVar[str | None] = ContextVar("calling_service", default=None)


def includes_service(principal: Any, service: str) -> bool:
    """Return whether the principal of a trust policy is or contains the service."""
    named = principal.get("Service", []) if isinstance(principal, dict) else []
    return service in ([named] if isinstance(named, str) else named)


def trusts(role_arn: str, service: str) -> bool:
    """Return whether the trust policy of the role allows the service to assume it."""
    role = iam._roles.get(role_arn.rsplit("/", 1)[-1])
    if role is None:
        return False
    token = calling_service.set(service)
    try:
        return bool(iam_evaluator.evaluate_trust_policy(json.loads(role["AssumeRolePolicyDocument"]), service))
    finally:
        calling_service.reset(token)


def with_calling_service(handle_request: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        root = iam_evaluator.is_root_access_key(extract_access_key_id(headers, query))
        token = calling_service.set(headers.get(HEADER) if root else None)
        try:
            return await handle_request(method, path, headers, body, query)
        finally:
            calling_service.reset(token)

    return handle


def apply() -> None:
    original_matches = iam_evaluator._trust_principal_matches

    def principal_matches(principal: Any, caller_arn: str, federated: bool) -> bool:
        if service := calling_service.get():
            return includes_service(principal, service)
        if isinstance(principal, dict):
            principal = {kind: named for kind, named in principal.items() if kind != "Service"}
        return bool(original_matches(principal, caller_arn, federated))

    original_conditions_met = iam_evaluator._conditions_met

    def conditions_met(conditions: Any, context: Any) -> bool:
        """Set `aws:SourceAccount` for calls of a service, as AWS does to prevent the confused deputy problem.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
        """
        if calling_service.get():
            source = {"aws:sourceaccount": get_account_id()}
            context = replace(context, service_context=context.service_context | source)
        return bool(original_conditions_met(conditions, context))

    iam_evaluator._trust_principal_matches = principal_matches
    iam_evaluator._conditions_met = conditions_met
    sts.handle_request = with_calling_service(sts.handle_request)
