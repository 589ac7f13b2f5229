"""Gap: the UnsubscribeURL of a notification names a subscription that does not exist.

AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
No longer needed when the UnsubscribeURL of a notification ends with the ARN of the subscription.
"""

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import sns

_subscription: ContextVar[str] = ContextVar("subscription", default="")
"""The ARN of the subscription to which the emulator is about to send a notification."""


def noting_subscription(matches: Any) -> Any:
    """Wrap the filter of a subscription, which the emulator asks before it builds the notification."""

    def matches_filter(subscription: dict[str, Any], *arguments: Any) -> Any:
        _subscription.set(subscription.get("arn", ""))
        return matches(subscription, *arguments)

    return matches_filter


def with_unsubscribe_url(build: Any) -> Any:
    """Wrap the building of a notification."""

    def build_notification(*arguments: Any) -> str:
        text, raw = build(*arguments), arguments[-1]
        if raw or not _subscription.get():
            return str(text)
        notification = json.loads(text)
        url = notification["UnsubscribeURL"].partition("&SubscriptionArn=")[0]
        return json.dumps(notification | {"UnsubscribeURL": f"{url}&SubscriptionArn={_subscription.get()}"})

    return build_notification


def apply() -> None:
    sns._matches_filter_policy = noting_subscription(sns._matches_filter_policy)
    sns._build_envelope = with_unsubscribe_url(sns._build_envelope)
