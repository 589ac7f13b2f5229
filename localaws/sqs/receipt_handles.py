"""Gap: SQS rejects a receipt handle that it issued as soon as the message was received again or deleted.

SQS accepts a repeated delete. With an older handle of a standard queue it changes the visibility, and accepts a delete.
The message then stays if it was received again: "the request will still go through, but the message might not be
deleted".
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
No longer needed when a second DeleteMessage with the same receipt handle succeeds.
"""

import base64
import binascii
import time
import uuid
from typing import Any

from ministack.services import sqs

type Json = dict[str, Any]

PREFIX = "AQEB"


def issue(queue: Json) -> str:
    """Return a new receipt handle, which names its queue."""
    return PREFIX + base64.b64encode(f"{queue['attributes']['QueueArn']} {uuid.uuid4()}".encode()).decode()


def is_issued(queue: Json, handle: str) -> bool:
    """Return whether the queue has issued the handle, now or for a message that is gone."""
    try:
        text = base64.b64decode(handle.removeprefix(PREFIX), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return handle.startswith(PREFIX) and text.startswith(f"{queue['attributes']['QueueArn']} ")


def received(queue: Json, handle: str) -> Json | None:
    """Return the message whose current receipt handle this is, or None if there is none.

    Raises ReceiptHandleIsInvalid for a handle that the queue never issued, and InvalidParameterValue for one of a FIFO
    queue that has expired.
    """
    if not handle:
        raise sqs._Err("MissingParameter", "The request must contain the parameter ReceiptHandle.")
    if not is_issued(queue, handle):
        raise sqs._Err("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
    message: Json | None = next((m for m in queue["messages"] if m["receipt_handle"] == handle), None)
    if message and queue["is_fifo"] and message["visible_at"] <= time.time():
        reason = "The receipt handle has expired."
        raise sqs._Err(
            "InvalidParameterValue", f"Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
        )
    return message


def earlier(queue: Json, handle: str) -> Json | None:
    """Return the message of a standard queue that was received with this handle, and then again."""
    found = (message for message in queue["messages"] if handle in message.get("receipt_handles", ()))
    return None if queue["is_fifo"] else next(found, None)


def delete(data: Json, url: str) -> Json:
    queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
    message = received(queue, data.get("ReceiptHandle") or "")
    if message:
        queue["messages"].remove(message)
    return {}


def each(action: str, entry_name: str, change: Any) -> Any:
    """Return the batch operation that makes the change for each entry."""

    def batch(data: Json, url: str) -> Json:
        url, entries = data.get("QueueUrl", url), data.get("Entries") or []
        sqs._get_q(url, action)
        sqs._validate_batch_entries(entries, entry_name)
        successful, failed = [], []
        for entry in entries:
            try:
                change(entry, url)
                successful.append({"Id": entry["Id"]})
            except sqs._Err as error:
                failed.append({"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True})
        return {"Successful": successful, "Failed": failed}

    return batch


def apply() -> None:
    collect, change_visibility = sqs._collect_msgs, sqs._act_change_visibility

    def collect_with_handles(queue: Json, number: int, visibility: int) -> list[Json]:
        messages: list[Json] = collect(queue, number, visibility)
        for message in messages:
            message["receipt_handle"] = issue(queue)
            message.setdefault("receipt_handles", []).append(message["receipt_handle"])
        return messages

    def change(data: Json, url: str) -> Json:
        queue = sqs._get_q(data.get("QueueUrl", url), "sqs:ChangeMessageVisibility")
        handle = data.get("ReceiptHandle") or ""
        message = received(queue, handle) or earlier(queue, handle)
        if message is None:
            reason = "Message does not exist or is not available for visibility timeout change."
            raise sqs._Err(
                "InvalidParameterValue", f"Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
            )
        changed: Json = change_visibility(data | {"ReceiptHandle": message["receipt_handle"]}, url)
        return changed

    sqs._collect_msgs = collect_with_handles
    sqs._act_change_visibility = change
    sqs._HANDLERS |= {
        "DeleteMessage": delete,
        "DeleteMessageBatch": each("sqs:DeleteMessage", "DeleteMessageBatchRequestEntry", delete),
        "ChangeMessageVisibility": change,
        "ChangeMessageVisibilityBatch": each(
            "sqs:ChangeMessageVisibility", "ChangeMessageVisibilityBatchRequestEntry", change
        ),
    }
