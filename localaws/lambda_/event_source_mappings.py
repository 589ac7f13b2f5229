"""Gap: the emulator ignores or mistypes most settings of an event source mapping, and does not check the role.

This module stores all settings, checks the function's role, and turns the emulator's poller off;
localaws.lambda_.poller delivers instead. It also adds long polling to GetRecords: a request with the header
`x-localaws-wait` waits up to that many seconds for records, as ReceiveMessage does. Only our pollers send the header.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
No longer needed when a mapping with MaximumRetryAttempts and BisectBatchOnFunctionError isolates a poison record.
"""

import asyncio
import json
import time
from typing import Any

from ministack.core import concurrency, iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import dynamodb_streams, kinesis, lambda_svc
from ministack.services.cloudformation import provisioners

from localaws.lambda_.filters import parse

WAIT_HEADER = "x-localaws-wait"
POLL_INTERVAL = 0.01  # seconds; limits how often a waiting GetRecords reads while many records arrive

DEFAULTS: dict[str, dict[str, Any]] = {
    "sqs": {"BatchSize": 10},
    "streams": {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "TumblingWindowInSeconds": 0,
    },
}
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
SEND_ACTIONS = {"sqs": "SendMessage", "sns": "Publish", "s3": "PutObject"}


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


def store_settings(mapping: dict[str, Any], settings: dict[str, Any]) -> None:
    """Store all given settings in the mapping, and the defaults of its source type for the others."""
    kind = "sqs" if ":sqs:" in settings["EventSourceArn"] else "streams"
    named = {name: value for name, value in settings.items() if name not in ("FunctionName", "Tags")}
    for name in ("FilterCriteria", "ScalingConfig"):
        mapping.pop(name, None)
    mapping |= {"MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": [], "Enabled": True}
    mapping |= DEFAULTS[kind] | named | {"LastModified": time.time()}
    mapping["State"] = "Enabled" if mapping["Enabled"] else "Disabled"
    if kind == "sqs":
        mapping.pop("StartingPosition", None)


def validation_error(settings: dict[str, Any]) -> str | None:
    """Return the error with which AWS rejects the mapping, or None."""
    return filter_error(settings) or permission_error(settings)


def filter_error(settings: dict[str, Any]) -> str | None:
    for item in settings.get("FilterCriteria", {}).get("Filters", []):
        try:
            parse(item["Pattern"])
        except ValueError as error:
            return f"Invalid filter pattern definition: {error}"
    return None


def permission_error(settings: dict[str, Any]) -> str | None:
    name, _ = lambda_svc._resolve_name_and_qualifier(settings.get("FunctionName", ""))
    function = lambda_svc._functions.get(name)
    source = settings["EventSourceArn"]
    if function is None or source.split(":")[4] != get_account_id():  # the emulator checks cross-account streams itself
        return None
    reads = READ_ACTIONS[parse_arn(source).service]
    denied = [action for action in reads if not is_allowed(function["config"]["Role"], action, source)]
    if denied and ":sqs:" not in source:
        actions = ", ".join(reads)
        return f"Cannot access stream {source}. Please ensure the role can perform the {actions} Actions on it in IAM."
    destination = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if destination:
        send = SEND_ACTIONS[parse_arn(destination).service]
        target = destination + "/*" if ":s3:" in destination else destination
        denied += [] if is_allowed(function["config"]["Role"], send, target) else [send]
    service = parse_arn(destination or source).service.upper()
    if denied:
        return f"The provided execution role does not have permissions to call {denied[0]} on {service}"
    return None


def is_allowed(role: str, action: str, resource: str) -> bool:
    account, name = get_account_id(), role.rsplit("/", 1)[-1]
    context = iam_evaluator.EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=account,
        action=f"{parse_arn(resource).service}:{action}",
        resource_arn=resource,
        region=get_region(),
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


def create_with_settings(create: Any) -> Any:
    def create_mapping(data: dict[str, Any]) -> Any:
        settings = convert_types(data)
        if settings.get("EventSourceArn") and (reason := validation_error(settings)):
            return lambda_svc._invalid_parameter_value(reason)
        status, headers, body = create(settings)
        if status >= 400:
            return status, headers, body
        mapping = lambda_svc._esms[json.loads(body)["UUID"]]
        store_settings(mapping, settings)
        return lambda_svc.json_response(lambda_svc._esm_response(mapping), status)

    return create_mapping


def update_with_validation(change: Any) -> Any:
    def update_mapping(mapping_id: str, data: dict[str, Any]) -> Any:
        if reason := filter_error(data):
            return lambda_svc._invalid_parameter_value(reason)
        return change(mapping_id, data)

    return update_mapping


def provision_with_settings(provision: Any) -> Any:
    """Wrap the create or update of a mapping by CloudFormation."""

    def provision_mapping(*arguments: Any) -> Any:
        properties = arguments[-2]
        settings = convert_types(properties)
        if reason := validation_error(settings):
            raise ValueError(reason)
        mapping_id, attributes = provision(*arguments)
        store_settings(lambda_svc._esms[mapping_id], settings)
        return mapping_id, attributes

    return provision_mapping


class ArrivalSignal:
    """A signal to all waiting GetRecords requests that an event source has new records."""

    def __init__(self) -> None:
        self.next = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    def notify_from_thread(self) -> None:
        if self.loop:
            self.loop.call_soon_threadsafe(self.notify)

    def notify(self) -> None:
        self.next.set()
        self.next = asyncio.Event()

    def with_long_polling(self, handle_request: Any) -> Any:
        """Wrap a service's request handler: GetRecords with the header waits until it has records."""

        async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            self.loop = asyncio.get_running_loop()
            deadline = time.monotonic() + float(headers.get(WAIT_HEADER, 0))
            while True:
                arrival = self.next
                answer = await handle_request(method, path, headers, body, query)
                left = deadline - time.monotonic()
                if left <= 0 or answer[0] != 200 or json.loads(answer[2]).get("Records") != []:
                    return answer
                try:
                    await asyncio.wait_for(arrival.wait(), left)
                    await asyncio.sleep(POLL_INTERVAL)
                except TimeoutError:
                    deadline = 0

        return handle


def apply() -> None:
    lambda_svc._ensure_poller = lambda: None
    lambda_svc._create_esm = create_with_settings(lambda_svc._create_esm)
    lambda_svc._update_esm = update_with_validation(lambda_svc._update_esm)
    mapping = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    for action in ("create", "update"):
        mapping[action] = provision_with_settings(mapping[action])
    signal = ArrivalSignal()
    concurrency.esm_wake.set = signal.notify_from_thread
    for service in (dynamodb_streams, kinesis):
        service.handle_request = signal.with_long_polling(service.handle_request)
