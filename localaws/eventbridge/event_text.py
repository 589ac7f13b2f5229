"""Gap: the text of an event, as a queue or topic gets it, has spaces, another order, and in a topic a subject.

AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
No longer needed when a queue that is the target of a rule receives a text that begins with {"version":"0","id":.
"""

import json
import logging
from typing import Any

from ministack.core.arn import parse_arn
from ministack.services import eventbridge, sns

ORDER = ("version", "id", "detail-type", "source", "account", "time", "region", "resources")
INPUTS = ("Input", "InputPath", "InputTransformer")

logger = logging.getLogger(__name__)


def text(event: dict[str, Any]) -> str:
    """Return the event as AWS writes it."""
    ordered = {name: event[name] for name in ORDER if name in event}
    return json.dumps(ordered | event, separators=(",", ":"), ensure_ascii=False)


def with_text(invoke: Any) -> Any:
    """Wrap the delivery of an event to a target."""

    def invoke_target(target: dict[str, Any], event: Any, rule: Any, view: Any = None) -> None:
        view = view or eventbridge._pattern_event_view(event)
        if parse_arn(target["Arn"]).service in ("logs", "sns", "sqs") and not any(target.get(name) for name in INPUTS):
            target = target | {"Input": text(view.event_with_detail())}
        invoke(target, event, rule, view)

    return invoke_target


def publish(topic: str, message: str) -> None:
    """Publish the text to a topic, without a subject."""
    try:
        if sns.publish_internal(topic, message, "") is None:
            logger.warning("%s does not exist", topic)
    except sns.SnsPublishError as error:
        logger.warning("%s refuses an event: %s", topic, error)


def apply() -> None:
    eventbridge._dispatch_to_sns = publish
    eventbridge._invoke_target = with_text(eventbridge._invoke_target)
