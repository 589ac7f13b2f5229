"""The rules of an event source mapping's settings: what AWS refuses, and with which error.

AWS: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id
from ministack.services import dynamodb, kinesis, lambda_svc, sqs
from ministack.services.cloudformation import provisioners

from localaws.lambda_.execution_role import denied_send, is_allowed
from localaws.lambda_.filters import parse

SERVICES = ("dynamodb", "kinesis", "sqs")
STREAM_SETTINGS = (
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "TumblingWindowInSeconds",
)
# Settings of AWS that the pollers here do not apply.
NOT_IMPLEMENTED = (
    "KMSKeyArn",
    "LoggingConfig",
    "MetricsConfig",
    "ProvisionedPollerConfig",
    "TumblingWindowInSeconds",
)
SMALLEST_AGE = 60  # seconds; -1 is no limit
INTEGERS = (
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
)
# The actions that AWS requires of the function's role before it creates a mapping.
READ_ACTIONS = {
    "dynamodb": ("GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"),
    "kinesis": ("GetRecords", "GetShardIterator", "DescribeStream"),
    "sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
}


class Refusal(ValueError):
    """The error with which AWS refuses a request. Its text is the message."""

    def __init__(self, message: str, code: str = "InvalidParameterValueException", status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def convert_types(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the types of the API. A template may give any of them as a string."""
    settings = {name: value for name, value in given.items() if value is not None}
    settings |= {name: int(float(settings[name])) for name in INTEGERS if name in settings}
    for name in ("Enabled", "BisectBatchOnFunctionError"):
        if name in settings:
            settings[name] = provisioners._cfn_bool(settings[name])
    if "MaximumConcurrency" in settings.get("ScalingConfig", {}):
        settings["ScalingConfig"] = {"MaximumConcurrency": int(settings["ScalingConfig"]["MaximumConcurrency"])}
    return settings


def check_new(settings: dict[str, Any], mappings: list[dict[str, Any]]) -> None:
    """Raise Refusal if AWS refuses to create a mapping with the settings beside the account's other *mappings*."""
    service = source_service(settings)
    check_settings(service, settings)
    check_start(service, settings)
    function = function_settings(settings["FunctionName"])
    check_duplicate(service, settings, function, mappings)
    check_source(service, settings["EventSourceArn"], function)
    check_permissions(service, settings, function)


def check_change(mapping: dict[str, Any], change: dict[str, Any]) -> None:
    """Raise Refusal if AWS refuses to change the mapping."""
    service, settings = parse_arn(mapping["EventSourceArn"]).service, mapping | change
    check_settings(service, change)
    check_batch(service, settings)
    function = function_settings(settings.get("FunctionName") or settings["FunctionArn"])
    if service == "sqs":
        check_visibility(settings["EventSourceArn"], function)
    check_permissions(service, settings, function)


def source_service(settings: dict[str, Any]) -> str:
    """Return the service of the event source: `dynamodb`, `kinesis` or `sqs`."""
    try:
        service = str(parse_arn(settings.get("EventSourceArn") or "").service)
    except ArnParseError:
        raise Refusal("Unrecognized event source.") from None
    if service not in SERVICES:
        raise Refusal(f"{service} as an event source is not implemented.", "NotImplemented", 501)
    return service


def check_settings(service: str, settings: dict[str, Any]) -> None:
    """Refuse settings that the type of event source does not have, and values out of range."""
    for name in NOT_IMPLEMENTED:
        if settings.get(name):
            raise Refusal(f"{name} of an event source mapping is not implemented.", "NotImplemented", 501)
    for name in unsupported(service, settings):
        raise Refusal(f"Unsupported {name} parameter for given event source mapping type.")
    age = settings.get("MaximumRecordAgeInSeconds", -1)
    if -1 < age < SMALLEST_AGE:
        raise Refusal(f"Maximum record age must be -1 or at least {SMALLEST_AGE} seconds.")
    for item in (settings.get("FilterCriteria") or {}).get("Filters") or []:
        try:
            parse(item.get("Pattern") or "")
        except ValueError:
            raise Refusal("Invalid filter pattern definition.") from None
    if "EventSourceArn" in settings:
        check_batch(service, settings)


def unsupported(service: str, settings: dict[str, Any]) -> Iterator[str]:
    if (settings.get("DestinationConfig") or {}).get("OnSuccess"):
        yield "DestinationConfig"
    yield from (name for name in STREAM_SETTINGS if service == "sqs" and name in settings)
    if service != "sqs" and "ScalingConfig" in settings:
        yield "ScalingConfig"


def check_batch(service: str, settings: dict[str, Any]) -> None:
    window = settings.get("MaximumBatchingWindowInSeconds", 0)
    if service == "sqs" and settings.get("BatchSize", 0) > 10 and not window:
        raise Refusal("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    if window and settings["EventSourceArn"].endswith(".fifo"):
        raise Refusal("Batching window is not supported for FIFO queues")


def check_start(service: str, settings: dict[str, Any]) -> None:
    """Refuse a missing or unsuitable starting position."""
    start = settings.get("StartingPosition")
    if service == "sqs":
        if start:
            raise Refusal("StartingPosition is not valid for SQS event sources.")
        return
    if not start:
        raise Refusal(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
            "Member must not be null."
        )
    if service == "dynamodb" and start == "AT_TIMESTAMP":
        raise Refusal(f"Unsupported starting position for arn type: {settings['EventSourceArn']}")


def function_settings(reference: str) -> dict[str, Any]:
    """Return the settings of the function, version or alias. Raise Refusal if it does not exist."""
    name, qualifier = lambda_svc._resolve_request_scoped_name_and_qualifier(reference)
    function = lambda_svc._functions.get(name)
    record = lambda_svc._get_func_record_for_qualifier(name, qualifier)[1] if function else None
    if record is None:
        raise Refusal("Function does not exist")
    return dict(record)


def check_duplicate(
    service: str, settings: dict[str, Any], function: dict[str, Any], mappings: list[dict[str, Any]]
) -> None:
    """Refuse a second mapping from the event source to the function."""
    _, qualifier = lambda_svc._resolve_name_and_qualifier(settings["FunctionName"])
    name, source = function["FunctionName"], settings["EventSourceArn"]
    for mapping in mappings:
        existing = (mapping["EventSourceArn"], mapping["FunctionName"], mapping.get("Qualifier"))
        if existing == (source, name, qualifier):
            what = f'(" {source} ") and function (" {name} ")'
            text = (
                f"An event source mapping with SQS arn {what} already exists"
                if service == "sqs"
                else f"The event source arn {what} provided mapping already exists"
            )
            hint = f"Please update or delete the existing mapping with UUID {mapping['UUID']}"
            raise Refusal(f"{text}. {hint}", "ResourceConflictException", 409)


def check_source(service: str, source: str, function: dict[str, Any]) -> None:
    """Refuse a queue or stream that does not exist, and a queue that shows its messages again too early."""
    if service == "sqs":
        return check_visibility(source, function)
    if service == "kinesis":
        if not is_own(source):
            return None  # the emulator checks the streams of other accounts
        stream = kinesis._streams.get(parse_arn(source).resource.rpartition("/")[2])
        exists = stream is not None and stream["StreamARN"] == source
    else:
        exists = source in {table.get("LatestStreamArn") for table in dynamodb._tables.values()}
    if not exists:
        raise Refusal(f"Stream not found: {source}")
    return None


def check_visibility(source: str, function: dict[str, Any]) -> None:
    queue = sqs._queue_by_arn(source)
    if queue is None:
        raise Refusal(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist."
        )
    visible, timeout = int(queue["attributes"]["VisibilityTimeout"]), int(function.get("Timeout", 3))
    if visible < timeout:
        raise Refusal(f"Queue visibility timeout: {visible} seconds is less than Function timeout: {timeout} seconds")


def is_own(source: str) -> bool:
    return bool(parse_arn(source).account_id == get_account_id())


def check_permissions(service: str, settings: dict[str, Any], function: dict[str, Any]) -> None:
    """Refuse a function whose role cannot read the event source or send to the on-failure destination."""
    source, role = settings["EventSourceArn"], function["Role"]
    if not is_own(source):
        return
    denied = [action for action in READ_ACTIONS[service] if not is_allowed(role, action, source)]
    if denied and service == "sqs":
        raise Refusal(f"The provided execution role does not have permissions to call {denied[0]} on SQS")
    if denied:
        actions = "GetRecords, GetShardIterator, DescribeStream, and ListStreams"
        if service == "kinesis":
            actions = "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams"
        raise Refusal(
            f"Cannot access stream {source}. Please ensure the role can perform the {actions} Actions on your stream "
            "in IAM."
        )
    destination = (settings.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
    if destination and (action := denied_send(role, destination)):
        service_name = parse_arn(destination).service.upper()
        raise Refusal(f"The provided execution role does not have permissions to call {action} on {service_name}")
