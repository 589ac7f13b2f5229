"""Traces: what is recorded of a request, and how X-Ray's API answers."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
import pytest
from ministack.services import sts

from localaws.testing import active, refusal, until
from localaws.xray import api, calls, dax, documents, filters, header, links, traces
from localaws.xray.header import Place
from localaws.xray.traces import Trace, Traces

ACCOUNT, REGION = "000000000000", "us-east-1"
ROOT = "1-5759e988-bd862e3fe1be46a994272793"
CODE = """
import boto3, json, os
def handler(event, context):
    if "Records" in event:
        return
    if "dax" in event:
        from amazondax import AmazonDaxClient
        client = AmazonDaxClient(endpoint_url=event["dax"])
        for _ in range(2):
            client.get_item(TableName="traced", Key={"pk": {"S": "secret-key"}})
        return os.environ["_X_AMZN_TRACE_ID"]
    if event["path"] == "/sending":
        account = context.invoked_function_arn.split(":")[4]
        queue = f"{os.environ['AWS_ENDPOINT_URL']}/{account}/traced"
        boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="x")
        boto3.client("sns").publish(TopicArn=f"arn:aws:sns:us-east-1:{account}:traced", Message="x")
    table = boto3.resource("dynamodb").Table("traced")
    item = {"pk": "secret-key" + event["path"], "text": "secret-text"}
    table.put_item(Item=item, ReturnConsumedCapacity="TOTAL")
    table.get_item(Key={"pk": item["pk"]})
    try:
        table.put_item(Item=item, ConditionExpression="attribute_not_exists(pk)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        pass
    if event["path"] == "/failing":
        raise KeyError("missing")
    return {"statusCode": 200, "body": os.environ["_X_AMZN_TRACE_ID"]}
"""


class Traced:
    """A REST API with a function that writes to a table."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        iam, self.functions, gateway, dynamodb, self.xray, self.sqs, sns, self.streams = (
            boto3.client(name, REGION, endpoint_url=endpoint)
            for name in ("iam", "lambda", "apigateway", "dynamodb", "xray", "sqs", "sns", "dynamodbstreams")
        )
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        allow = {"Effect": "Allow", "Action": ["dax:*", "dynamodb:*", "sqs:*", "sns:*"], "Resource": "*"}
        policies = [json.dumps({"Version": "2012-10-17", "Statement": [each]}) for each in (trust, allow)]
        role = iam.create_role(RoleName="traced", AssumeRolePolicyDocument=policies[0])["Role"]["Arn"]
        iam.put_role_policy(RoleName="traced", PolicyName="write", PolicyDocument=policies[1])
        table = dynamodb.create_table(
            TableName="traced",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        self.stream = table["TableDescription"]["LatestStreamArn"]
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", CODE)
        settings = {"Runtime": "python3.13", "Handler": "app.handler", "Role": role, "Timeout": 60}
        self.functions.create_function(FunctionName="traced", Code={"ZipFile": code.getvalue()}, **settings)
        arn = active(self.functions, "traced")
        for service in ("apigateway", "sns"):
            self.functions.add_permission(
                FunctionName="traced",
                StatementId=service,
                Action="lambda:InvokeFunction",
                Principal=f"{service}.amazonaws.com",
            )
        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:traced"
        allow_topic = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue}
        attributes = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow_topic]})}
        self.queue = self.sqs.create_queue(QueueName="traced", Attributes=attributes)["QueueUrl"]
        topic = sns.create_topic(Name="traced")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
        method = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}}
        document = {"swagger": "2.0", "info": {"title": "traced", "version": "1"}, "paths": {"/{any}": {"get": method}}}
        self.api = gateway.import_rest_api(body=json.dumps(document))["id"]
        gateway.create_deployment(restApiId=self.api, stageName="v1")

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.endpoint}/_aws/execute-api/{self.api}/v1{path}", headers=headers, timeout=60)

    def summaries(self, expression: str) -> list[Any]:
        """Return the summaries of the last hour's traces of this API."""
        now = datetime.now(UTC)
        pages = self.xray.get_paginator("get_trace_summaries").paginate(
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            FilterExpression=f'service("traced/v1") {expression}',
        )
        return [each for page in pages for each in page["TraceSummaries"]]

    def segments(self, trace_id: str) -> list[Any]:
        (trace,) = self.xray.batch_get_traces(TraceIds=[trace_id])["Traces"]
        return [json.loads(each["Document"]) for each in trace["Segments"]]

    def invoke(self, *records: dict[str, Any]) -> None:
        """Invoke the function as an event source mapping does."""
        answer = self.functions.invoke(FunctionName="traced", Payload=json.dumps({"Records": records}))
        assert "FunctionError" not in answer


@pytest.fixture(scope="module")
def traced(emulator: str) -> Traced:
    return Traced(emulator)


def test_a_request_is_a_trace_from_the_api_to_each_call_of_aws(traced: Traced) -> None:
    answer = traced.get("/all")

    answered, in_function = header.parse(answer.headers["X-Amzn-Trace-Id"]), header.parse(answer.text)
    assert answered
    assert in_function
    stage, function = until(lambda: (s := traced.segments(answered.trace_id)) and "in_progress" not in s[0] and s)
    assert (stage["name"], stage["origin"], stage["http"]["response"]["status"]) == (
        "traced/v1",
        "AWS::ApiGateway::Stage",
        200,
    )
    assert (function["name"], function["origin"], function["parent_id"]) == (
        "traced",
        "AWS::Lambda::Function",
        stage["id"],
    )
    assert in_function == Place(stage["trace_id"], function["id"])
    start, *told = function["subsegments"]
    assert (start["name"], start["annotations"]) == ("Init", {"ColdStart": True})
    assert [(each["name"], each["aws"]["operation"], each["aws"]["table_name"]) for each in told] == [
        ("DynamoDB", "PutItem", "traced"),
        ("DynamoDB", "GetItem", "traced"),
        ("DynamoDB", "PutItem", "traced"),
    ]
    put, get, refused = told
    assert put["aws"]["consumed_capacity"] == 1
    assert get["aws"]["key_names"] == ["pk"]
    assert (refused["error"], refused["http"]["response"]["status"]) == (True, 400)
    assert refused["cause"]["exceptions"][0]["type"] == "ConditionalCheckFailedException"
    assert "secret" not in json.dumps([stage, function])
    for outer, inner in ((stage, function), (function, put)):
        assert outer["start_time"] <= inner["start_time"] <= inner["end_time"] <= outer["end_time"]


def test_the_trace_of_the_client_goes_on(traced: Traced) -> None:
    traced.get("/continued", **{"X-Amzn-Trace-Id": f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"})

    assert [each["name"] for each in traced.segments(ROOT)] == ["traced/v1", "traced"]
    assert traced.segments(ROOT)[0]["parent_id"] == "53995c3f42cd8ad8"
    logs = boto3.client("logs", REGION, endpoint_url=traced.endpoint)
    (report,) = logs.filter_log_events(logGroupName="/aws/lambda/traced", filterPattern=f'"{ROOT}"')["events"]
    assert report["message"].startswith("REPORT RequestId: ")


def test_messages_and_records_belong_to_the_trace_of_their_sender(traced: Traced) -> None:
    place = header.parse(traced.get("/sending").text)
    assert place
    messages = traced.sqs.receive_message(
        QueueUrl=traced.queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )["Messages"]
    (shard,) = traced.streams.describe_stream(StreamArn=traced.stream)["StreamDescription"]["Shards"]
    iterator = traced.streams.get_shard_iterator(
        StreamArn=traced.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    change = traced.streams.get_records(ShardIterator=iterator)["Records"][-1]["dynamodb"]

    assert len(messages) == 2
    for message in messages:
        traced.invoke({"attributes": message["Attributes"]})
    traced.invoke({"dynamodb": {"SequenceNumber": change["SequenceNumber"]}})

    # The function itself, by SNS, by the messages to the queue and to the topic, and by the record of the table.
    def functions() -> Any:
        found = [each for each in traced.segments(place.trace_id) if each["name"] == "traced"]
        return len(found) == 5 and not any("in_progress" in each for each in found) and found

    sender, *receivers = until(functions)
    calls = {each["id"]: each["aws"]["operation"] for each in sender["subsegments"] if "aws" in each}
    parents = sorted(calls.get(each["parent_id"], each["parent_id"]) for each in receivers)
    assert parents == sorted([sender["id"], "Publish", "Publish", "PutItem"])
    assert {each["metadata"]["event"]["records"] for each in receivers} == {1}


def test_a_batch_of_several_traces_belongs_to_the_first_and_links_to_the_others(traced: Traced) -> None:
    first, second = header.new_trace_id(), header.new_trace_id()
    traced.invoke(*({"attributes": {"AWSTraceHeader": Place(each).header}} for each in (first, second, first)))

    (main,), (other,) = traced.segments(first), traced.segments(second)
    assert (main["name"], other["name"]) == ("traced", "traced")
    assert main["links"] == [{"trace_id": second}]
    assert other["links"] == [{"trace_id": first}]


def test_a_call_of_dax_belongs_to_the_invocation_that_runs(traced: Traced) -> None:
    cloudformation = boto3.client("cloudformation", REGION, endpoint_url=traced.endpoint)
    role = f"arn:aws:iam::{ACCOUNT}:role/traced"
    settings = {"ClusterName": "traced", "IAMRoleARN": role, "NodeType": "dax.t3.small", "ReplicationFactor": 1}
    template = {
        "Resources": {"Cluster": {"Type": "AWS::DAX::Cluster", "Properties": settings}},
        "Outputs": {"Address": {"Value": {"Fn::GetAtt": ["Cluster", "ClusterDiscoveryEndpoint"]}}},
    }
    cloudformation.create_stack(StackName="traced", TemplateBody=json.dumps(template))
    stack = until(
        lambda: (s := cloudformation.describe_stacks(StackName="traced")["Stacks"][0]).get("Outputs") and s["Outputs"]
    )
    address = f"dax://{stack[0]['OutputValue']}"

    answer = traced.functions.invoke(FunctionName="traced", Payload=json.dumps({"dax": address}))

    place = header.parse(json.load(answer["Payload"]))
    assert place
    (function,) = traced.segments(place.trace_id)
    first, second = (each for each in function["subsegments"] if each["name"] == "DAX")
    assert (first["aws"]["operation"], first["aws"]["table_name"]) == ("GetItem", "traced")
    assert [each["aws"]["operation"] for each in first["subsegments"]][-1] == "GetItem"
    assert "subsegments" not in second
    cloudformation.delete_stack(StackName="traced")


def test_a_failure_is_found_by_filters(traced: Traced) -> None:
    traced.get("/failing")

    (found,) = traced.summaries('fault AND http.url ENDSWITH "/failing" AND http.status = 502')
    assert found["HasFault"]
    assert found["Annotations"]["route"][0]["AnnotationValue"] == {"StringValue": "GET /{any}"}
    assert found["EntryPoint"]["Name"] == "traced/v1"
    function = traced.segments(found["Id"])[1]
    assert function["cause"]["exceptions"] == [{"type": "KeyError", "message": "'missing'"}]
    assert traced.summaries('http.url ENDSWITH "/failing" !fault') == []


def test_a_wrong_request_is_refused_with_the_reason(traced: Traced) -> None:
    assert refusal(lambda: traced.summaries('edge("a", "b")')) == (
        "InvalidRequestException: localaws does not have `edge` in filter expressions."
    )
    assert refusal(lambda: traced.xray.batch_get_traces(TraceIds=[ROOT] * 6)) == (
        "InvalidRequestException: TraceIds must name 5 traces at most."
    )
    assert traced.xray.batch_get_traces(TraceIds=["1-00000000-000000000000000000000000"])["Traces"] == []


def test_reading_traces_needs_permission(traced: Traced) -> None:
    iam = boto3.client("iam", REGION, endpoint_url=traced.endpoint)
    iam.create_user(UserName="without-traces")
    key = iam.create_access_key(UserName="without-traces")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    xray = boto3.client("xray", REGION, endpoint_url=traced.endpoint, **keys)

    assert "xray:BatchGetTraces" in refusal(lambda: xray.batch_get_traces(TraceIds=[ROOT]))


def test_the_pages_of_summaries_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Traces(10)
    for _ in range(5):
        kept.add({"id": "0", "name": "x", "trace_id": header.new_trace_id(), "start_time": 1}, ACCOUNT, REGION)
    monkeypatch.setattr(api, "traces", kept)
    monkeypatch.setattr(api, "PAGE", 2)

    pages = [api.get_trace_summaries({"StartTime": 0, "EndTime": 2})]
    while token := pages[-1].get("NextToken"):
        pages.append(api.get_trace_summaries({"StartTime": 0, "EndTime": 2, "NextToken": token}))

    ids = [[each["Id"] for each in page["TraceSummaries"]] for page in pages]
    assert [len(page) for page in ids] == [2, 2, 1]
    assert [name for page in ids for name in page] == [each.id for each in kept.all(ACCOUNT, REGION)]
    gone = {"StartTime": 0, "EndTime": 2, "NextToken": header.new_trace_id()}
    assert api.get_trace_summaries(gone)["TraceSummaries"] == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1", Place(ROOT, "53995c3f42cd8ad8")),
        (f"Self=1-0-0; Root={ROOT}; Parent=short", Place(ROOT)),
        ("Root=1-5759e988", None),
        ("", None),
    ],
)
def test_a_header_names_a_place_in_a_trace(text: str, place: Place | None) -> None:
    assert header.parse(text) == place


def test_a_call_of_dax_belongs_to_no_trace_if_the_function_runs_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    session = {"Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/reads"}
    monkeypatch.setitem(sts._sessions, "ASIAREADER", session)

    with dax.running("reads", Place(ROOT)):
        assert dax.caller_place("ASIAREADER") == (Place(ROOT), ACCOUNT)
        with dax.running("reads", Place(ROOT)):
            assert dax.caller_place("ASIAREADER") is None
    assert dax.caller_place("ASIAREADER") is None
    assert dax.caller_place("unknown") is None


def test_the_newest_traces_are_kept() -> None:
    kept = Traces(2)
    for trace_id in ("a", "b", "a", "c"):
        kept.add({"trace_id": trace_id}, ACCOUNT, REGION)

    assert [each.id for each in kept.all(ACCOUNT, REGION)] == ["c", "b"]
    assert kept.all(ACCOUNT, "eu-west-1") == []
    assert kept.get("b", "111111111111", REGION) is None


def test_all_traces_together_have_a_limit() -> None:
    kept = Traces(10, documents=4)
    for trace_id in ("a", "b", "b", "c", "c"):
        kept.add({"trace_id": trace_id}, ACCOUNT, REGION)

    assert [each.id for each in kept.all(ACCOUNT, REGION)] == ["c", "b"]
    kept.clear()
    for trace_id in ("d", "d", "d", "e"):
        kept.add({"trace_id": trace_id}, ACCOUNT, REGION)
    assert [each.id for each in kept.all(ACCOUNT, REGION)] == ["e", "d"]


def test_a_long_trace_is_cut() -> None:
    kept = Traces(1)
    for _ in range(traces.LONGEST + 1):
        kept.add({"trace_id": "a"}, ACCOUNT, REGION)

    trace = kept.get("a", ACCOUNT, REGION)
    assert trace
    assert (len(trace.documents), trace.complete) == (traces.LONGEST, False)


def test_the_calls_behind_the_newest_records_are_known() -> None:
    writers = links.Writers(2)
    for number in ("1", "2", "3"):
        writers.add(number, Place(number))

    assert (writers.get("1"), writers.get("3")) == (None, Place("3"))


def test_the_records_of_firehose_belong_to_the_trace_of_their_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    writers = links.Writers(2)
    writers.add("7", Place(ROOT))
    monkeypatch.setitem(links.writers, "kinesis", writers)

    assert links.causes({"records": [{"kinesisRecordMetadata": {"sequenceNumber": "7"}}]}) == [Place(ROOT)]
    assert links.causes({"Records": [{"kinesis": {"sequenceNumber": "7"}}, {"kinesis": {}}]}) == [Place(ROOT)]


@pytest.mark.parametrize("event", [None, [], {}, {"Records": "x"}, {"Records": [1, {"attributes": 2}]}])
def test_an_event_without_records_has_no_cause(event: Any) -> None:
    assert links.causes(event) == []


def test_the_source_the_wait_and_the_attempt_of_a_message_are_told() -> None:
    queue = "arn:aws:sqs:us-east-1:000000000000:receipts"
    record = {"attributes": {"SentTimestamp": "1", "ApproximateReceiveCount": "2"}, "eventSourceARN": queue}

    told = links.delivery({"Records": [record]})

    assert (told["source"], told["records"], told["attempt"]) == (queue, 1, 2)
    assert told["waited_seconds"] > 0
    assert links.delivery({"path": "/"}) == {}


REQUESTS: dict[str, tuple[tuple[Any, ...], str, dict[str, Any]]] = {
    "batch": (
        ("POST", "/", {"x-amz-target": "DynamoDB_20120810.BatchGetItem"}, b'{"RequestItems": {"b": {}, "a": {}}}', {}),
        "DynamoDB",
        {"operation": "BatchGetItem", "retries": 0, "table_names": ["a", "b"]},
    ),
    "transaction": (
        (
            "POST",
            "/",
            {"x-amz-target": "DynamoDB_20120810.TransactWriteItems", "amz-sdk-request": "attempt=3; max=5"},
            b'{"TransactItems": [{"Put": {"TableName": "a", "Item": {"TableName": {"S": "x"}}}}]}',
            {},
        ),
        "DynamoDB",
        {"operation": "TransactWriteItems", "retries": 2, "table_names": ["a"]},
    ),
    "form": (
        (
            "POST",
            "/",
            {"content-type": "application/x-www-form-urlencoded", "authorization": "Credential=a/b/c/sns/x"},
            b"Action=Publish&TopicArn=arn%3Aaws%3Asns&Message=secret",
            {},
        ),
        "SNS",
        {"operation": "Publish", "retries": 0, "topic_arn": "arn:aws:sns"},
    ),
    "object": (
        ("PUT", "/bucket/a%20b", {"authorization": "Credential=a/b/c/s3/x"}, b"secret", {}),
        "S3",
        {"operation": "PutObject", "retries": 0, "bucket_name": "bucket", "key": "a b"},
    ),
    "no JSON": (
        ("POST", "/", {"x-amz-target": "AmazonSQS.SendMessage"}, b"{", {}),
        "SQS",
        {"operation": "SendMessage", "retries": 0},
    ),
}


@pytest.mark.parametrize(("request_", "service", "known"), REQUESTS.values(), ids=REQUESTS)
def test_a_call_is_known_by_its_operation_and_resource(
    request_: tuple[Any, ...], service: str, known: dict[str, Any]
) -> None:
    assert calls.request(*request_) == (service, known)


def test_a_throttled_call_and_a_fault_are_told_apart() -> None:
    throttled = calls.answer(400, {}, b'{"__type": "com.amazonaws#ProvisionedThroughputExceededException"}')
    fault = calls.answer(503, {}, b"<Error><Code>SlowDown</Code></Error>")

    assert (throttled["error"], throttled["throttle"], "fault" in throttled) == (True, True, False)
    assert (fault["fault"], fault["cause"]["exceptions"][0]["type"]) == (True, "SlowDown")


def test_a_call_without_a_known_parent_is_a_document_of_its_own() -> None:
    alone = {"id": "1", "trace_id": ROOT, "parent_id": "0", "type": "subsegment", "start_time": 1, "end_time": 3}
    inner = {"id": "2", "trace_id": ROOT, "parent_id": "1", "type": "subsegment", "start_time": 2, "end_time": 4}
    trace = Trace(ROOT, ACCOUNT, REGION, [alone, inner])

    assert documents.segments(trace) == [alone | {"subsegments": [{"id": "2", "start_time": 2, "end_time": 4}]}]
    assert documents.duration(trace) == 3


SUMMARY = {
    "Duration": 2.5,
    "ResponseTime": 0.5,
    "HasFault": False,
    "HasError": True,
    "HasThrottle": False,
    "IsPartial": False,
    "Http": {"HttpURL": "https://x/todos", "HttpStatus": 404, "HttpMethod": "GET"},
    "Annotations": {"route": [{"AnnotationValue": {"StringValue": "GET /todos"}}]},
    "Users": [{"UserName": "ann@example.com"}],
    "ServiceIds": [{"Name": "orders/v1"}],
}


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "error",
        "error = true",
        "fault != true",
        "!ok !partial",
        "responsetime < 1 AND duration >= 2.5",
        "http.status = 404",
        'http.url CONTAINS "todos" AND http.method != "POST"',
        'annotation.route BEGINSWITH "GET "',
        'user = "ann@example.com"',
        'service("orders/v1")',
    ],
)
def test_an_expression_accepts_a_trace(expression: str) -> None:
    assert filters.condition(expression)(SUMMARY)
    assert not filters.condition(f"{expression} duration > 10")(SUMMARY)


@pytest.mark.parametrize(
    "expression",
    [
        "fault",
        "!error",
        "fault = true",
        "error != true",
        "responsetime > 0.5",
        "http.status != 404",
        'http.url ENDSWITH "videos"',
        'annotation.unknown != "x"',
        'service("orders")',
        "error fault",
    ],
)
def test_an_expression_rejects_a_trace(expression: str) -> None:
    assert not filters.condition(expression)(SUMMARY)


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("error OR fault", "OR"),
        ("(error)", "("),
        ("error AND", "AND"),
        ("!", "!"),
        ("duration", "duration"),
        ("duration CONTAINS 1", "CONTAINS"),
        ("fault = 1", "fault"),
        ("service", "service"),
        ("error ; fault", ";"),
        ('id(name: "x")', "id"),
    ],
)
def test_what_an_expression_may_not_have_is_named(expression: str, named: str) -> None:
    with pytest.raises(filters.InvalidFilter) as refused:
        filters.condition(expression)

    assert named in str(refused.value)
