"""What a role allows: the check that AWS makes before it stores a setting that a role must be able to use."""

from __future__ import annotations

from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region

SEND_ACTIONS = {
    "events": "PutEvents",
    "lambda": "InvokeFunction",
    "s3": "PutObject",
    "sns": "Publish",
    "sqs": "SendMessage",
}


def is_allowed(role: str, action: str, resource: str) -> bool:
    """Return whether the policies of the role with that ARN allow the action, which has no service prefix."""
    account, name = get_account_id(), role.rsplit("/", 1)[-1]
    context = iam_evaluator.EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=account,
        action=f"{parse_arn(resource).service}:{action}",
        resource_arn=resource,
        region=get_region(),
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


def denied_send(role: str, destination: str) -> str | None:
    """Return the action that the role lacks to send to the destination, or None."""
    action = SEND_ACTIONS[parse_arn(destination).service]
    resource = f"{destination}/*" if ":s3:" in destination else destination
    return None if is_allowed(role, action, resource) else action
