"""Gap: a function gets a notification as a queue does, and without permission.

A function's record always has `Subject` and `MessageAttributes`, which may be empty, and spells `SigningCertUrl` and
`UnsubscribeUrl`. SNS invokes only a function whose policy allows `sns.amazonaws.com`; RawMessageDelivery has no effect.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
No longer needed when the record of a message without attributes has `"MessageAttributes": {}`.
"""

import json
from datetime import UTC, datetime
from typing import Any

from ministack.core.arn import parse_arn
from ministack.services import sns

from localaws.lambda_.resource_policy import allows

SERVICE = "sns.amazonaws.com"


def for_function(notification: dict[str, Any]) -> dict[str, Any]:
    """Return the notification as the member `Sns` of a function's record."""
    attributes = notification.get("MessageAttributes", {})
    record = {"Subject": None} | notification | {"MessageAttributes": attributes}
    record["SigningCertUrl"] = record.pop("SigningCertURL")
    record["UnsubscribeUrl"] = record.pop("UnsubscribeURL")
    return record


def with_function_record(deliver: Any) -> Any:
    def deliver_to_lambda(
        endpoint: str, envelope: str, topic_arn: str, subscription: str, message_id: str, message: str, attributes: Any
    ) -> None:
        if not allows(endpoint, SERVICE, topic_arn):
            sns.logger.warning("SNS has no permission to invoke %s", endpoint)
            return
        try:
            notification = json.loads(envelope)
        except ValueError:
            notification = None
        if not isinstance(notification, dict) or notification.get("Type") != "Notification":  # a raw message
            notification = json.loads(sns._build_envelope(topic_arn, message_id, message, "", attributes, False))
        notification["UnsubscribeURL"] = unsubscribe_url(topic_arn, subscription)
        record = json.dumps(for_function(notification))
        deliver(endpoint, record, topic_arn, subscription, message_id, message, attributes)

    return deliver_to_lambda


def unsubscribe_url(topic_arn: str, subscription: str) -> str:
    region = parse_arn(topic_arn).region
    return f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription}"


def with_aws_envelope(build: Any) -> Any:
    """Wrap the construction of a notification: its time has milliseconds, and binary attributes keep their value."""

    def build_envelope(
        topic_arn: str, message_id: str, message: str, subject: str, attributes: dict[str, Any], raw: bool
    ) -> str:
        envelope: str = build(topic_arn, message_id, message, subject, attributes, raw)
        if raw:
            return envelope
        notification = json.loads(envelope)
        notification["Timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name, attribute in (attributes or {}).items():
            if attribute.get("BinaryValue"):
                notification["MessageAttributes"][name]["Value"] = attribute["BinaryValue"]
        return json.dumps(notification)

    return build_envelope


def apply() -> None:
    sns._build_envelope = with_aws_envelope(sns._build_envelope)
    sns._deliver_to_lambda = with_function_record(sns._deliver_to_lambda)
