"""Gap: EventBridge invokes any function, without permission.

A rule invokes only a function whose policy allows `events.amazonaws.com`, for example for the rule's ARN. Otherwise the
event is not delivered.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-lambda-permissions
No longer needed when a rule does not invoke a function that has no policy.
"""

import logging
from typing import Any

from ministack.services import eventbridge

from localaws.lambda_.resource_policy import allows

SERVICE = "events.amazonaws.com"

log = logging.getLogger(__name__)


def with_permission(invoke: Any) -> Any:
    def invoke_target(target: dict[str, Any], event: Any, rule: dict[str, Any], *view: Any) -> Any:
        arn = target.get("Arn", "")
        if arn.startswith("arn:aws:lambda:") and not allows(arn, SERVICE, rule["Arn"]):
            log.warning("EventBridge has no permission to invoke %s for %s", arn, rule["Arn"])
            return None
        return invoke(target, event, rule, *view)

    return invoke_target


def apply() -> None:
    eventbridge._invoke_target = with_permission(eventbridge._invoke_target)
