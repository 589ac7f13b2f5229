"""Gap: a message that cannot be delivered is lost, binary attributes of a batch too, and an object replaces a text.

A message to a queue that does not exist any more goes to the dead-letter queue of the subscription's redrive policy. In
a message with a text for each protocol, what is no text is ignored.
AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
AWS: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
No longer needed when a message to a deleted queue arrives in the dead-letter queue of the subscription.
"""

import json
from typing import Any

from ministack.services import sns, sqs


def dead_letter_queue(topic_arn: str, endpoint: str) -> str | None:
    """Return the ARN of the dead-letter queue of the topic's subscription to the queue."""
    topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
    for subscription in topic["subscriptions"]:
        policy = subscription["attributes"].get("RedrivePolicy")
        if subscription["endpoint"] == endpoint and policy:
            return str(json.loads(policy)["deadLetterTargetArn"])
    return None


def with_dead_letter_queue(deliver: Any) -> Any:
    def deliver_to_sqs(endpoint: str, *message: Any, topic_arn: str = "", **options: Any) -> None:
        if sqs._queue_by_arn(endpoint) is None:
            endpoint = dead_letter_queue(topic_arn, endpoint) or endpoint
        deliver(endpoint, *message, topic_arn=topic_arn, **options)

    return deliver_to_sqs


def with_texts(resolve: Any) -> Any:
    def resolve_message(message: str, structure: str, protocol: str) -> Any:
        if structure == "json" and not isinstance(json.loads(message).get(protocol), str):
            return resolve(message, structure, "default")
        return resolve(message, structure, protocol)

    return resolve_message


def with_binary_values(parse: Any) -> Any:
    """Wrap the parsing of PublishBatch, which reads only the text of attributes."""

    def parse_entries(params: dict[str, Any]) -> Any:
        entries = parse(params)
        for number, entry in enumerate(entries, 1):
            prefix = f"PublishBatchRequestEntries.member.{number}.MessageAttributes.entry"
            for position, attribute in enumerate(entry["message_attributes"].values(), 1):
                if value := sns._p(params, f"{prefix}.{position}.Value.BinaryValue"):
                    attribute["BinaryValue"] = value
        return entries

    return parse_entries


def apply() -> None:
    sns._deliver_to_sqs = with_dead_letter_queue(sns._deliver_to_sqs)
    sns._resolve_message_for_protocol = with_texts(sns._resolve_message_for_protocol)
    sns._parse_batch_entries = with_binary_values(sns._parse_batch_entries)
