"""What Lambda refuses, and what its API, its errors and its asynchronous invocations look like, beside AWS."""

import asyncio
import base64
import functools
import io
import itertools
import json
import zipfile
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from localaws import control_client
from localaws.lambda_.function_limits import REQUEST_LIMIT, RUNTIMES, with_small_requests
from localaws.lambda_.request_constraints import validation_message
from localaws.testing import active, eventually, until

REGION, ACCOUNT = "us-east-1", "000000000000"
CODE = """
import os, sys, time

class Faulty(Exception):
    pass

def handler(event, context):
    print("called", flush=True)
    command = event.get("do")
    if command == "raise":
        raise Faulty("on purpose")
    if command == "exit":
        os._exit(1)
    if command == "sleep":
        time.sleep(5)
    if command == "large":
        return "x" * (6 * 1024 * 1024 + 200)
    return {"id": context.aws_request_id, "stream": context.log_stream_name}
"""
INVALID, NOT_VALID = "InvalidParameterValueException", "ValidationException"
numbers = itertools.count(1)


class Aws:
    """The emulator at an address, with factories for the tests' resources. A message arrives within *seconds*."""

    def __init__(self, endpoint: str, seconds: float = 90) -> None:
        self.seconds = seconds
        # Neither retries nor the checks of parameters by the client.
        config = Config(retries={"max_attempts": 1}, parameter_validation=False)
        self.client = cache(lambda service: boto3.client(service, REGION, endpoint_url=endpoint, config=config))
        self.lambda_, self.sqs = self.client("lambda"), self.client("sqs")

    def role(self, *actions: str) -> str:
        iam, name = self.client("iam"), f"rules-{next(numbers)}"
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        if actions:
            allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps({"Statement": [allowed]}))
        return str(role["Role"]["Arn"])

    @cached_property
    def powerful_role(self) -> str:
        services = ("dynamodb", "events", "kinesis", "lambda", "logs", "s3", "sns", "sqs")
        return self.role(*(f"{service}:*" for service in services))

    def function(self, code: str = CODE, **settings: Any) -> str:
        """Create a function; return its name."""
        return str(self.lambda_.create_function(**self.new_function(code) | settings)["FunctionName"])

    def active(self, function: str) -> str:
        """Wait until the function is active; return its name."""
        active(self.lambda_, function)
        return function

    def new_function(self, code: str = CODE) -> dict[str, Any]:
        """Return the parameters of a function that AWS accepts."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("app.py", code)
        return {
            "FunctionName": f"rules-{next(numbers)}",
            "Runtime": "python3.13",
            "Handler": "app.handler",
            "Role": self.powerful_role,
            "Code": {"ZipFile": archive.getvalue()},
        }

    def queue(self, fifo: bool = False, **attributes: str) -> tuple[str, str]:
        """Create a queue; return its URL and ARN."""
        name = f"rules-{next(numbers)}{'.fifo' * fifo}"
        attributes |= {"FifoQueue": "true"} if fifo else {}
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    @cached_property
    def stream(self) -> str:
        """The ARN of a Kinesis stream."""
        self.client("kinesis").create_stream(StreamName="rules", ShardCount=1)
        return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/rules"

    @cached_property
    def table_stream(self) -> str:
        table = self.client("dynamodb").create_table(
            TableName="rules",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        return str(table["TableDescription"]["LatestStreamArn"])

    def source(self, kind: str) -> dict[str, Any]:
        """Return the parameters of a new mapping from a source of that kind, which AWS accepts."""
        sources = {"kinesis": lambda: self.stream, "dynamodb": lambda: self.table_stream}
        start = {} if kind.startswith("sqs") else {"StartingPosition": "TRIM_HORIZON"}
        arn = sources[kind]() if kind in sources else self.queue(fifo=kind == "sqs.fifo")[1]
        return {"FunctionName": self.function(), "EventSourceArn": arn} | start

    def settled(self, uuid: str) -> dict[str, Any]:
        """Return the mapping once it is enabled or disabled."""

        def find() -> dict[str, Any] | None:
            mapping: dict[str, Any] = self.lambda_.get_event_source_mapping(UUID=uuid)
            return mapping if mapping["State"] in ("Enabled", "Disabled") else None

        return until(find)

    def received(self, url: str) -> Any:
        """Return the next message of the queue."""
        names = {"MessageAttributeNames": ["All"], "WaitTimeSeconds": 1}
        found = eventually(lambda: self.sqs.receive_message(QueueUrl=url, **names).get("Messages"), self.seconds)
        return found[0] if found else None

    def stack(self, action: str, name: str, resource: dict[str, Any]) -> None:
        """Create or update a stack with one resource. Raise WaiterError if that fails."""
        cloudformation, template = self.client("cloudformation"), json.dumps({"Resources": {"Resource": resource}})
        getattr(cloudformation, f"{action}_stack")(StackName=name, TemplateBody=template)
        waiter = cloudformation.get_waiter(f"stack_{action}_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 0.3, "MaxAttempts": 40})


@pytest.fixture(scope="module")
def aws(emulator: str) -> Aws:
    return Aws(emulator)


@pytest.fixture(scope="module")
def bare(bare_emulator: str) -> Aws:
    return Aws(bare_emulator, seconds=3)  # what it does not deliver never arrives


def rejection(call: Callable[..., Any], **parameters: Any) -> tuple[str, int, str]:
    """Return the code, status and message with which AWS refuses the call."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


# --- event source mappings: what is refused ---------------------------------------------------------------

ABSENT_QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:absent"
ABSENT_STREAM = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/absent"
ABSENT_TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/absent/stream/2025-01-01T00:00:00.000"
WINDOW = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
TARGET = {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:rules"}
MAPPINGS: list[tuple[str, dict[str, Any], str, str]] = [
    ("sqs", {"EventSourceArn": None}, INVALID, "Unrecognized event source."),
    ("sqs", {"FunctionName": "absent"}, INVALID, "Function does not exist"),
    ("sqs", {"EventSourceArn": ABSENT_QUEUE}, INVALID, "AWS.SimpleQueueService.NonExistentQueue"),
    ("kinesis", {"EventSourceArn": ABSENT_STREAM}, INVALID, f"Stream not found: {ABSENT_STREAM}"),
    ("dynamodb", {"EventSourceArn": ABSENT_TABLE}, INVALID, f"Stream not found: {ABSENT_TABLE}"),
    ("sqs", {"BatchSize": 11}, INVALID, WINDOW),
    ("sqs", {"BatchSize": 10_001, "MaximumBatchingWindowInSeconds": 1}, NOT_VALID, "less than or equal to 10000"),
    ("sqs.fifo", {"MaximumBatchingWindowInSeconds": 1}, INVALID, "Batching window is not supported for FIFO queues"),
    ("sqs", {"StartingPosition": "LATEST"}, INVALID, "StartingPosition is not valid for SQS event sources."),
    ("kinesis", {"StartingPosition": None}, INVALID, "Value null at 'startingPosition' failed to satisfy constraint"),
    ("kinesis", {"StartingPosition": "x"}, NOT_VALID, "value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"),
    ("dynamodb", {"StartingPosition": "AT_TIMESTAMP"}, INVALID, "Unsupported starting position for arn type: arn:"),
    *(
        ("sqs", {name: value}, INVALID, f"Unsupported {name} parameter for given event source mapping type.")
        for name, value in {
            "BisectBatchOnFunctionError": True,
            "DestinationConfig": {"OnFailure": TARGET},
            "MaximumRecordAgeInSeconds": 60,
            "MaximumRetryAttempts": 1,
            "ParallelizationFactor": 2,
        }.items()
    ),
    ("kinesis", {"ScalingConfig": {"MaximumConcurrency": 2}}, INVALID, "Unsupported ScalingConfig parameter"),
    ("kinesis", {"DestinationConfig": {"OnSuccess": TARGET}}, INVALID, "Unsupported DestinationConfig parameter"),
    ("kinesis", {"BatchSize": 20_000}, NOT_VALID, "Value '20000' at 'batchSize' failed to satisfy constraint"),
    ("kinesis", {"BatchSize": 0}, NOT_VALID, "Member must have value greater than or equal to 1"),
    ("kinesis", {"ParallelizationFactor": 11}, NOT_VALID, "Member must have value less than or equal to 10"),
    ("kinesis", {"MaximumBatchingWindowInSeconds": 301}, NOT_VALID, "less than or equal to 300"),
    ("kinesis", {"MaximumRetryAttempts": 10_001}, NOT_VALID, "less than or equal to 10000"),
    ("kinesis", {"MaximumRecordAgeInSeconds": 604_801}, NOT_VALID, "less than or equal to 604800"),
    ("kinesis", {"MaximumRecordAgeInSeconds": 59}, INVALID, "at least 60 seconds"),
    ("sqs", {"ScalingConfig": {"MaximumConcurrency": 1}}, NOT_VALID, "at 'scalingConfig.maximumConcurrency'"),
    ("sqs", {"FunctionResponseTypes": ["Report"]}, NOT_VALID, "[ReportBatchItemFailures]"),
    *(
        ("sqs", {"FilterCriteria": {"Filters": [{"Pattern": pattern}]}}, INVALID, "Invalid filter pattern definition.")
        for pattern in ("null", "simple string", '{"body": "x"}', '{"body": []}', '[{"eventName": ["INSERT"=123}]')
    ),
    ("kinesis", {"TumblingWindowInSeconds": 30}, "NotImplemented", "TumblingWindowInSeconds"),
    ("sqs", {"ProvisionedPollerConfig": {"MinimumPollers": 2}}, "NotImplemented", "ProvisionedPollerConfig"),
]


@pytest.mark.parametrize(("kind", "settings", "code", "message"), MAPPINGS)
def test_a_mapping_that_aws_refuses_is_refused(
    aws: Aws, kind: str, settings: dict[str, Any], code: str, message: str
) -> None:
    given = {name: value for name, value in (aws.source(kind) | settings).items() if value is not None}

    refused = rejection(aws.lambda_.create_event_source_mapping, **given)

    assert (refused[0], refused[1]) == (code, 501 if code == "NotImplemented" else 400)
    assert message in refused[2]
    resource = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": given}
    with pytest.raises(WaiterError):
        aws.stack("create", f"rules-{next(numbers)}", resource)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("sqs", 'An event source mapping with SQS arn (" {source} ") and function (" {name} ") already exists.'),
        ("kinesis", 'The event source arn (" {source} ") and function (" {name} ") provided mapping already exists.'),
    ],
)
def test_a_second_mapping_between_the_same_two_is_refused(aws: Aws, kind: str, text: str) -> None:
    source = aws.source(kind)
    uuid = aws.lambda_.create_event_source_mapping(**source)["UUID"]

    refused = rejection(aws.lambda_.create_event_source_mapping, **source)

    text = text.format(source=source["EventSourceArn"], name=source["FunctionName"])
    hint = f"Please update or delete the existing mapping with UUID {uuid}"
    assert refused == ("ResourceConflictException", 409, f"{text} {hint}")


def test_a_queue_must_hide_its_messages_as_long_as_the_function_may_run(aws: Aws) -> None:
    function, (_, arn) = aws.function(Timeout=31), aws.queue()
    message = "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"

    refused = rejection(aws.lambda_.create_event_source_mapping, FunctionName=function, EventSourceArn=arn)

    assert refused == (INVALID, 400, message)
    mapping = aws.lambda_.create_event_source_mapping(FunctionName=aws.function(), EventSourceArn=arn)["UUID"]
    aws.settled(mapping)
    assert rejection(aws.lambda_.update_event_source_mapping, UUID=mapping, FunctionName=function)[2] == message


def test_an_update_is_checked_as_a_creation(aws: Aws) -> None:
    mapping = aws.lambda_.create_event_source_mapping(**aws.source("sqs"))["UUID"]
    aws.settled(mapping)
    update = aws.lambda_.update_event_source_mapping

    assert rejection(update, UUID=mapping, BatchSize=11)[2] == WINDOW
    assert rejection(update, UUID=mapping, MaximumRetryAttempts=1)[0] == INVALID
    assert rejection(update, UUID=mapping, BatchSize=10_001)[0] == NOT_VALID
    assert rejection(update, UUID=mapping, FunctionName="absent")[2] == "Function does not exist"


# --- event source mappings: their states ------------------------------------------------------------------


def test_a_mapping_passes_through_the_states_of_aws(aws: Aws) -> None:
    api, source = aws.lambda_, aws.source("kinesis")
    created = api.create_event_source_mapping(**source)
    uuid = created["UUID"]
    assert (created["State"], created["ResponseMetadata"]["HTTPStatusCode"]) == ("Creating", 202)
    assert created["StateTransitionReason"] == "User action"
    assert created["LastProcessingResult"] == "No records processed"
    busy = "Cannot {} the event source mapping because it is in use."
    assert rejection(api.update_event_source_mapping, UUID=uuid, BatchSize=1) == (
        "ResourceInUseException",
        400,
        busy.format("update"),
    )
    assert rejection(api.delete_event_source_mapping, UUID=uuid)[2] == busy.format("delete")

    assert aws.settled(uuid)["State"] == "Enabled"
    updated = api.update_event_source_mapping(UUID=uuid, BatchSize=1)
    assert (updated["State"], updated["ResponseMetadata"]["HTTPStatusCode"]) == ("Updating", 202)
    aws.settled(uuid)
    assert api.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    assert aws.settled(uuid)["State"] == "Disabled"
    assert api.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    aws.settled(uuid)
    deleted = api.delete_event_source_mapping(UUID=uuid)
    assert (deleted["State"], deleted["ResponseMetadata"]["HTTPStatusCode"]) == ("Deleting", 202)
    assert rejection(api.create_event_source_mapping, **source)[0] == "ResourceConflictException"
    assert eventually(
        lambda: not api.list_event_source_mappings(FunctionName=source["FunctionName"])["EventSourceMappings"]
    )
    assert rejection(api.get_event_source_mapping, UUID=uuid) == (
        "ResourceNotFoundException",
        404,
        "The resource you requested does not exist.",
    )


def test_a_new_mapping_of_a_queue_has_the_members_of_aws(aws: Aws) -> None:
    mapping = aws.lambda_.create_event_source_mapping(**aws.source("sqs"))

    assert mapping.keys() - {"ResponseMetadata"} == {
        "BatchSize",
        "EventSourceArn",
        "EventSourceMappingArn",
        "FunctionArn",
        "FunctionResponseTypes",
        "LastModified",
        "MaximumBatchingWindowInSeconds",
        "State",
        "StateTransitionReason",
        "UUID",
    }
    assert mapping["StateTransitionReason"] == "USER_INITIATED"


def test_empty_filters_are_no_filters(aws: Aws) -> None:
    mapping = aws.lambda_.create_event_source_mapping(**aws.source("sqs"), FilterCriteria={"Filters": []})

    assert "FilterCriteria" not in mapping


def test_a_mapping_of_a_stack_is_enabled_and_has_the_tags_of_the_stack(aws: Aws) -> None:
    properties = aws.source("sqs") | {"Tags": [{"Key": "my", "Value": "tag"}]}
    stack = f"rules-{next(numbers)}"

    aws.stack("create", stack, {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties})

    (mapping,) = aws.lambda_.list_event_source_mappings(FunctionName=properties["FunctionName"])["EventSourceMappings"]
    assert mapping["State"] == "Enabled"
    tags = aws.lambda_.list_tags(Resource=mapping["EventSourceMappingArn"])["Tags"]
    own = {"my": "tag", "aws:cloudformation:logical-id": "Resource", "aws:cloudformation:stack-name": stack}
    assert tags.items() >= own.items()


# --- functions: what is refused ---------------------------------------------------------------------------

ENVIRONMENT = "Lambda was unable to configure your environment variables because the environment variables you have"
FUNCTIONS: list[tuple[dict[str, Any], str, int, str]] = [
    ({"Timeout": 901}, NOT_VALID, 400, "Value '901' at 'timeout' failed to satisfy constraint: Member must have"),
    ({"Timeout": 0}, NOT_VALID, 400, "Member must have value greater than or equal to 1"),
    ({"MemorySize": 127}, NOT_VALID, 400, "Member must have value greater than or equal to 128"),
    ({"MemorySize": 10_241}, NOT_VALID, 400, "Member must have value less than or equal to 10240"),
    ({"Role": "r1"}, NOT_VALID, 400, "Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular"),
    ({"Handler": "a b"}, NOT_VALID, 400, "at 'handler' failed to satisfy constraint"),
    ({"Description": "x" * 257}, NOT_VALID, 400, "Member must have length less than or equal to 256"),
    ({"Environment": {"Variables": {"1": "x"}}}, NOT_VALID, 400, "Map keys must satisfy constraint: [Member must"),
    ({"Environment": {"Variables": {"BIG": "x" * 4096}}}, INVALID, 400, f"{ENVIRONMENT} provided exceeded the 4KB"),
    (
        {"Environment": {"Variables": {"AWS_REGION": "x", "A1": "x"}}},
        INVALID,
        400,
        f"{ENVIRONMENT} provided contains reserved keys that are currently not supported for modification. "
        "Reserved keys used in this request: AWS_REGION",
    ),
    ({"Runtime": "python3.7"}, INVALID, 400, "The runtime parameter of python3.7 is no longer supported"),
    (
        {"Runtime": "PYTHON3.9"},
        INVALID,
        400,
        "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must ",
    ),
    ({"Layers": [f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:a:1"] * 6}, INVALID, 400, "Cannot reference more than 5"),
]
NEW_FUNCTIONS: list[tuple[dict[str, Any], str, int, str]] = [
    ({"FunctionName": "a" * 65}, INVALID, 400, "Member must have length less than or equal to 64"),
    ({"FunctionName": "invalid name"}, NOT_VALID, 400, "at 'functionName' failed to satisfy constraint"),
    ({"Architectures": ["x86_64", "arm64"]}, NOT_VALID, 400, "Value '[x86_64, arm64]' at 'architectures' failed to"),
    ({"Architectures": ["X86_64"]}, NOT_VALID, 400, "[Member must satisfy enum value set: [x86_64, arm64], Member"),
    ({"Code": {"S3Bucket": "absent-bucket", "S3Key": "a"}}, INVALID, 400, "S3 Error Code: NoSuchBucket."),
    (
        {"Code": {"ZipFile": bytes(50 * 1024 * 1024 + 9)}},
        "RequestEntityTooLargeException",
        413,
        "Zipped size must be smaller than 52428800 bytes",
    ),
]


@pytest.mark.parametrize(("settings", "code", "status", "message"), [*FUNCTIONS, *NEW_FUNCTIONS])
def test_a_function_that_aws_refuses_is_refused(
    aws: Aws, settings: dict[str, Any], code: str, status: int, message: str
) -> None:
    refused = rejection(aws.lambda_.create_function, **aws.new_function() | settings)

    assert refused[:2] == (code, status)
    assert message in refused[2]


@pytest.mark.parametrize(("settings", "code", "status", "message"), FUNCTIONS)
def test_an_update_that_aws_refuses_is_refused(
    aws: Aws, updated: str, settings: dict[str, Any], code: str, status: int, message: str
) -> None:
    refused = rejection(aws.lambda_.update_function_configuration, FunctionName=updated, **settings)

    assert refused[:2] == (code, status)
    assert message in refused[2]
    if "Layers" not in settings:  # the emulator refuses absent layers of a template first
        code_of = {"Code": {"ZipFile": "def handler(event, context): pass"}}
        properties = (
            {"Runtime": "python3.13", "Handler": "index.handler", "Role": aws.powerful_role} | code_of | settings
        )
        with pytest.raises(WaiterError):
            aws.stack("create", f"rules-{next(numbers)}", {"Type": "AWS::Lambda::Function", "Properties": properties})


@pytest.fixture(scope="module")
def updated(aws: Aws) -> str:
    return aws.active(aws.function())


def test_a_new_function_is_pending_first(aws: Aws) -> None:
    created = aws.lambda_.create_function(**aws.new_function())

    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    assert "LastUpdateStatus" not in created
    pending = (
        "ResourceConflictException",
        409,
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
    )
    assert rejection(aws.lambda_.invoke, FunctionName=created["FunctionName"]) == pending


def test_an_update_is_in_progress_first(aws: Aws) -> None:
    function, update = aws.active(aws.function()), aws.lambda_.update_function_configuration

    changed = update(FunctionName=function, Timeout=5)

    assert (changed["State"], changed["LastUpdateStatus"]) == ("Active", "InProgress")
    code, status, text = rejection(update, FunctionName=function, Timeout=6)
    assert (code, status) == ("ResourceConflictException", 409)
    assert text.endswith(f"An update is in progress for resource: {changed['FunctionArn']}")
    assert invoke(aws, function)[0]["StatusCode"] == 200
    until(lambda: aws.lambda_.get_function(FunctionName=function)["Configuration"]["LastUpdateStatus"] == "Successful")
    update(FunctionName=function, Timeout=6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_supported_runtime_is_in_the_model_of_the_api(runtime: str) -> None:
    assert validation_message("UpdateFunctionConfiguration", {"FunctionName": "a", "Runtime": runtime}) is None


def test_an_error_has_the_members_of_its_model(aws: Aws) -> None:
    with pytest.raises(aws.lambda_.exceptions.ResourceNotFoundException) as missing:
        aws.lambda_.get_function(FunctionName="absent")
    with pytest.raises(aws.lambda_.exceptions.InvalidParameterValueException) as invalid:
        aws.lambda_.create_event_source_mapping(FunctionName="absent")

    assert missing.value.response["Type"] == invalid.value.response["Type"] == "User"
    assert missing.value.response["Message"].startswith("Function not found: arn:")
    assert invalid.value.response["message"] == "Unrecognized event source."


# --- the result of an invocation --------------------------------------------------------------------------


def invoke(aws: Aws, function: str, event: Any = None, **options: Any) -> tuple[dict[str, Any], Any]:
    answer = aws.lambda_.invoke(FunctionName=aws.active(function), Payload=json.dumps(event or {}), **options)
    payload = answer["Payload"].read()
    return answer, json.loads(payload) if payload else None


def test_the_error_of_a_function_has_its_class_and_its_stack(aws: Aws) -> None:
    answer, error = invoke(aws, aws.function(), {"do": "raise"})

    assert (answer["FunctionError"], answer["ExecutedVersion"]) == ("Unhandled", "$LATEST")
    line = CODE.splitlines().index('        raise Faulty("on purpose")') + 1
    assert error == {
        "errorMessage": "on purpose",
        "errorType": "Faulty",
        "requestId": answer["ResponseMetadata"]["RequestId"],
        "stackTrace": [f'  File "/var/task/app.py", line {line}, in handler\n    raise Faulty("on purpose")\n'],
    }


@pytest.mark.parametrize(
    ("command", "kind", "text"),
    [
        ("exit", "Runtime.ExitError", "RequestId: {} Error: Runtime exited with error: exit status 1"),
        ("sleep", "Sandbox.Timedout", "RequestId: {} Error: Task timed out after 1.00 seconds"),
    ],
)
def test_an_environment_that_ends_is_an_error_of_the_runtime(aws: Aws, command: str, kind: str, text: str) -> None:
    answer, error = invoke(aws, aws.function(Timeout=1), {"do": command})

    assert error == {"errorType": kind, "errorMessage": text.format(answer["ResponseMetadata"]["RequestId"])}
    assert answer["FunctionError"] == "Unhandled"


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("import absent", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'absent'"),
        ("other = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def (", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
        ("raise KeyError('x')", "KeyError", "'x'"),
    ],
)
def test_code_that_cannot_be_loaded_is_an_error(aws: Aws, code: str, kind: str, message: str) -> None:
    answer, error = invoke(aws, aws.function(code))

    assert error["errorType"] == kind
    assert error["errorMessage"].startswith(message)
    assert answer["FunctionError"] == "Unhandled"


def test_the_function_sees_the_id_of_the_request_and_the_log_ends_with_it(aws: Aws) -> None:
    answer, result = invoke(aws, aws.function(), LogType="Tail")

    request = answer["ResponseMetadata"]["RequestId"]
    assert result["id"] == request
    log = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert log[:3] == [f"START RequestId: {request} Version: $LATEST", "called", f"END RequestId: {request}"]


def test_a_response_above_the_limit_is_an_error(aws: Aws) -> None:
    answer, error = invoke(aws, aws.function(MemorySize=512), {"do": "large"})

    assert (answer["FunctionError"], error["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")


@pytest.mark.parametrize(
    ("payload", "code", "status"),
    [
        (b"not json", "InvalidRequestContentException", 400),
        (b'"' + b"x" * (6 * 1024 * 1024) + b'"', "RequestEntityTooLargeException", 413),
    ],
)
def test_a_payload_that_is_no_json_or_too_large_is_refused(aws: Aws, payload: bytes, code: str, status: int) -> None:
    function = aws.active(aws.function())
    assert rejection(aws.lambda_.invoke, FunctionName=function, Payload=payload)[:2] == (code, status)


def test_an_event_and_a_dry_run_name_no_version(aws: Aws) -> None:
    function = aws.function()

    assert "ExecutedVersion" not in invoke(aws, function, InvocationType="Event")[0]
    assert "ExecutedVersion" not in invoke(aws, function, InvocationType="DryRun")[0]


def test_a_stream_of_a_shared_log_group_names_its_function(aws: Aws) -> None:
    logs, group = aws.client("logs"), f"shared-{next(numbers)}"
    logs.create_log_group(logGroupName=group)
    functions = [aws.function(LoggingConfig={"LogGroup": group}) for _ in range(2)]

    seen = {invoke(aws, function)[1]["stream"] for function in functions for _ in range(2)}

    streams = [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    assert sorted(streams) == sorted(seen)
    assert {name.split("/")[3].partition("[")[0] for name in streams} == set(functions)
    assert len(logs.filter_log_events(logGroupName=group, filterPattern="START")["events"]) == 4


# --- asynchronous invocations -----------------------------------------------------------------------------


def destinations(arn: str) -> dict[str, Any]:
    return {"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}}


def test_a_success_and_a_failure_reach_their_destination(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue()
    aws.lambda_.put_function_event_invoke_config(
        FunctionName=function, MaximumRetryAttempts=1, DestinationConfig=destinations(arn)
    )

    for event in ({}, {"do": "raise"}):
        failed = bool(event)
        answer, _ = invoke(aws, function, event, InvocationType="Event")

        record = json.loads(aws.received(url)["Body"])
        request = answer["ResponseMetadata"]["RequestId"]
        assert record["version"] == "1.0"
        assert record["timestamp"].endswith("Z")
        assert record["requestContext"] == {
            "requestId": request,
            "functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}:$LATEST",
            "condition": "RetriesExhausted" if failed else "Success",
            "approximateInvokeCount": 2 if failed else 1,
        }
        assert record["requestPayload"] == event
        error = {"functionError": "Unhandled"} if failed else {}
        assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"} | error
        assert record["responsePayload"].get("errorType") == ("Faulty" if failed else None)
        assert record["responsePayload"].get("requestId" if failed else "id") == request
        steps = until(functools.partial(steps_of, aws, request))
        assert [(step["attempt"], step["attempts"], step["fate"]["outcome"]) for step in steps] == (
            [(1, 2, "retried"), (2, 2, "sent")] if failed else [(1, 2, "succeeded")]
        )
        assert steps[-1]["fate"]["destination"] == arn
        assert (steps[-1]["error"] or {}).get("type") == ("Faulty" if failed else None)
        assert steps[-1]["event"] == (json.dumps(event) if failed else "")


def steps_of(aws: Aws, batch: str) -> list[dict[str, Any]]:
    """Return what happened to the invocation once it ended."""
    answer = json.loads(control_client.call(f"{aws.lambda_.meta.endpoint_url}/_localaws/deliveries"))
    steps = next((each["steps"] for each in answer["batches"] if each["id"] == batch), [])
    return steps if steps and steps[-1]["fate"]["outcome"] not in ("retried", "throttled") else []


def test_the_age_of_an_event_is_at_least_a_minute(aws: Aws) -> None:
    function = aws.function()

    assert rejection(
        aws.lambda_.put_function_event_invoke_config, FunctionName=function, MaximumEventAgeInSeconds=59
    ) == (
        NOT_VALID,
        400,
        "1 validation error detected: Value '59' at 'maximumEventAgeInSeconds' failed to satisfy constraint: "
        "Member must have value greater than or equal to 60",
    )


def test_the_age_of_an_event_counts_the_minute_that_aws_waits(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue()
    aws.lambda_.put_function_event_invoke_config(
        FunctionName=function, MaximumEventAgeInSeconds=60, DestinationConfig=destinations(arn)
    )

    invoke(aws, function, {"do": "raise"}, InvocationType="Event")

    context = json.loads(aws.received(url)["Body"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


def test_a_dead_letter_is_the_event_with_the_error_as_attributes(aws: Aws) -> None:
    url, arn = aws.queue()
    function = aws.function(DeadLetterConfig={"TargetArn": arn}, Role=aws.role("sqs:SendMessage"))
    aws.lambda_.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)

    answer, _ = invoke(aws, function, {"do": "raise"}, InvocationType="Event")

    message = aws.received(url)
    assert json.loads(message["Body"]) == {"do": "raise"}
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    request = answer["ResponseMetadata"]["RequestId"]
    assert attributes == {"RequestID": request, "ErrorCode": "200", "ErrorMessage": "on purpose"}


def test_a_destination_that_the_role_may_no_longer_use_gets_nothing(aws: Aws) -> None:
    role, (url, arn) = aws.role("sqs:*"), aws.queue()
    function, name = aws.function(Role=role), role.rpartition("/")[2]
    aws.lambda_.put_function_event_invoke_config(
        FunctionName=function, MaximumRetryAttempts=0, DestinationConfig=destinations(arn)
    )

    aws.client("iam").delete_role_policy(RoleName=name, PolicyName=name)
    invoke(aws, function, {"do": "raise"}, InvocationType="Event")

    until(lambda: has_ended(aws, function))
    assert "Messages" not in aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)


def has_ended(aws: Aws, function: str) -> bool:
    """Return whether an invocation of the function has ended."""
    try:
        events = aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except ClientError:
        return False
    return any(event["message"].startswith("END RequestId") for event in events)


def test_an_event_for_a_stopped_function_fails_at_once(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue()
    aws.lambda_.put_function_event_invoke_config(FunctionName=function, DestinationConfig=destinations(arn))
    aws.lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)

    invoke(aws, function, InvocationType="Event")

    record = json.loads(aws.received(url)["Body"])
    assert (
        record["requestContext"].items()
        >= {
            "condition": "ZeroReservedConcurrency",
            "approximateInvokeCount": 0,
        }.items()
    )
    assert not {"responseContext", "responsePayload"} & record.keys()


def test_an_event_bus_and_a_bucket_get_the_record_too(aws: Aws) -> None:
    function, (url, arn), s3, events = aws.function(), aws.queue(), aws.client("s3"), aws.client("events")
    bucket = f"rules-{next(numbers)}"
    s3.create_bucket(Bucket=bucket)
    bus = events.create_event_bus(Name=bucket)["EventBusArn"]
    events.put_rule(Name=bucket, EventBusName=bucket, EventPattern='{"source": ["lambda"]}')
    events.put_targets(Rule=bucket, EventBusName=bucket, Targets=[{"Id": "queue", "Arn": arn}])
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [allowed]})})
    aws.lambda_.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        DestinationConfig={
            "OnSuccess": {"Destination": bus},
            "OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"},
        },
    )

    invoke(aws, function, InvocationType="Event")
    invoke(aws, function, {"do": "raise"}, InvocationType="Event")

    event = json.loads(aws.received(url)["Body"])
    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["detail"]["requestContext"]["condition"] == "Success"
    (kept,) = until(lambda: s3.list_objects_v2(Bucket=bucket, Prefix="aws/lambda/async/").get("Contents"), 15)
    record = json.loads(s3.get_object(Bucket=bucket, Key=kept["Key"])["Body"].read())
    assert record["responsePayload"]["errorType"] == "Faulty"


def test_a_notification_of_a_topic_is_an_asynchronous_invocation(aws: Aws) -> None:
    function, (url, arn), sns = (
        aws.function('def handler(event, context): raise OSError("no")'),
        aws.queue(),
        aws.client("sns"),
    )
    aws.lambda_.put_function_event_invoke_config(
        FunctionName=function, MaximumRetryAttempts=1, DestinationConfig=destinations(arn)
    )
    topic = sns.create_topic(Name=f"rules-{next(numbers)}")["TopicArn"]
    aws.lambda_.add_permission(
        FunctionName=function, StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )
    endpoint = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=endpoint)["SubscriptionArn"]

    sns.publish(TopicArn=topic, Message="hello")

    record = json.loads(aws.received(url)["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 2
    (event,) = record["requestPayload"]["Records"]
    assert event["EventSubscriptionArn"] == subscription
    assert event["Sns"].items() >= {"Message": "hello", "Subject": None, "MessageAttributes": {}}.items()
    assert event["Sns"]["UnsubscribeUrl"].endswith(f"&SubscriptionArn={subscription}")
    assert record["responsePayload"]["errorType"] == "OSError"


def test_settings_of_asynchronous_invocations_are_checked_and_kept_apart(aws: Aws) -> None:
    function, api = aws.function(), aws.lambda_
    put, own = api.put_function_event_invoke_config, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"

    assert rejection(put, FunctionName="absent", MaximumRetryAttempts=0)[1:] == (404, "The function doesn't exist.")
    assert rejection(put, FunctionName=function)[2].startswith("You must specify at least one of error handling")
    assert rejection(put, FunctionName=function, MaximumRetryAttempts=3)[0] == NOT_VALID
    itself = {"OnSuccess": {"Destination": own + function}}
    assert rejection(put, FunctionName=function, DestinationConfig=itself)[2].startswith(
        "You can't specify the function"
    )
    absent = {"OnSuccess": {"Destination": f"{own}absent"}}
    assert rejection(put, FunctionName=function, DestinationConfig=absent)[2].endswith("function:absent is invalid.")
    weak = aws.active(aws.function(Role=aws.role()))
    assert rejection(put, FunctionName=weak, DestinationConfig={"OnFailure": TARGET})[2] == (
        f"The function's execution role does not have permissions to call SendMessage on {TARGET['Destination']}"
    )
    assert (
        rejection(
            api.update_function_configuration, FunctionName=weak, DeadLetterConfig={"TargetArn": TARGET["Destination"]}
        )[2]
        == "The provided execution role does not have permissions to call SendMessage on SQS"
    )

    stored = put(FunctionName=function, MaximumRetryAttempts=0)
    assert stored["FunctionArn"] == f"{own}{function}:$LATEST"
    assert "MaximumEventAgeInSeconds" not in stored
    api.update_function_event_invoke_config(FunctionName=function, MaximumEventAgeInSeconds=60)
    found = api.get_function_event_invoke_config(FunctionName=function)
    assert (found["MaximumRetryAttempts"], found["MaximumEventAgeInSeconds"]) == (0, 60)
    api.delete_function_event_invoke_config(FunctionName=function)
    assert rejection(api.get_function_event_invoke_config, FunctionName=function)[2] == (
        f"The function {own}{function}:$LATEST doesn't have an EventInvokeConfig"
    )


# --- revisions, versions, policies and lists --------------------------------------------------------------

OWN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
PERMISSION = {"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
NOT_FOUND = ("ResourceNotFoundException", 404)


def outdated(operation: str) -> tuple[str, int, str]:
    """Return the error for an outdated revision, of which *operation* returns the latest."""
    text = "The Revision Id provided does not match the latest Revision Id. "
    return "PreconditionFailedException", 412, f"{text}Call the {operation} API to retrieve the latest Revision Id"


def revision(aws: Aws, function: str) -> str:
    return str(aws.lambda_.get_function_configuration(FunctionName=function)["RevisionId"])


def test_every_change_of_a_function_gives_it_a_new_revision(aws: Aws) -> None:
    api, updated = aws.lambda_, aws.lambda_.get_waiter("function_updated_v2")
    created = api.create_function(**aws.new_function())
    function, arn = created["FunctionName"], created["FunctionArn"]
    seen = [created["RevisionId"], revision(aws, aws.active(function))]

    seen.append(api.update_function_configuration(FunctionName=function, Description="x")["RevisionId"])
    updated.wait(FunctionName=function, WaiterConfig={"Delay": 0.1, "MaxAttempts": 900})
    seen.append(revision(aws, function))
    api.tag_resource(Resource=arn, Tags={"a": "b"})
    seen.append(revision(aws, function))
    api.untag_resource(Resource=arn, TagKeys=["a"])
    seen.append(revision(aws, function))
    api.add_permission(FunctionName=function, **PERMISSION)
    seen.append(revision(aws, function))
    version = api.publish_version(FunctionName=function)
    seen += [version["RevisionId"], revision(aws, function)]

    assert len(set(seen)) == len(seen)
    assert api.publish_version(FunctionName=function)["RevisionId"] == version["RevisionId"]


def test_a_request_with_an_outdated_revision_is_refused(aws: Aws) -> None:
    api, function = aws.lambda_, aws.active(aws.function())
    latest = revision(aws, function)
    publish, update = api.publish_version, api.update_function_configuration

    assert rejection(publish, FunctionName=function, RevisionId="x") == outdated("GetFunction/GetAlias")
    assert rejection(update, FunctionName=function, RevisionId="x") == outdated("GetFunction/GetAlias")
    add = functools.partial(api.add_permission, FunctionName=function, **PERMISSION)
    assert rejection(add, RevisionId="x") == outdated("GetPolicy")
    add(RevisionId=latest)
    remove = functools.partial(api.remove_permission, FunctionName=function, StatementId="s3")
    assert rejection(remove, RevisionId=latest) == outdated("GetPolicy")
    policy = api.get_policy(FunctionName=function)["RevisionId"]
    assert policy == revision(aws, function)
    remove(RevisionId=policy)
    assert revision(aws, function) not in (latest, policy)
    assert rejection(publish, FunctionName=function, CodeSha256="x")[2].startswith("CodeSHA256 (x) is different from")


def test_a_function_that_is_created_with_a_version_lists_it(aws: Aws) -> None:
    api, function = aws.lambda_, aws.active(aws.function(Publish=True))

    assert api.publish_version(FunctionName=function)["Version"] == "1"
    listed = api.list_versions_by_function(FunctionName=function)["Versions"]
    assert [version["FunctionArn"] for version in listed] == [f"{OWN}{function}:$LATEST", f"{OWN}{function}:1"]
    assert len({version["RevisionId"] for version in listed}) == 2
    assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & listed[0].keys()


def test_the_policies_of_a_function_and_its_versions_are_apart(aws: Aws) -> None:
    api, function = aws.lambda_, aws.active(aws.function(Publish=True))

    api.add_permission(FunctionName=function, **PERMISSION)
    assert rejection(api.get_policy, FunctionName=function, Qualifier="1")[:2] == NOT_FOUND
    api.add_permission(FunctionName=f"{function}:1", **PERMISSION)

    policies = [api.get_policy(FunctionName=function, **named) for named in ({}, {"Qualifier": "1"})]
    resources = [json.loads(policy["Policy"])["Statement"][0]["Resource"] for policy in policies]
    assert resources == [f"{OWN}{function}", f"{OWN}{function}:1"]
    api.remove_permission(FunctionName=function, StatementId="s3")
    assert api.get_policy(FunctionName=function, Qualifier="1")["RevisionId"] == policies[1]["RevisionId"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (ACCOUNT, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        (f"arn:aws:iam::{ACCOUNT}:root", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        ("arn:aws:iam::123456789012:role/of-another", {"AWS": "arn:aws:iam::123456789012:role/of-another"}),
        ("s3.amazonaws.com", {"Service": "s3.amazonaws.com"}),
        ("*", "*"),
        (f"arn:aws:iam::{ACCOUNT}:role/absent", None),
        (f"arn:aws:s3:::{ACCOUNT}", None),
        ("invalid.example.com", None),
    ],
)
def test_the_principal_of_a_statement_is_an_account_a_service_or_exists(
    aws: Aws, updated: str, given: str, kept: Any
) -> None:
    permission = PERMISSION | {"FunctionName": updated, "StatementId": f"s{next(numbers)}", "Principal": given}

    if kept is None:
        assert rejection(aws.lambda_.add_permission, **permission) == (
            INVALID,
            400,
            "The provided principal was invalid. Please check the principal and try again.",
        )
    else:
        assert json.loads(aws.lambda_.add_permission(**permission)["Statement"])["Principal"] == kept


@pytest.fixture(scope="module")
def without_policy(aws: Aws) -> str:
    """The name of an active function without permissions."""
    return aws.active(aws.function())


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        ("add_permission", {"FunctionName": "absent"}, f"Function not found: {OWN}absent"),
        ("add_permission", {"Qualifier": "7"}, f"Function not found: {OWN}{{}}:7"),
        ("add_permission", {"Qualifier": "none"}, f"Cannot find alias arn: {OWN}{{}}:none"),
        ("get_policy", {"FunctionName": "absent"}, "The resource you requested does not exist."),
        ("get_policy", {}, "The resource you requested does not exist."),
        ("remove_permission", {"FunctionName": "absent"}, f"No policy found for: {OWN}absent"),
        ("remove_permission", {}, "No policy is associated with the given resource."),
        ("remove_permission", {"Qualifier": "none"}, f"Cannot find alias arn: {OWN}{{}}:none"),
        ("invoke", {"FunctionName": "absent"}, f"Function not found: {OWN}absent:$LATEST"),
        ("invoke", {"FunctionName": "absent", "Qualifier": "7"}, f"Function not found: {OWN}absent:7"),
        ("get_function", {"FunctionName": "absent"}, f"Function not found: {OWN}absent"),
        ("get_function", {"Qualifier": "7"}, f"Function not found: {OWN}{{}}:7"),
        ("put_function_concurrency", {"FunctionName": "absent"}, f"Function not found: {OWN}absent:$LATEST"),
        ("list_function_event_invoke_configs", {"FunctionName": "absent"}, "The function doesn't exist."),
    ],
)
def test_the_error_names_what_does_not_exist(
    aws: Aws, without_policy: str, operation: str, parameters: dict[str, str], message: str
) -> None:
    given = {"FunctionName": without_policy} | parameters
    given |= PERMISSION if operation == "add_permission" else {}
    given |= {"StatementId": "s3"} if operation == "remove_permission" else {}
    given |= {"ReservedConcurrentExecutions": 0} if operation == "put_function_concurrency" else {}

    answer = rejection(getattr(aws.lambda_, operation), **given)

    assert answer == (*NOT_FOUND, message.format(without_policy))


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "message"),
    [
        ("get_function", {"name": "{}:1", "Qualifier": "2"}, INVALID, "The derived qualifier from the function name"),
        ("add_permission", {"name": "{}:$LATEST"}, INVALID, "We currently do not support adding policies for $LATEST."),
        (
            "put_function_concurrency",
            {"name": "{}:$LATEST"},
            INVALID,
            "This operation is permitted on Lambda functions",
        ),
        ("get_function", {"Qualifier": "?"}, NOT_VALID, "Value '?' at 'qualifier' failed to satisfy constraint"),
        ("invoke", {"name": "123400000000@function:{}"}, NOT_VALID, "at 'functionName' failed to satisfy constraint"),
        ("invoke", {"InvocationType": "x"}, NOT_VALID, "Member must satisfy enum value set: [Event, RequestResponse"),
        ("list_functions", {"FunctionVersion": "x"}, NOT_VALID, "Member must satisfy enum value set: [ALL]"),
        ("list_functions", {"MaxItems": 0}, NOT_VALID, "Member must have value greater than or equal to 1"),
    ],
)
def test_a_name_or_qualifier_that_aws_refuses_is_refused(
    aws: Aws, updated: str, operation: str, parameters: dict[str, Any], code: str, message: str
) -> None:
    given = {name: value for name, value in parameters.items() if name != "name"}
    if operation != "list_functions":
        given["FunctionName"] = parameters.get("name", "{}").format(updated)
    given |= PERMISSION if operation == "add_permission" else {}
    given |= {"ReservedConcurrentExecutions": 0} if operation == "put_function_concurrency" else {}

    refused = rejection(getattr(aws.lambda_, operation), **given)

    assert refused[:2] == (code, 400)
    assert message in refused[2]


def test_a_version_that_does_not_exist_is_deleted_again(aws: Aws, updated: str) -> None:
    aws.lambda_.delete_function(FunctionName=updated, Qualifier="77")
    assert rejection(aws.lambda_.delete_function, FunctionName="absent", Qualifier="77")[:2] == NOT_FOUND


def test_lists_have_pages(aws: Aws) -> None:
    api, function = aws.lambda_, aws.active(aws.function(Publish=True))
    for qualifier in ("1", "$LATEST"):
        api.put_function_event_invoke_config(FunctionName=function, Qualifier=qualifier, MaximumRetryAttempts=0)

    list_configs = functools.partial(api.list_function_event_invoke_configs, FunctionName=function, MaxItems=1)
    first = list_configs()
    second = list_configs(Marker=first["NextMarker"])
    paginate = api.get_paginator("list_functions").paginate
    pages = list(paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 1}))

    configs = [page["FunctionEventInvokeConfigs"][0]["FunctionArn"] for page in (first, second)]
    assert configs == [f"{OWN}{function}:$LATEST", f"{OWN}{function}:1"]
    assert "NextMarker" not in second
    assert {len(page["Functions"]) for page in pages} == {1}
    assert set(configs) <= {page["Functions"][0]["FunctionArn"] for page in pages}
    assert f"{OWN}{function}" in {each["FunctionArn"] for page in paginate() for each in page["Functions"]}


def test_a_change_of_the_log_keeps_what_it_does_not_name(aws: Aws) -> None:
    api, function = aws.lambda_, aws.active(aws.function(LoggingConfig={"LogFormat": "JSON"}))
    group = f"/aws/lambda/{function}"
    levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}

    found = [api.get_function_configuration(FunctionName=function)["LoggingConfig"]]
    for change in ({"SystemLogLevel": "DEBUG"}, {"LogFormat": "Text"}, {"LogGroup": "other"}):
        found.append(api.update_function_configuration(FunctionName=function, LoggingConfig=change)["LoggingConfig"])
        waiter = api.get_waiter("function_updated_v2")
        waiter.wait(FunctionName=function, WaiterConfig={"Delay": 0.1, "MaxAttempts": 900})

    assert found == [
        {"LogFormat": "JSON", "LogGroup": group} | levels,
        {"LogFormat": "JSON", "LogGroup": group} | levels | {"SystemLogLevel": "DEBUG"},
        {"LogFormat": "Text", "LogGroup": group},
        {"LogFormat": "Text", "LogGroup": "other"},
    ]


def test_a_function_of_a_stack_writes_text_to_its_group(aws: Aws) -> None:
    name = f"rules-{next(numbers)}"
    properties = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": aws.powerful_role,
        "Code": {"ZipFile": CODE},
        "LoggingConfig": {"LogGroup": "stacks"},
    }
    aws.stack("create", name, {"Type": "AWS::Lambda::Function", "Properties": properties})
    found = aws.lambda_.get_function_configuration(FunctionName=name)["LoggingConfig"]
    assert found == {"LogFormat": "Text", "LogGroup": "stacks"}


def test_the_session_of_a_function_has_its_name(aws: Aws) -> None:
    code = "import boto3\ndef handler(event, context): return boto3.client('sts').get_caller_identity()['Arn']"
    for name, session in (("x", "x@lambda_function"), ("xy", "xy")):
        assert invoke(aws, aws.function(code, FunctionName=name))[1].endswith(f"/{session}")


def test_a_request_of_70_megabytes_is_refused_before_it_is_read() -> None:
    handle = with_small_requests(None)
    body = bytes(REQUEST_LIMIT + 1)

    status, headers, answer = asyncio.run(handle("POST", "/2015-03-31/functions", {}, body, {}))

    assert (status, headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
    assert (
        json.loads(answer)["Message"] == "Request must be smaller than 70167211 bytes for the CreateFunction operation"
    )


# --- the gaps are still there -----------------------------------------------------------------------------


def an_error_has_a_type(aws: Aws) -> None:
    with pytest.raises(ClientError) as caught:
        aws.lambda_.get_function(FunctionName="absent")
    assert caught.value.response["Type"] == "User"


def a_timeout_of_901_seconds_is_refused(aws: Aws) -> None:
    assert rejection(aws.lambda_.create_function, **aws.new_function() | {"Timeout": 901})[0] == NOT_VALID


def a_new_function_cannot_be_invoked(aws: Aws) -> None:
    created = aws.lambda_.create_function(**aws.new_function())
    assert rejection(aws.lambda_.invoke, FunctionName=created["FunctionName"])[1] == 409


def a_reserved_variable_is_refused(aws: Aws) -> None:
    environment = {"Environment": {"Variables": {"AWS_REGION": "x"}}}
    assert rejection(aws.lambda_.create_function, **aws.new_function() | environment)[0] == INVALID


def a_second_mapping_is_refused(aws: Aws) -> None:
    source = aws.source("sqs")
    aws.lambda_.create_event_source_mapping(**source)
    assert rejection(aws.lambda_.create_event_source_mapping, **source)[0] == "ResourceConflictException"


def an_error_has_its_class(aws: Aws) -> None:
    assert invoke(aws, aws.function(), {"do": "raise"})[1]["errorType"] == "Faulty"


def an_environment_writes_one_log_stream(aws: Aws) -> None:
    function, logs = aws.function(), aws.client("logs")
    (name,) = {invoke(aws, function)[1]["stream"] for _ in range(2)}
    streams = logs.describe_log_streams(logGroupName=f"/aws/lambda/{function}")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == [name]


def a_notification_names_its_subscription(aws: Aws) -> None:
    sns, (url, arn) = aws.client("sns"), aws.queue()
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [allowed]})})
    topic = sns.create_topic(Name=f"rules-{next(numbers)}")["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="hello")
    assert json.loads(aws.received(url)["Body"])["UnsubscribeURL"].endswith(f"&SubscriptionArn={subscription}")


def a_batch_without_failures_names_none(aws: Aws) -> None:
    entries = [{"Id": "a", "MessageBody": "a"}]
    assert "Failed" not in aws.sqs.send_message_batch(QueueUrl=aws.queue()[0], Entries=entries)


def a_success_reaches_its_destination(aws: Aws) -> None:
    function, (url, arn) = aws.function(), aws.queue()
    aws.lambda_.put_function_event_invoke_config(FunctionName=function, DestinationConfig=destinations(arn))
    invoke(aws, function, InvocationType="Event")
    assert aws.received(url)


def a_destination_needs_the_permission_of_the_role(aws: Aws) -> None:
    weak = {"FunctionName": aws.function(Role=aws.role()), "DestinationConfig": {"OnFailure": TARGET}}
    assert rejection(aws.lambda_.put_function_event_invoke_config, **weak)[0] == INVALID


def a_revision_changes_with_the_state(aws: Aws) -> None:
    created = aws.lambda_.create_function(**aws.new_function())
    assert revision(aws, aws.active(created["FunctionName"])) != created["RevisionId"]


def a_function_without_statements_has_no_policy(aws: Aws) -> None:
    assert rejection(aws.lambda_.get_policy, FunctionName=aws.function())[:2] == NOT_FOUND


def the_arn_has_the_qualifier(aws: Aws) -> None:
    found = aws.lambda_.get_function_configuration(FunctionName=aws.function(), Qualifier="$LATEST")
    assert found["FunctionArn"].endswith(":$LATEST")


def all_versions_are_listed(aws: Aws) -> None:
    function = aws.function(Publish=True)
    pages = aws.lambda_.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    assert f"{OWN}{function}:1" in list(pages.search("Functions[].FunctionArn"))


def a_short_name_makes_a_longer_session(aws: Aws) -> None:
    code = "import boto3\ndef handler(event, context): return boto3.client('sts').get_caller_identity()['Arn']"
    assert invoke(aws, aws.function(code, FunctionName="z"))[1].endswith("/z@lambda_function")


def a_log_in_json_has_a_level(aws: Aws) -> None:
    created = aws.lambda_.create_function(**aws.new_function() | {"LoggingConfig": {"LogFormat": "JSON"}})
    assert created["LoggingConfig"]["SystemLogLevel"] == "INFO"


@pytest.mark.parametrize(
    ("module", "probe"),
    [
        ("lambda_.error_responses", an_error_has_a_type),
        ("lambda_.request_constraints", a_timeout_of_901_seconds_is_refused),
        ("lambda_.function_limits", a_reserved_variable_is_refused),
        ("lambda_.event_source_mappings", a_second_mapping_is_refused),
        ("lambda_.function_states", a_new_function_cannot_be_invoked),
        ("lambda_.invocation_results", an_error_has_its_class),
        ("lambda_.log_streams", an_environment_writes_one_log_stream),
        ("sns.unsubscribe_url", a_notification_names_its_subscription),
        ("sqs.batch_results", a_batch_without_failures_names_none),
        ("lambda_.asynchronous_invocations", a_success_reaches_its_destination),
        ("lambda_.event_invoke_configs", a_destination_needs_the_permission_of_the_role),
        ("lambda_.logging_config", a_log_in_json_has_a_level),
        ("lambda_.revisions", a_revision_changes_with_the_state),
        ("lambda_.permissions", a_function_without_statements_has_no_policy),
        ("lambda_.qualifiers", the_arn_has_the_qualifier),
        ("lambda_.pages", all_versions_are_listed),
        ("lambda_.session_names", a_short_name_makes_a_longer_session),
    ],
)
def test_the_gap_is_closed_here_and_still_there_in_ministack(
    module: str, probe: Callable[[Aws], None], aws: Aws, bare: Aws
) -> None:
    probe(aws)
    try:
        probe(bare)
    except (AssertionError, ClientError, KeyError, pytest.fail.Exception):
        return
    pytest.fail(f"ministack no longer needs localaws/{module.replace('.', '/')}.py; delete it")
