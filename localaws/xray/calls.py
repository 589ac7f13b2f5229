"""What a trace says of a call of AWS: operation, resource, status, retries, capacity. It has no values and no bodies.

AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html#api-segmentdocuments-aws
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from ministack import app
from ministack.core import iam_actions

NAMES = {
    "athena": "Athena",
    "cognito-idp": "CognitoIdentityProvider",
    "dynamodb": "DynamoDB",
    "events": "EventBridge",
    "firehose": "Firehose",
    "iot-data": "IoTDataPlane",
    "kinesis": "Kinesis",
    "lambda": "Lambda",
    "logs": "CloudWatchLogs",
    "monitoring": "CloudWatch",
    "s3": "S3",
    "secretsmanager": "SecretsManager",
    "ses": "SES",
    "sns": "SNS",
    "sqs": "SQS",
    "ssm": "SSM",
    "states": "StepFunctions",
    "sts": "STS",
}
"""The names that X-Ray shows for services; the others have the emulator's name."""

RESOURCES = {
    "DeliveryStreamName": "delivery_stream_name",
    "FunctionName": "function_name",
    "IndexName": "index_name",
    "LogGroupName": "log_group_name",
    "logGroupName": "log_group_name",
    "Name": "parameter_name",
    "QueueUrl": "queue_url",
    "SecretId": "secret_id",
    "StreamARN": "stream_arn",
    "StreamName": "stream_name",
    "TableName": "table_name",
    "TopicArn": "topic_arn",
    "UserPoolId": "user_pool_id",
    "WorkGroup": "workgroup",
}
"""By parameter the member of a document that names the resource."""

THROTTLES = frozenset(
    (
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottlingException",
        "TooManyRequestsException",
    )
)
_ERROR = re.compile(rb'"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"|<Code>([^<]+)</Code>')
_ATTEMPT = re.compile(r"attempt=(\d+)")

type Json = dict[str, Any]


def request(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any) -> tuple[str, Json]:
    """Return the name of the service that a request calls, and what is known of the call before its answer."""
    form = _form(headers, body)
    service = app.detect_service(method, path, headers, form | query)
    operation = headers.get("x-amz-target", "").rpartition(".")[2] or form.get("Action", [""])[0]
    if not operation:
        action = iam_actions.extract_iam_action(service, method, path, headers, body, query) or ""
        operation = action.partition(":")[2] or method
    attempt = _ATTEMPT.match(headers.get("amz-sdk-request", ""))
    known: Json = {"operation": operation, "retries": int(attempt[1]) - 1 if attempt else 0}
    if service == "s3":
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        known |= {"bucket_name": bucket} | ({"key": key} if key else {})
    elif service == "lambda" and (found := re.search(r"/functions/([^/]+)", path)):
        known["function_name"] = unquote(found[1])
    elif form:
        known |= {RESOURCES[name]: values[0] for name, values in form.items() if name in RESOURCES}
    else:
        known |= _of_json(body)
    return NAMES.get(service, service), known


def answer(status: int, headers: Mapping[str, str], body: Any) -> Json:
    """Return what the answer adds to the document: the status, the error's code, the consumed capacity."""
    content = body if isinstance(body, bytes) else b""
    told: Json = {"http": {"response": {"status": status, "content_length": len(content)}}}
    if status >= 400:
        code = _code(headers, content)
        throttled = status == 429 or code in THROTTLES
        told |= {"fault": True} if status >= 500 else {"error": True}
        told |= {"throttle": True} if throttled else {}
        told["cause"] = {"exceptions": [{"type": code, "remote": True}]}
    if (units := _capacity(content)) is not None:
        told["aws"] = {"consumed_capacity": units}
    return told


def _form(headers: Mapping[str, str], body: bytes) -> dict[str, list[str]]:
    """Return the parameters of the query protocol, which are a form."""
    if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    return parse_qs(body.decode(errors="replace"))


def _of_json(body: bytes) -> Json:
    """Return the names of resources in a JSON request, and those of the attributes of an item's key."""
    try:
        sent = json.loads(body or b"{}")
    except ValueError:
        return {}
    if not isinstance(sent, dict):
        return {}
    known: Json = {
        RESOURCES[name]: value for name, value in sent.items() if name in RESOURCES and isinstance(value, str)
    }
    if tables := sorted(set(_tables(sent))):
        known["table_names"] = tables
    if isinstance(sent.get("Key"), dict):
        known["key_names"] = sorted(sent["Key"])
    return known


def _tables(sent: Json) -> Iterator[str]:
    """Yield the tables of a batch or a transaction of DynamoDB."""
    if isinstance(sent.get("RequestItems"), dict):
        yield from sent["RequestItems"]
    for item in sent.get("TransactItems") or ():
        for operation in item.values() if isinstance(item, dict) else ():
            if isinstance(operation, dict) and isinstance(operation.get("TableName"), str):
                yield operation["TableName"]


def _code(headers: Mapping[str, str], body: bytes) -> str:
    given = next((value for name, value in headers.items() if name.lower() == "x-amzn-errortype"), "")
    found = _ERROR.search(body)
    return given.partition(":")[0] or ((found[1] or found[2]).decode() if found else "Error")


def _capacity(body: bytes) -> float | None:
    """Return the capacity units that a call of DynamoDB consumed, if its answer tells them."""
    if b'"ConsumedCapacity"' not in body:
        return None
    told = json.loads(body).get("ConsumedCapacity")
    each = told if isinstance(told, list) else [told]
    return float(sum(table.get("CapacityUnits", 0) for table in each if isinstance(table, dict)))
