"""Gap: SQS accepts queue names, attributes, delays, message attributes and timeouts that AWS rejects.

A queue that was deleted less than 60 seconds ago can be created again, and purged again at once. The deletion of a
stack does not count: on AWS it takes as long.
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
No longer needed when SendMessage with a DelaySeconds of 901 is rejected with InvalidParameterValue.
"""

import json
import re
import time
from decimal import Decimal, InvalidOperation
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import sqs

type Json = dict[str, Any]

FIFO_ATTRIBUTES = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
ATTRIBUTES = (
    *sqs._NUMERIC_ATTR_RANGES,
    *FIFO_ATTRIBUTES,
    "FifoQueue",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
)
"""The attributes that can be set. AWS knows more that can only be read."""
READ_ONLY = (
    "All",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
)
QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,75}\.fifo")
GROUP_OR_DEDUPLICATION_ID = re.compile(r"""[A-Za-z0-9!"#$%&'()*+,./:;<=>?@\[\\\]^_`{|}~-]{1,128}""")
ATTRIBUTE_NAME = re.compile(r"(?!aws\.|amazon\.|\.)(?!.*\.\.)[\w.-]*[\w-]", re.IGNORECASE)
MAX_ATTRIBUTES = 10
MAX_BATCH = 1_048_576
WAIT = 60  # seconds after a deletion or a purge

deleted: dict[tuple[str, str, str], float] = {}


def invalid(message: str) -> Exception:
    return sqs._Err("InvalidParameterValue", message)  # type: ignore[no-any-return]


def check_range(data: Json, name: str, low: int, high: int, reason: str) -> None:
    value = data.get(name)
    if value is not None and not low <= int(value) <= high:
        raise invalid(f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def check_visibility(data: Json) -> None:
    check_range(data, "VisibilityTimeout", 0, 43_200, "Must be >= 0 and <= 43200, if provided.")


def check_message(data: Json, queue: Json) -> None:
    """Raise the error with which SQS rejects the message. The emulator checks the body."""
    if not queue["is_fifo"]:
        check_range(data, "DelaySeconds", 0, 900, "DelaySeconds must be >= 0 and <= 900.")
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        value = data.get(name)
        if value is not None and not GROUP_OR_DEDUPLICATION_ID.fullmatch(value):
            rule = f"{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
            raise invalid(f"Value {value} for parameter {name} is invalid. Reason: {rule}")
    if data.get("MessageDeduplicationId") is not None and not queue["is_fifo"]:
        raise invalid(
            f"Value {data['MessageDeduplicationId']} for parameter MessageDeduplicationId is invalid. "
            "Reason: The request include parameter that is not valid for this queue type."
        )
    attributes = data.get("MessageAttributes") or {}
    if len(attributes) > MAX_ATTRIBUTES:
        raise invalid(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MAX_ATTRIBUTES}]."
        )
    for name, attribute in attributes.items():
        check_attribute(name, attribute)
    limit = int(queue["attributes"].get("MaximumMessageSize", 1_048_576))
    if message_size(data) > limit:
        raise invalid(f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.")


def check_attribute(name: str, attribute: Json) -> None:
    if len(name) > 255:
        raise invalid("Message (user) attribute names must be shorter than 256 Bytes")
    if not ATTRIBUTE_NAME.fullmatch(name):
        raise invalid(f"Message (user) attribute name '{name}' is invalid.")
    kind = (attribute.get("DataType") or "").partition(".")[0]
    if kind not in ("String", "Number", "Binary"):
        raise invalid(
            f"The type of message (user) attribute '{name}' is invalid. "
            "You must use only the following supported type prefixes: Binary, Number, String."
        )
    value = attribute.get("BinaryValue" if kind == "Binary" else "StringValue")
    if not value:
        raise invalid(f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.")
    if kind != "Binary" and sqs._INVALID_SQS_CHARS_RE.search(value):
        raise invalid(f"Invalid binary character was found in the message (user) attribute '{name}'.")
    if kind == "Number" and not is_number(value):
        raise invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")


def is_number(value: str) -> bool:
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def message_size(data: Json) -> int:
    """Return the bytes of the body and of the names, types and values of its attributes."""
    attributes = data.get("MessageAttributes") or {}
    texts = [data.get("MessageBody") or ""]
    for name, attribute in attributes.items():
        texts += [name, attribute.get("DataType") or "", attribute.get("StringValue") or ""]
    binary = sum(len(attribute.get("BinaryValue") or "") * 3 // 4 for attribute in attributes.values())
    return sum(len(text.encode()) for text in texts) + binary


def check_queue(data: Json) -> None:
    """Raise the error with which CreateQueue rejects the request. The emulator checks numbers and RedrivePolicy."""
    name, attributes = data.get("QueueName") or "", data.get("Attributes") or {}
    is_fifo = attributes.get("FifoQueue") == "true"
    if is_fifo and not FIFO_NAME.fullmatch(name):
        raise invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, "
            "must end with .fifo suffix and be 1 to 80 in length."
        )
    if name and not is_fifo and not QUEUE_NAME.fullmatch(name):
        raise invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
    check_attributes(attributes, is_fifo)
    if time.time() - deleted.get(place(name), 0) < WAIT:
        raise sqs._Err(
            "QueueDeletedRecently",
            f"You must wait {WAIT} seconds after deleting a queue before you can create another with the same name.",
        )


def check_attributes(attributes: Json, is_fifo: bool) -> None:
    for name in attributes:
        if name not in ATTRIBUTES or (name in ("FifoQueue", "ContentBasedDeduplication") and not is_fifo):
            raise sqs._Err("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in FIFO_ATTRIBUTES and not is_fifo:
            raise sqs._Err("InvalidAttributeName", f"You can specify the {name} only when FifoQueue is set to true.")
    for name in ("Policy", "RedriveAllowPolicy"):
        value = attributes.get(name)
        if value and not isinstance(parsed(value), dict):
            raise sqs._Err("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    target = parsed(attributes.get("RedrivePolicy") or "{}")
    arn = target.get("deadLetterTargetArn") if isinstance(target, dict) else None
    if arn and arn.endswith(".fifo") != is_fifo:
        raise invalid(
            f"Value {attributes['RedrivePolicy']} for parameter RedrivePolicy is invalid. "
            "Reason: Dead-letter queue must be same type of queue as the source."
        )


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def place(name: str) -> tuple[str, str, str]:
    return get_account_id(), get_region(), name


def with_check(handle: Any, check: Any) -> Any:
    """Wrap the handler of an action: *check* raises for a request that SQS refuses."""

    def handle_checked(data: Json, url: str) -> Any:
        check(data)
        return handle(data, url)

    return handle_checked


def delete_with_record(delete: Any) -> Any:
    def delete_queue(data: Json, url: str) -> Any:
        name = sqs._get_q(data.get("QueueUrl", url))["name"]
        answer = delete(data, url)
        deleted[place(name)] = time.time()
        return answer

    return delete_queue


def set_with_checks(set_attributes: Any) -> Any:
    def set_queue_attributes(data: Json, url: str) -> Any:
        queue, attributes = sqs._get_q(data.get("QueueUrl", url)), data.get("Attributes") or {}
        if "FifoQueue" in attributes and queue["is_fifo"] and attributes["FifoQueue"] != "true":
            raise sqs._Err(
                "InvalidAttributeValue",
                "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
            )
        check_attributes(attributes, queue["is_fifo"])
        return set_attributes(data, url)

    return set_queue_attributes


def get_with_checks(get_attributes: Any) -> Any:
    def get_queue_attributes(data: Json, url: str) -> Any:
        for name in data.get("AttributeNames") or []:
            if name not in ATTRIBUTES and name not in READ_ONLY:
                raise sqs._Err("InvalidAttributeName", f"Unknown Attribute {name}.")
        return get_attributes(data, url)

    return get_queue_attributes


def receive_with_checks(receive: Any) -> Any:
    def receive_message(data: Json, url: str) -> Any:
        check_visibility(data)
        check_range(data, "WaitTimeSeconds", 0, 20, "Must be >= 0 and <= 20, if provided.")
        return receive(data, url)

    return receive_message


def purge_with_wait(purge: Any) -> Any:
    def purge_queue(data: Json, url: str) -> Any:
        queue = sqs._get_q(data.get("QueueUrl", url))
        if time.time() - queue.get("purged_at", 0) < WAIT:
            raise sqs._Err(
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {queue['name']} is allowed every {WAIT} seconds.",
                403,
            )
        answer = purge(data, url)
        queue["purged_at"] = time.time()
        return answer

    return purge_queue


def batch_with_checks(send_batch: Any) -> Any:
    def send_message_batch(data: Json, url: str) -> Any:
        size = sum(message_size(entry) for entry in data.get("Entries") or [])
        if size > MAX_BATCH:
            limit = f"Batch requests cannot be longer than {MAX_BATCH} bytes."
            raise sqs._Err("BatchRequestTooLong", f"{limit} You have sent {size} bytes.")
        return send_batch(data, url)

    return send_message_batch


def apply() -> None:
    send, validate_batch, json_error = sqs._act_send_message, sqs._validate_batch_entries, sqs._json_err_resp

    def send_message(data: Json, url: str) -> Any:
        queue = sqs._get_q(data.get("QueueUrl", url), "sqs:SendMessage")
        check_message(data, queue)
        return send(data, url)

    def validate_batch_entries(entries: list[Json], entry_name: str) -> None:
        if len(entries) > sqs._BATCH_MAX_ENTRIES:
            raise sqs._Err(
                "TooManyEntriesInBatchRequest",
                f"Maximum number of entries per request are {sqs._BATCH_MAX_ENTRIES}. You have sent {len(entries)}.",
            )
        validate_batch(entries, entry_name)

    def json_error_response(code: str, message: str, status: int = 400) -> Any:
        # Only the query protocol has versions of a WSDL.
        return json_error(code, message.replace(" for this wsdl version.", "."), status)

    sqs._act_send_message = send_message
    sqs._validate_batch_entries = validate_batch_entries
    sqs._json_err_resp = json_error_response
    sqs._HANDLERS |= {
        "SendMessage": send_message,
        "CreateQueue": with_check(sqs._HANDLERS["CreateQueue"], check_queue),
        "DeleteQueue": delete_with_record(sqs._HANDLERS["DeleteQueue"]),
        "SetQueueAttributes": set_with_checks(sqs._HANDLERS["SetQueueAttributes"]),
        "GetQueueAttributes": get_with_checks(sqs._HANDLERS["GetQueueAttributes"]),
        "ReceiveMessage": receive_with_checks(sqs._HANDLERS["ReceiveMessage"]),
        "ChangeMessageVisibility": with_check(sqs._HANDLERS["ChangeMessageVisibility"], check_visibility),
        "SendMessageBatch": batch_with_checks(sqs._HANDLERS["SendMessageBatch"]),
        "PurgeQueue": purge_with_wait(sqs._HANDLERS["PurgeQueue"]),
    }
