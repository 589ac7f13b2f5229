"""Gap: queues have no metrics, so no alarm on the messages of a queue changes its state.

Each minute the queues that have messages, or had some in the last six hours, get their numbers of messages and the age
of the oldest one. AWS also takes a queue for active that is only polled.
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
No longer needed when a queue with a message gets the metric ApproximateNumberOfMessagesVisible.
"""

import logging
import threading
import time
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import sqs

from localaws.cloudwatch.service_metrics import record

logger = logging.getLogger(__name__)

MINUTE = 60
ACTIVE = 6 * 3600
NUMBERS = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}
"""By metric: the attribute of the queue that has its value."""


class Recorder(threading.Thread):
    """A thread that records the metrics of all queues each minute."""

    def __init__(self) -> None:
        super().__init__(name="queue-metrics", daemon=True)
        self._had_messages: dict[tuple[str, ...], float] = {}

    def run(self) -> None:
        minute = time.time() // MINUTE
        while True:
            time.sleep(1)  # the clock may be turned
            if time.time() // MINUTE == minute:
                continue
            minute = time.time() // MINUTE
            try:
                self.record_all(time.time())
            except Exception:
                logger.exception("the metrics of the queues")

    def record_all(self, now: float) -> None:
        """Record the metrics of all active queues."""
        for place, queue in list(sqs._queues._data.items()):
            if queue["messages"]:
                self._had_messages[place] = now
            if now - self._had_messages.get(place, -ACTIVE) < ACTIVE:
                with request_scope(*place[:2]):
                    record_queue(queue, now)


def record_queue(queue: dict[str, Any], now: float) -> None:
    """Record the metrics of a queue of the account and Region of this context."""
    sqs._refresh_counts(queue)
    dimensions = {"QueueName": queue["name"]}
    for metric, attribute in NUMBERS.items():
        record("AWS/SQS", metric, float(queue["attributes"][attribute]), "Count", dimensions)
    oldest = min((message.get("enqueued_at", message["sent_at"]) for message in queue["messages"]), default=now)
    record("AWS/SQS", "ApproximateAgeOfOldestMessage", float(int(now - oldest)), "Seconds", dimensions)


def apply() -> None:
    Recorder().start()
