"""The messages of an SQS queue, read without receiving them: they stay visible, and their receive counts stay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from deploy.account import client
from localaws import control_client
from sandbox.console.data.answers import Json, field, given, readable

SHOWN = 100
"""How many messages of a queue the console shows, the newest."""
COUNTS = {
    "ApproximateNumberOfMessages": "available",
    "ApproximateNumberOfMessagesNotVisible": "in flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}
"""By the attribute of a queue the state of the messages that it counts."""


def peek(endpoint: str, url: str) -> list[Json]:
    """Return the messages of a queue without receiving them, newest first."""
    answer = json.loads(control_client.call(f"{endpoint}/_ministack/sqs/messages?{urlencode({'QueueUrl': url})}"))
    kept = [each for regions in answer["messages"].values() for queue in regions.values() for each in queue.values()]
    messages: list[Json] = [message for queue in kept for message in queue]
    return sorted(messages, key=lambda each: float(each["SentTimestamp"]), reverse=True)


def counts(url: str) -> dict[str, int]:
    """Return how many messages of a queue are in each state."""
    found = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"]
    return {state: int(found[name]) for name, state in COUNTS.items()}


def queue(endpoint: str, query: Mapping[str, str]) -> Json:
    """Return the counts of a ``queue`` and its newest messages."""
    name = given(query, "queue")
    url = client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    return {
        "name": name,
        "counts": counts(url),
        "entries": [entry(each) for each in peek(endpoint, url)[:SHOWN]],
    }


def entry(message: Json) -> Json:
    """Return a message as an entry."""
    received = message["ReceiveCount"]
    state = "available" if message["IsVisible"] else "in flight" if received else "delayed"
    times = "never received" if not received else "received once" if received == 1 else f"received {received} times"
    group = message.get("MessageGroupId")
    return {
        "id": message["MessageId"],
        "title": message["MessageId"],
        "note": f"{state}, {times}",
        "at": message["SentTimestamp"],
        "preview": message["Body"][:300],
        "fields": [
            readable("Body", message["Body"]),
            *([field("Message group", "", group)] if group else []),
            *(
                field(name, value.get("DataType", ""), value.get("StringValue") or value.get("BinaryValue") or "")
                for name, value in sorted(message["MessageAttributes"].items())
            ),
            *(field(name, "system attribute", str(value)) for name, value in sorted(message["Attributes"].items())),
        ],
    }
