"""Gap: a batch operation of SQS or SNS is authorized as a separate action, which does not exist in IAM.

In AWS, permission to send, delete, publish or change the visibility of one message includes the batch operation.
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
No longer needed when a user whose policy allows only `sqs:SendMessage` can call SendMessageBatch.
"""

from typing import Any

from ministack.core import iam_actions


def apply() -> None:
    extract_iam_action = iam_actions.extract_iam_action

    def single_message_action(service: str, *request: Any) -> str | None:
        action: str | None = extract_iam_action(service, *request)
        return action.removesuffix("Batch") if action and service in ("sqs", "sns") else action

    iam_actions.extract_iam_action = single_message_action
