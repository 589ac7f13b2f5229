"""Gap: a batch operation of SQS or SNS is authorized as an action of its own, of which AWS knows none.

On AWS who may send, delete or change the visibility of a message may do it in batches, and who may publish too:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
No longer needed when a user whose policy allows `sqs:SendMessage` only can send a batch.
"""

from typing import Any

from ministack.core import iam_actions


def apply() -> None:
    extract_iam_action = iam_actions.extract_iam_action

    def action_of_one(service: str, *request: Any) -> str | None:
        action: str | None = extract_iam_action(service, *request)
        return action.removesuffix("Batch") if action and service in ("sqs", "sns") else action

    iam_actions.extract_iam_action = action_of_one
