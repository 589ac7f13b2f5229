"""Gap: the emulator reads streams in one thread without retry limits, bisecting or partial failures, drops or
mistypes settings of an event source mapping, and creates one that its function's role may not read.

AWS: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
Its poller is off, for localaws/lambda_ delivers instead. GetRecords with the header `x-localaws-wait`, which
only that sends, waits so many seconds for records, as ReceiveMessage does, so that nobody has to ask all the time.
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

WAIT = "x-localaws-wait"
PAUSE = 0.01  # between two looks of a waiting GetRecords, however much is written

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
# What AWS asks of the role before it makes a mapping.
READS = {
    "dynamodb": ("GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"),
    "kinesis": ("GetRecords", "GetShardIterator", "DescribeStream"),
    "sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
}
SENDS = {"sqs": "SendMessage", "sns": "Publish", "s3": "PutObject"}


def typed(given: dict[str, Any]) -> dict[str, Any]:
    """The settings as the API types them; a template may carry any of them as a string."""
    settings = {name: value for name, value in given.items() if value is not None}
    settings |= {name: int(float(settings[name])) for name in INTEGERS if name in settings}
    for name in ("Enabled", "BisectBatchOnFunctionError"):
        if name in settings:
            settings[name] = provisioners._cfn_bool(settings[name])
    if "MaximumConcurrency" in settings.get("ScalingConfig", {}):
        settings["ScalingConfig"] = {"MaximumConcurrency": int(settings["ScalingConfig"]["MaximumConcurrency"])}
    return settings


def keep(mapping: dict[str, Any], settings: dict[str, Any]) -> None:
    """Give the mapping all of its settings, and the defaults of its source for the others."""
    kind = "sqs" if ":sqs:" in settings["EventSourceArn"] else "streams"
    named = {name: value for name, value in settings.items() if name not in ("FunctionName", "Tags")}
    for name in ("FilterCriteria", "ScalingConfig"):
        mapping.pop(name, None)
    mapping |= {"MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": [], "Enabled": True}
    mapping |= DEFAULTS[kind] | named | {"LastModified": time.time()}
    mapping["State"] = "Enabled" if mapping["Enabled"] else "Disabled"
    if kind == "sqs":
        mapping.pop("StartingPosition", None)


def refusal(settings: dict[str, Any]) -> str | None:
    """Why AWS would not create the mapping, if so."""
    return invalid_filter(settings) or missing_permission(settings)


def invalid_filter(settings: dict[str, Any]) -> str | None:
    for item in settings.get("FilterCriteria", {}).get("Filters", []):
        try:
            parse(item["Pattern"])
        except ValueError as error:
            return f"Invalid filter pattern definition: {error}"
    return None


def missing_permission(settings: dict[str, Any]) -> str | None:
    name, _ = lambda_svc._resolve_name_and_qualifier(settings.get("FunctionName", ""))
    function = lambda_svc._functions.get(name)
    source = settings["EventSourceArn"]
    if function is None or source.split(":")[4] != get_account_id():  # the emulator checks another account's stream
        return None
    reads = READS[parse_arn(source).service]
    denied = [action for action in reads if not may(function["config"]["Role"], action, source)]
    if denied and ":sqs:" not in source:
        actions = ", ".join(reads)
        return f"Cannot access stream {source}. Please ensure the role can perform the {actions} Actions on it in IAM."
    destination = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if destination:
        send = SENDS[parse_arn(destination).service]
        target = destination + "/*" if ":s3:" in destination else destination
        denied += [] if may(function["config"]["Role"], send, target) else [send]
    service = parse_arn(destination or source).service.upper()
    if denied:
        return f"The provided execution role does not have permissions to call {denied[0]} on {service}"
    return None


def may(role: str, action: str, resource: str) -> bool:
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


def by_api(create: Any) -> Any:
    def create_mapping(data: dict[str, Any]) -> Any:
        settings = typed(data)
        if settings.get("EventSourceArn") and (reason := refusal(settings)):
            return lambda_svc._invalid_parameter_value(reason)
        status, headers, body = create(settings)
        if status >= 400:
            return status, headers, body
        mapping = lambda_svc._esms[json.loads(body)["UUID"]]
        keep(mapping, settings)
        return lambda_svc.json_response(lambda_svc._esm_response(mapping), status)

    return create_mapping


def by_update(change: Any) -> Any:
    def update_mapping(mapping_id: str, data: dict[str, Any]) -> Any:
        if reason := invalid_filter(data):
            return lambda_svc._invalid_parameter_value(reason)
        return change(mapping_id, data)

    return update_mapping


def by_stack(provision: Any) -> Any:
    """The create or update of a mapping in a stack."""

    def provision_mapping(*arguments: Any) -> Any:
        properties = arguments[-2]
        settings = typed(properties)
        if reason := refusal(settings):
            raise ValueError(reason)
        mapping_id, attributes = provision(*arguments)
        keep(lambda_svc._esms[mapping_id], settings)
        return mapping_id, attributes

    return provision_mapping


class Arrivals:
    """Wakes whoever waits for records when any source of events has new ones."""

    def __init__(self) -> None:
        self.next = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    def announce(self) -> None:
        if self.loop:
            self.loop.call_soon_threadsafe(self.pulse)

    def pulse(self) -> None:
        self.next.set()
        self.next = asyncio.Event()

    def patient(self, handle_request: Any) -> Any:
        """The service, whose GetRecords waits for records when it is asked to."""

        async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            self.loop = asyncio.get_running_loop()
            deadline = time.monotonic() + float(headers.get(WAIT, 0))
            while True:
                arrival = self.next
                answer = await handle_request(method, path, headers, body, query)
                left = deadline - time.monotonic()
                if left <= 0 or answer[0] != 200 or json.loads(answer[2]).get("Records") != []:
                    return answer
                try:
                    await asyncio.wait_for(arrival.wait(), left)
                    await asyncio.sleep(PAUSE)
                except TimeoutError:
                    deadline = 0

        return handle


def apply() -> None:
    lambda_svc._ensure_poller = lambda: None
    lambda_svc._create_esm = by_api(lambda_svc._create_esm)
    lambda_svc._update_esm = by_update(lambda_svc._update_esm)
    mapping = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    for action in ("create", "update"):
        mapping[action] = by_stack(mapping[action])
    arrivals = Arrivals()
    concurrency.esm_wake.set = arrivals.announce
    for service in (dynamodb_streams, kinesis):
        service.handle_request = arrivals.patient(service.handle_request)
