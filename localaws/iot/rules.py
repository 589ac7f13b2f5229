"""Gap: Kinesis, Firehose and S3 rule actions do nothing, no action checks its role, and binary payloads are dropped.

With `SELECT *`, these three actions pass on the payload unchanged, text or binary.
AWS: https://docs.aws.amazon.com/iot/latest/developerguide/iot-rule-actions.html
AWS: https://docs.aws.amazon.com/iot/latest/developerguide/iot-substitution-templates.html
AWS: https://docs.aws.amazon.com/iot/latest/developerguide/binary-payloads.html
No longer needed when a rule with a Kinesis action puts its messages into the stream.
"""

import base64
import json
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from ministack.core.concurrency import run_reentrant
from ministack.core.responses import request_scope
from ministack.services import firehose, iot, kinesis, s3

from localaws.iam.service_roles import trusts
from localaws.lambda_.execution_role import is_allowed

SERVICE = "iot.amazonaws.com"
TEMPLATE = re.compile(r"\$\{(.*?)\}")


@dataclass(frozen=True)
class Message:
    """The message that a rule processes, with the rule's SQL."""

    sql: str
    topic: str
    payload: bytes
    client_id: str | None

    def substitute(self, template: str) -> str:
        """Evaluate the substitution template. Raise ValueError if an expression is undefined."""

        def value(expression: re.Match[str]) -> str:
            found = iot._eval_select_expr(
                expression[1], self.topic, self.payload, iot._rule_message(self.payload), self.client_id
            )
            text = iot._sql_as_string(found)
            if text is None:
                raise ValueError(f"{expression[0]} is undefined")
            return str(text)

        return TEMPLATE.sub(value, template)

    def data(self, event: Any) -> bytes:
        """Return the bytes for the target: the unchanged payload for `SELECT *`, else *event* as JSON."""
        if iot._rule_select_clause(self.sql) == "*":
            return self.payload
        return json.dumps(event).encode()


message: ContextVar[Message] = ContextVar("message")


async def put_to_kinesis(spec: dict[str, Any], data: bytes) -> None:
    key = message.get().substitute(spec.get("partitionKey") or str(uuid4()))
    record = {"PartitionKey": key, "Data": base64.b64encode(data).decode()}
    require_success(kinesis._put_record({"StreamName": spec["streamName"]} | record))


async def put_to_firehose(spec: dict[str, Any], data: bytes) -> None:
    data += spec.get("separator", "").encode()
    record = {"Data": base64.b64encode(data).decode()}
    # Run in a thread: the emulator's own delivery of direct puts waits for the event loop.
    require_success(
        await run_reentrant(firehose._put_record, {"DeliveryStreamName": spec["deliveryStreamName"], "Record": record})
    )


async def put_to_s3(spec: dict[str, Any], data: bytes) -> None:
    path = f"/{spec['bucketName']}/{message.get().substitute(spec['key'])}"
    headers = {"content-length": str(len(data)), "host": "s3.localhost"}
    require_success(await s3.handle_request("PUT", path, headers, data, {}, internal=True))


def require_success(answer: Any) -> None:
    if answer[0] >= 400:
        raise RuntimeError(bytes(answer[2]).decode())


PUT_ACTIONS = {"kinesis": put_to_kinesis, "firehose": put_to_firehose, "s3": put_to_s3}


def permission(kind: str, spec: dict[str, Any], account: str, region: str) -> tuple[str, str] | None:
    """Return the IAM action and resource that the rule's role must allow, or None for an action without a role."""
    here = f"{region}:{account}"
    match kind:
        case "kinesis":
            return "PutRecord", f"arn:aws:kinesis:{here}:stream/{spec['streamName']}"
        case "firehose":
            return "PutRecord", f"arn:aws:firehose:{here}:deliverystream/{spec['deliveryStreamName']}"
        case "s3":
            return "PutObject", f"arn:aws:s3:::{spec['bucketName']}/{message.get().substitute(spec['key'])}"
        case "sqs":
            return "SendMessage", f"arn:aws:sqs:{here}:{spec['queueUrl'].rpartition('/')[2]}"
        case "sns":
            return "Publish", spec["targetArn"]
        case "dynamoDBv2":
            return "PutItem", f"arn:aws:dynamodb:{here}:table/{spec['putItem']['tableName']}"
    return None


def require_permission(kind: str, spec: dict[str, Any], account: str, region: str) -> None:
    needed = permission(kind, spec, account, region)
    if needed is None:
        return
    role, (action, resource) = spec["roleArn"], needed
    if not trusts(role, SERVICE):
        raise PermissionError(f"{SERVICE} is not authorized to perform: sts:AssumeRole on resource: {role}")
    if not is_allowed(role, action, resource):
        raise PermissionError(f"{role} is not authorized to perform: {action} on resource: {resource}")


def with_message(run: Any) -> Any:
    async def run_actions(
        account: str, region: str, rule: Any, payload: bytes, topic: str = "", client_id: str | None = None
    ) -> None:
        token = message.set(Message((rule or {}).get("sql", ""), topic, payload or b"", client_id))
        try:
            await run(account, region, rule, payload, topic, client_id)
        finally:
            message.reset(token)

    return run_actions


def with_role(dispatch: Any) -> Any:
    async def dispatch_action(account: str, region: str, rule_name: str, action: dict[str, Any], event: Any) -> None:
        kind, spec = next(iter(action.items()))
        with request_scope(account, region):
            require_permission(kind, spec, account, region)
            if kind in PUT_ACTIONS:
                await PUT_ACTIONS[kind](spec, message.get().data(event))
                return
        await dispatch(account, region, rule_name, action, event)

    return dispatch_action


def with_binary(project: Any) -> Any:
    """Wrap the evaluation of SELECT: `SELECT *` of a payload that is not text returns the payload."""

    def event(sql: str, topic: str, payload: bytes, *arguments: Any, **named: Any) -> Any:
        projected = project(sql, topic, payload, *arguments, **named)
        return payload if projected is iot._MISSING and iot._rule_select_clause(sql) == "*" else projected

    return event


def as_text_if_unreadable(decode: Any) -> Any:
    def decoded(payload: bytes) -> Any:
        try:
            return decode(payload)
        except (RecursionError, ValueError):  # too deep, or a number with thousands of digits
            return payload.decode()

    return decoded


def apply() -> None:
    iot._run_rule_actions = with_message(iot._run_rule_actions)
    iot._dispatch_rule_action = with_role(iot._dispatch_rule_action)
    iot._rule_event = with_binary(iot._rule_event)
    iot._rule_message = as_text_if_unreadable(iot._rule_message)
    iot._RULE_ACTION_RESOURCE_KEYS |= {
        "kinesis": ("streamName",),
        "firehose": ("deliveryStreamName",),
        "s3": ("bucketName",),
    }
