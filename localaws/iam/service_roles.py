"""Gap: a role that trusts any service may be assumed by the root user, which is how the sandbox's own services call.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services
AssumeRole with the header `x-localaws-service`, which only they send, is a call of that service and of nobody else.
Needed as long as the sandbox plays services outside of the emulator.
"""

import json
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam, sts

HEADER = "x-localaws-service"
caller: ContextVar[str | None] = ContextVar("caller", default=None)


def names(principal: Any, service: str) -> bool:
    """Whether the principal of a trust policy is, or contains, the service."""
    named = principal.get("Service", []) if isinstance(principal, dict) else []
    return service in ([named] if isinstance(named, str) else named)


def trusts(role_arn: str, service: str) -> bool:
    """Whether the service may assume the role."""
    role = iam._roles.get(role_arn.rsplit("/", 1)[-1])
    if role is None:
        return False
    token = caller.set(service)
    try:
        return bool(iam_evaluator.evaluate_trust_policy(json.loads(role["AssumeRolePolicyDocument"]), service))
    finally:
        caller.reset(token)


def as_service(handle_request: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        token = caller.set(headers.get(HEADER))
        try:
            return await handle_request(method, path, headers, body, query)
        finally:
            caller.reset(token)

    return handle


def apply() -> None:
    matches = iam_evaluator._trust_principal_matches

    def principal_matches(principal: Any, caller_arn: str, federated: bool) -> bool:
        service = caller.get()
        return names(principal, service) if service else bool(matches(principal, caller_arn, federated))

    met = iam_evaluator._conditions_met

    def conditions_met(conditions: Any, context: Any) -> bool:
        """A service acts for a resource of this account, and says so: the guard against the confused deputy.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
        """
        if caller.get():
            source = {"aws:sourceaccount": get_account_id()}
            context = replace(context, service_context=context.service_context | source)
        return bool(met(conditions, context))

    iam_evaluator._trust_principal_matches = principal_matches
    iam_evaluator._conditions_met = conditions_met
    sts.handle_request = as_service(sts.handle_request)
