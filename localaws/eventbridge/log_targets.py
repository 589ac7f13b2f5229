"""Gap: a rule whose target is a log group delivers nothing.

An event becomes a log event in a stream of its own, if a resource policy of CloudWatch Logs lets EventBridge write to
the group. PutTargets of a client does not add that policy.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-cloudwatchlogs-permissions
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
No longer needed when an event arrives in a log group that is the target of a rule.
"""

import json
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.iam_evaluator import fnmatch_iam, fnmatch_iam_cs
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch_logs, eventbridge

ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
SERVICES = {"events.amazonaws.com", "delivery.logs.amazonaws.com"}

log_group: ContextVar[str] = ContextVar("log_group", default="")
"""The log group to which an event is being delivered."""


def group_of(arn: str) -> str:
    """Return the name of the log group of this account and Region that the ARN names, or an empty text."""
    try:
        target = parse_arn(arn)
    except ArnParseError:
        return ""
    here = (target.service, target.account_id, target.region) == ("logs", get_account_id(), get_region())
    kind, _, name = target.resource.partition(":")
    return name.removesuffix(":*") if here and kind == "log-group" else ""


def may_write(stream: str) -> bool:
    """Return whether a resource policy of the account lets EventBridge make the stream and write to it."""
    granted = [statement for statement in statements() if is_for_events(statement)]
    return all(any(grants(statement, action, stream) for statement in granted) for action in ACTIONS)


def statements() -> Iterator[dict[str, Any]]:
    for policy in cloudwatch_logs._resource_policies.values():
        found = json.loads(policy["policyDocument"]).get("Statement", [])
        yield from found if isinstance(found, list) else [found]


def is_for_events(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    if not isinstance(principal, dict):
        return bool(principal == "*")
    return bool(SERVICES & set(listed(principal.get("Service")))) or "*" in listed(principal.get("AWS"))


def grants(statement: dict[str, Any], action: str, resource: str) -> bool:
    actions, resources = listed(statement.get("Action")), listed(statement.get("Resource"))
    return (
        statement.get("Effect") == "Allow"
        and any(fnmatch_iam(action, pattern) for pattern in actions)
        and any(fnmatch_iam_cs(resource, pattern) for pattern in resources)
    )


def listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def with_log_groups(invoke: Any) -> Any:
    """Wrap the invocation of a target: the emulator makes the payload for a queue, and `write` gets it."""

    def invoke_target(target: dict[str, Any], *event: Any) -> None:
        name = group_of(target.get("Arn", ""))
        token = log_group.set(name)
        try:
            queue = f"arn:aws:sqs:{get_region()}:{get_account_id()}:log-group"
            invoke(target | {"Arn": queue} if name else target, *event)
        finally:
            log_group.reset(token)

    return invoke_target


def with_logs(dispatch: Any) -> Any:
    def dispatch_to_queue(queue: Any, payload: str, *parameters: Any) -> None:
        if name := log_group.get():
            write(name, payload)
        else:
            dispatch(queue, payload, *parameters)

    return dispatch_to_queue


def write(group: str, payload: str) -> None:
    stream = new_uuid()
    arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:log-stream:{stream}"
    if group not in cloudwatch_logs._log_groups or not may_write(arn):
        return
    place = {"logGroupName": group, "logStreamName": stream}
    cloudwatch_logs._create_log_stream(place)
    cloudwatch_logs._put_log_events(place | {"logEvents": [{"message": payload}]})


def apply() -> None:
    eventbridge._invoke_target = with_log_groups(eventbridge._invoke_target)
    eventbridge._dispatch_to_sqs = with_logs(eventbridge._dispatch_to_sqs)
