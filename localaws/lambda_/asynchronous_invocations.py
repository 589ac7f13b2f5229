"""Gap: an asynchronous invocation delivers no success, ignores the role, and its failures lack half of their record.

SNS, EventBridge and IoT rules invoke asynchronously too, with the same retries and destinations. A function that failed
is retried sooner than on AWS: after one second instead of one minute. The age of an event counts the minute.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
No longer needed when an asynchronous invocation sends its result to the destination of OnSuccess.
"""

import contextvars
import itertools
import json
import logging
import os
import threading
import time
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from ministack.core import lambda_runtime
from ministack.core.arn import parse_arn
from ministack.core.responses import new_uuid, request_scope
from ministack.services import eventbridge, iot, lambda_svc, sns

from localaws.lambda_ import deliveries
from localaws.lambda_.clients import Clients
from localaws.lambda_.invocation_results import request_id
from localaws.lambda_.journal import Fate, FunctionError, Step
from localaws.times import iso

log = logging.getLogger(__name__)

RETRIES, EVENT_AGE = 2, 6 * 60 * 60  # AWS's defaults
SPEED = 60
"""How many times longer AWS waits before it retries a function that failed."""
SHOWN = 4096
"""How many characters of a failed event are kept."""


def invoke_async(function: dict[str, Any], event: Any) -> None:
    """Invoke the function in the background, as often as its settings say, and deliver the result."""
    config = function.get("config") or function
    invocation = request_id.get(None) or new_uuid()

    def run() -> None:
        request_id.set(invocation)
        spec = parse_arn(config["FunctionArn"])
        with request_scope(spec.account_id, spec.region):
            Invocation(function, config, event, invocation).run()

    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()


def invoke_target(arn: str, event: Any) -> None:
    """Invoke the function of another service's target or subscription in the background."""
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        log.warning("function %s does not exist", name)
        return
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), event)


def deliver_notification(endpoint: str, envelope: str, _topic: str, subscription: str, *_: Any) -> None:
    """Invoke the function that subscribes to an SNS topic."""
    source = {"EventVersion": "1.0", "EventSubscriptionArn": subscription, "EventSource": "aws:sns"}
    invoke_target(endpoint, {"Records": [source | {"Sns": json.loads(envelope)}]})


def deliver_event(arn: str, payload: str) -> None:
    """Invoke the function that is a target of an EventBridge rule."""
    try:
        event = json.loads(payload)
    except (ValueError, TypeError):
        event = {"body": payload}
    invoke_target(arn, event)


def deliver_rule(account: str, region: str, arn: str, event: Any) -> None:
    """Invoke the function of an IoT rule's action."""
    with request_scope(account, region):
        invoke_target(arn, event)


class Invocation:
    """One asynchronous invocation with its retries."""

    def __init__(self, function: dict[str, Any], config: dict[str, Any], event: Any, invocation: str) -> None:
        self.function, self.config, self.event, self.id = function, config, event, invocation
        self.settings = settings_of(config)
        self.attempts = 0
        self.result: dict[str, Any] | None = None
        """The result of the last attempt that was not throttled."""

    def run(self) -> None:
        """Invoke until the function succeeds, its retries are exhausted or the event is too old."""
        started, skipped = time.time(), 0.0
        for failures in itertools.count(1):
            began = time.time()
            result = lambda_svc._execute_function(self.function, self.event)
            throttled = result.get("throttle")
            if not throttled:
                self.attempts, self.result = self.attempts + 1, result
            pause = self.pause(failures)
            skipped += 0 if throttled else pause * (SPEED - 1)
            age = time.time() + pause - started + skipped
            condition = self.condition(result) or ("EventAgeExceeded" if age > self.longest_age else None)
            if not condition:
                self.note(Fate("throttled" if throttled else "retried"), result, began, started)
                time.sleep(pause)
                continue
            self.note(self.deliver(condition), result, began, started)
            return

    @property
    def longest_age(self) -> int:
        """How many seconds after the event the last attempt may be."""
        return int(self.settings.get("MaximumEventAgeInSeconds", EVENT_AGE))

    def condition(self, result: dict[str, Any]) -> str | None:
        """Return the condition that ends the invocation, or None if there is another try. A throttle uses no retry."""
        if not result.get("error"):
            return "Success"
        if result.get("throttle"):
            function = lambda_svc._functions.get(self.config["FunctionName"]) or {}
            return "ZeroReservedConcurrency" if function.get("concurrency") == 0 else None
        return "RetriesExhausted" if self.attempts > self.settings.get("MaximumRetryAttempts", RETRIES) else None

    def pause(self, failures: int) -> float:
        base, longest = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS, lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS
        return float(min(base * 2.0 ** min(failures - 1, 16), longest))

    def note(self, fate: Fate, result: dict[str, Any], began: float, started: float) -> None:
        """Tell what happened at an attempt that *began*, of an event that arrived when it was *started*."""
        failed = bool(result.get("error"))
        deliveries.note(
            Step(
                batch=self.id,
                mapping="",
                function=qualified_arn(self.config),
                source="",
                shard="",
                at=time.time(),
                records=1,
                first=self.id,
                last=self.id,
                age=time.time() - started,
                attempt=self.attempts + bool(result.get("throttle")),
                attempts=self.settings.get("MaximumRetryAttempts", RETRIES) + 1,
                fate=fate,
                request_id=self.id,
                seconds=time.time() - began,
                failed=(self.id,) * failed,
                error=error_of(result) if failed else None,
                event=json.dumps(self.event)[:SHOWN] if failed else "",
            )
        )

    def deliver(self, condition: str) -> Fate:
        """Send the invocation record to the destination, and a failed event to the dead-letter queue.

        Return what became of the event.
        """
        succeeded = condition == "Success"
        destinations = self.settings.get("DestinationConfig") or {}
        destination = (destinations.get("OnSuccess" if succeeded else "OnFailure") or {}).get("Destination")
        sent = []
        if destination and self.attempt(send_record, destination, self.record(condition), succeeded):
            sent.append(destination)
        dead_letters = (self.config.get("DeadLetterConfig") or {}).get("TargetArn")
        if dead_letters and not succeeded:
            error = payload_of(self.result or {})
            if self.attempt(send_dead_letter, dead_letters, self.event, self.id, error):
                sent.append(dead_letters)
        if succeeded:
            return Fate("succeeded", destination=destination)
        wanted = destination or dead_letters
        outcome = "sent" if sent else "unsent" if wanted else "discarded"
        return Fate(outcome, condition=condition, destination=sent[0] if sent else wanted)

    def record(self, condition: str) -> dict[str, Any]:
        """Return the invocation record. It has no response if the function never ran."""
        return {
            "version": "1.0",
            "timestamp": iso(datetime.now(UTC)),
            "requestContext": {
                "requestId": self.id,
                "functionArn": qualified_arn(self.config),
                "condition": condition,
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": self.event,
            **(self.response(self.result) if self.result else {}),
        }

    def response(self, result: dict[str, Any]) -> dict[str, Any]:
        error = {"functionError": result.get("function_error") or "Unhandled"} if result.get("error") else {}
        version = self.config.get("Version", "$LATEST")
        return {
            "responseContext": {"statusCode": 200, "executedVersion": version} | error,
            "responsePayload": payload_of(result),
        }

    def attempt(self, send: Any, target: str, *content: Any) -> bool:
        """Send with the credentials of the function's role. What the role may not send is lost, as on AWS."""
        try:
            send(clients_of(self.config), target, *content)
        except (BotoCoreError, ClientError) as error:
            log.warning("%s cannot send to %s: %s", self.config["FunctionName"], target, error)
            return False
        return True


def settings_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return the function's settings for asynchronous invocations: of its version or alias, or of $LATEST."""
    function = lambda_svc._functions.get(config["FunctionName"]) or {}
    configs = function.get("event_invoke_configs") or {}
    found: dict[str, Any] | None = configs.get(qualifier_of(config))
    return found or {}


def qualifier_of(config: dict[str, Any]) -> str:
    """Return the qualifier by which the function was invoked, or `$LATEST`."""
    return lambda_svc._resolve_name_and_qualifier(config["FunctionArn"])[1] or "$LATEST"


def qualified_arn(config: dict[str, Any]) -> str:
    arn: str = lambda_svc._func_arn(config["FunctionName"])
    return f"{arn}:{qualifier_of(config)}"


def payload_of(result: dict[str, Any]) -> Any:
    """Return the response of the function as JSON, however the emulator keeps it."""
    body = result.get("body")
    if isinstance(body, bytes):
        body = body.decode(errors="replace")
    if isinstance(body, str) and result.get("raw_payload"):
        return json.loads(body)
    return body


def error_of(result: dict[str, Any]) -> FunctionError:
    """Return the error of a failed attempt in the function's words."""
    body = payload_of(result)
    answer = body if isinstance(body, dict) else {"errorMessage": str(body or "")}
    kind, message = str(answer.get("errorType") or ""), str(answer.get("errorMessage") or "")
    return FunctionError(kind, message, tuple(str(frame) for frame in answer.get("stackTrace") or ()))


def clients_of(config: dict[str, Any]) -> Clients:
    """Return the clients of the function's role."""
    keys = lambda_runtime.execution_credentials(config)
    session = boto3.session.Session(
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys["AWS_SESSION_TOKEN"],
    )
    endpoint = f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}"
    return Clients(parse_arn(config["FunctionArn"]).region, endpoint, session)


def send_record(clients: Clients, target: str, record: dict[str, Any], succeeded: bool) -> None:
    """Send the invocation record to a destination of any kind."""
    spec, text = parse_arn(target), json.dumps(record)
    match spec.service:
        case "sqs":
            clients("sqs").send_message(QueueUrl=queue_url(clients, target), MessageBody=text)
        case "sns":
            clients("sns").publish(TopicArn=target, Message=text)
        case "lambda":
            clients("lambda").invoke(FunctionName=target, InvocationType="Event", Payload=text)
        case "s3":
            now, function = datetime.now(UTC), record["requestContext"]["functionArn"].split(":")[6]
            key = f"aws/lambda/async/{function}/{now:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{new_uuid()}"
            clients("s3").put_object(Bucket=spec.resource, Key=key, Body=text)
        case _:
            put_event(clients, target, record, succeeded)


def put_event(clients: Clients, bus: str, record: dict[str, Any], succeeded: bool) -> None:
    entry = {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {'Success' if succeeded else 'Failure'}",
        "Detail": json.dumps(record),
        "EventBusName": bus,
        "Resources": [bus, record["requestContext"]["functionArn"]],
    }
    clients("events").put_events(Entries=[entry])


def send_dead_letter(clients: Clients, target: str, event: Any, invocation: str, error: Any) -> None:
    """Send the event unchanged, with the error in the message's attributes."""
    text = error.get("errorMessage", "") if isinstance(error, dict) else ""
    values = {"RequestID": ("String", invocation), "ErrorCode": ("Number", "200")}
    values |= {"ErrorMessage": ("String", text[:1024])} if text else {}
    attributes = {name: {"DataType": kind, "StringValue": value} for name, (kind, value) in values.items()}
    if parse_arn(target).service == "sns":
        clients("sns").publish(TopicArn=target, Message=json.dumps(event), MessageAttributes=attributes)
        return
    url = queue_url(clients, target)
    clients("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(event), MessageAttributes=attributes)


def queue_url(clients: Clients, arn: str) -> str:
    """Return the URL of a queue. The role of a function need not have the permission to ask for it."""
    queue = parse_arn(arn)
    return f"{clients('sqs').meta.endpoint_url}/{queue.account_id}/{queue.resource}"


def apply() -> None:
    lambda_svc.invoke_async_with_retry = invoke_async
    sns._deliver_to_lambda, eventbridge._dispatch_to_lambda = deliver_notification, deliver_event
    iot._dispatch_rule_to_lambda = deliver_rule
