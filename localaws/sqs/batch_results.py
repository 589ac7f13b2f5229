"""Gap: the result of a batch has an empty list of failed entries, which AWS leaves out.

AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
No longer needed when SendMessageBatch with valid entries returns no member Failed.
"""

from typing import Any

from ministack.services import sqs


def without_empty_failures(respond: Any) -> Any:
    """Wrap the emulator's function that builds a JSON response."""

    def response(result: dict[str, Any]) -> Any:
        return respond({name: value for name, value in result.items() if (name, value) != ("Failed", [])})

    return response


def apply() -> None:
    sqs._json_ok = without_empty_failures(sqs._json_ok)
