"""Gap: SQS knows no dead-letter sources and no trace header, and its answers and errors have other members than AWS's.

AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
No longer needed when ListDeadLetterSourceQueues returns the queues whose messages end in a queue.
"""

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import sqs

from localaws.sqs.message_move_task import dead_letter_queue

type Json = dict[str, Any]

EMPTY: tuple[tuple[str, Any], ...] = (("QueueUrls", []), ("Tags", {}))
"""Members that SQS leaves out if they are empty."""
SHAPES = {
    "InvalidParameterValue": "InvalidParameterValueException",
    "MissingParameter": "MissingRequiredParameterException",
}
"""The errors whose name in the JSON protocol is not the one in the query protocol, which SDKs show."""
ENCRYPTION = "SqsManagedSseEnabled"
FIFO_DEFAULTS = {"DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"}
KEY = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds")
trace_header: ContextVar[str] = ContextVar("trace_header", default="")


def sources(data: Json, url: str) -> Json:
    """List the queues whose failed messages move to a queue."""
    arn = sqs._get_q(data.get("QueueUrl", url))["attributes"]["QueueArn"]
    found = [other for other, queue in sqs._queues.items() if dead_letter_queue(queue) == arn]
    return {"queueUrls": [sqs._externalize_url(other) for other in found]}


def with_defaults(get: Any) -> Any:
    """Wrap GetQueueAttributes: a queue without a key of KMS is encrypted by SQS, and a FIFO queue has a throughput."""

    def get_attributes(data: Json, url: str) -> Any:
        answer, names = get(data, url), data.get("AttributeNames") or ["All"]
        queue = sqs._get_q(data.get("QueueUrl", url))
        defaults = {ENCRYPTION: "false" if queue["attributes"].get(KEY[0]) else "true"}
        if queue["is_fifo"]:
            defaults |= FIFO_DEFAULTS
        for name, default in defaults.items():
            if "All" in names or name in names:
                answer["Attributes"].setdefault(name, default)
        return answer

    return get_attributes


def without_key(set_attributes: Any) -> Any:
    """Wrap SetQueueAttributes: an empty key of KMS removes the key."""

    def set_queue_attributes(data: Json, url: str) -> Any:
        answer = set_attributes(data, url)
        attributes, given = sqs._get_q(data.get("QueueUrl", url))["attributes"], data.get("Attributes") or {}
        if KEY[0] in given and ENCRYPTION not in given:
            attributes[ENCRYPTION] = "false"
        if not attributes.get(KEY[0]):
            for name in KEY:
                attributes.pop(name, None)
        return answer

    return set_queue_attributes


def receiving(receive: Any) -> Any:
    """Wrap ReceiveMessage: the old and the new list of system attributes add up."""

    def receive_message(data: Json, url: str) -> Any:
        names = [*(data.get("AttributeNames") or []), *(data.get("MessageSystemAttributeNames") or [])]
        return receive(data | {"AttributeNames": names}, url)

    return receive_message


def sending(send: Any) -> Any:
    """Wrap SendMessage."""

    def send_message(data: Json, url: str) -> Any:
        answer = send(data, url)
        digest = sqs._md5_msg_attrs(data.get("MessageSystemAttributes"))
        return answer | ({"MD5OfMessageSystemAttributes": digest} if digest else {})

    return send_message


def apply() -> None:
    respond, respond_with_error = sqs._json_ok, sqs._json_err_resp
    choose, build, handle_request = sqs._filter_msg_attrs, sqs._build_send_sys_attrs, sqs.handle_request

    def response(result: Json) -> Any:
        return respond({name: value for name, value in result.items() if (name, value) not in EMPTY})

    def error_response(code: str, message: str, status: int = 400) -> Any:
        status, headers, body = respond_with_error(code, message, status)
        return status, headers, json.dumps(json.loads(body) | {"__type": SHAPES.get(code, code)}).encode()

    def chosen_attributes(attributes: Json, names: list[str]) -> Any:
        return choose(attributes, ["All"] if "*" in names else names)

    def system_attributes(now: float, given: Json) -> Any:
        trace = trace_header.get()
        return {**({"AWSTraceHeader": trace} if trace else {}), **build(now, given)}

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        token = trace_header.set(headers.get("x-amzn-trace-id", ""))
        try:
            return await handle_request(method, path, headers, body, query)
        finally:
            trace_header.reset(token)

    sqs._json_ok, sqs._json_err_resp, sqs.handle_request = response, error_response, handle
    sqs._filter_msg_attrs, sqs._build_send_sys_attrs = chosen_attributes, system_attributes
    sqs._act_send_message = sending(sqs._act_send_message)
    sqs._HANDLERS |= {
        "ListDeadLetterSourceQueues": sources,
        "GetQueueAttributes": with_defaults(sqs._HANDLERS["GetQueueAttributes"]),
        "SetQueueAttributes": without_key(sqs._HANDLERS["SetQueueAttributes"]),
        "ReceiveMessage": receiving(sqs._HANDLERS["ReceiveMessage"]),
        "SendMessage": sqs._act_send_message,
    }
