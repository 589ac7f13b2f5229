"""Gap: SQS cannot move the messages of a dead-letter queue; StartMessageMoveTask is an invalid action.

This module completes a task before it returns the task's handle. The task moves the messages that are not in flight.
The caller needs permission to receive and delete at the source and to send to the destination, as in AWS.
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
No longer needed when StartMessageMoveTask returns a message to its source queue with the message attributes.
"""

import base64
import json
import time
import uuid
from contextvars import ContextVar
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import sqs

from localaws.iam.resource_arns import authorize_on

type Json = dict[str, Any]

ACTIONS = ("StartMessageMoveTask", "ListMessageMoveTasks")
LISTED = 10  # the most recent tasks of a queue
access_key: ContextVar[str] = ContextVar("access_key", default="")


def start(data: Json, _: str) -> Json:
    source = queue(data, "SourceArn")
    if not any(dead_letter_queue(other) == data["SourceArn"] for other in sqs._queues.values()):
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    destination = queue(data, "DestinationArn") if data.get("DestinationArn") else None
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
        authorize(action, source)
    if destination:
        authorize("sqs:SendMessage", destination)
    now = time.time()
    waiting = [message for message in source["messages"] if message["visible_at"] <= now]
    task = {
        "Status": "COMPLETED",
        "SourceArn": data["SourceArn"],
        **({"DestinationArn": data["DestinationArn"]} if destination else {}),
        "ApproximateNumberOfMessagesMoved": 0,
        "ApproximateNumberOfMessagesToMove": len(waiting),
        "StartedTimestamp": int(now * 1000),
    }
    tasks = source.setdefault("move_tasks", [])
    tasks[:] = [task, *tasks][:LISTED]
    for message in waiting:
        failure = move(message, source, destination)
        if failure:
            task |= {"Status": "FAILED", "FailureReason": failure}
            break
        task["ApproximateNumberOfMessagesMoved"] += 1
    handle = json.dumps({"taskId": str(uuid.uuid4()), "sourceArn": data["SourceArn"]})
    return {"TaskHandle": base64.b64encode(handle.encode()).decode()}


def move(message: Json, source: Json, destination: Json | None) -> str:
    """Send the message as a new one, delete it, and return why that failed, if it did.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/troubleshooting-dlq-redrive.html
    """
    origin = message["sys"].get("DeadLetterQueueSourceArn")
    if destination is None and origin is None:
        return "CouldNotDetermineMessageSource"
    target = destination or sqs._queue_by_arn(origin)
    if target is None:
        return "AWS.SimpleQueueService.NonExistentQueue"
    if destination is None:
        try:
            authorize("sqs:SendMessage", target)
        except sqs._Err:
            return "AccessDenied"
    trace = message["sys"].get("AWSTraceHeader")
    sent = {
        "MessageBody": message["body"],
        "MessageAttributes": message["message_attributes"],
        "MessageSystemAttributes": {"AWSTraceHeader": {"StringValue": trace}} if trace else {},
        "MessageGroupId": message["group_id"],
        **({"MessageDeduplicationId": message["id"]} if target["is_fifo"] else {}),
    }
    sqs._act_send_message(sent, sqs._queue_url(target["name"]))
    source["messages"].remove(message)
    return ""


def cancel(data: Json, _: str) -> Json:
    """Reject the request: a task is complete before the caller has its handle."""
    try:
        task = json.loads(base64.b64decode(data.get("TaskHandle") or "", validate=True))
        source_arn, _task_id = task["sourceArn"], task["taskId"]
    except (ValueError, TypeError, KeyError):
        raise sqs._Err("InvalidParameterValue", "Value for parameter TaskHandle is invalid.") from None
    queue({"SourceArn": source_arn}, "SourceArn")
    raise sqs._Err("ResourceNotFoundException", "Task does not exist.", 404)


def list_tasks(data: Json, _: str) -> Json:
    tasks = queue(data, "SourceArn").get("move_tasks", [])
    return {"Results": tasks[: int(data.get("MaxResults") or 1)]}


def queue(data: Json, member: str) -> Json:
    found: Json | None = sqs._queue_by_arn(data.get(member, ""))
    if found is None:
        message = f"The resource that you specified for the {member} parameter doesn't exist."
        raise sqs._Err("ResourceNotFoundException", message, 404)
    return found


def dead_letter_queue(other: Json) -> str | None:
    policy = json.loads(other["attributes"].get("RedrivePolicy") or "{}")
    arn: str | None = policy.get("deadLetterTargetArn")
    return arn


def authorize(action: str, on: Json) -> None:
    arn = on["attributes"]["QueueArn"]
    if app.AUTH and iam_evaluator.enforce(access_key.get(), action, "sqs", get_region(), resource_arn=arn):
        message = f"User is not authorized to perform: {action.lower()} on resource: {arn}"
        raise sqs._Err("AccessDenied", message, 403)


def apply() -> None:
    sqs._HANDLERS |= {
        "StartMessageMoveTask": start,
        "ListMessageMoveTasks": list_tasks,
        "CancelMessageMoveTask": cancel,
    }
    handle_request = sqs.handle_request

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        token = access_key.set(extract_access_key_id(headers, query))
        try:
            return await handle_request(method, path, headers, body, query)
        finally:
            access_key.reset(token)

    def source_arn(headers: Any, body: bytes, region: str, account_id: str) -> str | None:
        if headers.get("x-amz-target", "").partition(".")[2] not in ACTIONS:
            return None
        return str(json.loads(body or b"{}").get("SourceArn", "*"))

    sqs.handle_request = handle
    authorize_on("sqs", source_arn)
