"""The page of event sources: where a record is that a function cannot process, and why."""

from __future__ import annotations

import io
import json
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from phone import PHONE, fits
from playwright.sync_api import Locator, Page, expect

from localaws.testing import active, until

FUNCTION = """
import base64

def text(record):
    if "s3" in record:
        return record["s3"]["object"]["key"]
    if "kinesis" in record:
        return base64.b64decode(record["kinesis"]["data"]).decode()
    return record["dynamodb"]["NewImage"]["id"]["S"] if "dynamodb" in record else record["body"]

def handler(event, context):
    for record in event["Records"]:
        if text(record) == "poison":
            raise ValueError("no temperature in poison")
"""


class Planted:
    """A function that fails for a poison record, and a stream, a table, a queue and a bucket that have one."""

    def __init__(self) -> None:
        self.name = f"poisoned-{uuid.uuid4().hex[:6]}"
        self.lambda_, self.sqs, self.kinesis = boto3.client("lambda"), boto3.client("sqs"), boto3.client("kinesis")
        self.iam, self.dynamodb, self.s3 = boto3.client("iam"), boto3.client("dynamodb"), boto3.client("s3")
        self.function = self._function()
        self.failed, self.dead = self._queue("failed"), self._queue("dead")
        self.mappings = [*self._streams(), self._messages()]
        self._objects()

    def _function(self) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        allowed = {"Effect": "Allow", "Action": ["dynamodb:*", "kinesis:*", "sqs:*"], "Resource": "*"}
        role = self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        self.iam.put_role_policy(
            RoleName=self.name, PolicyName="read", PolicyDocument=json.dumps({"Statement": [allowed]})
        )
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", FUNCTION)
        self.lambda_.create_function(
            FunctionName=self.name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": code.getvalue()},
        )
        return active(self.lambda_, self.name)

    def _queue(self, name: str, **attributes: str) -> str:
        url = self.sqs.create_queue(QueueName=f"{self.name}-{name}", Attributes=attributes)["QueueUrl"]
        return str(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def _map(self, source: str, **settings: Any) -> str:
        created = self.lambda_.create_event_source_mapping(FunctionName=self.name, EventSourceArn=source, **settings)
        return str(created["UUID"])

    def _streams(self) -> Iterator[str]:
        self.kinesis.create_stream(StreamName=self.name, ShardCount=1)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=self.name, WaiterConfig={"Delay": 1})
        for text in ("good", "poison", "fine", "well"):
            self.kinesis.put_record(StreamName=self.name, Data=text.encode(), PartitionKey="a")
        stream = self.kinesis.describe_stream_summary(StreamName=self.name)["StreamDescriptionSummary"]["StreamARN"]
        table = self.dynamodb.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )["TableDescription"]["LatestStreamArn"]
        self.dynamodb.put_item(TableName=self.name, Item={"id": {"S": "poison"}})
        for source in (stream, table):
            yield self._map(
                source,
                StartingPosition="TRIM_HORIZON",
                MaximumRetryAttempts=1,
                BisectBatchOnFunctionError=True,
                DestinationConfig={"OnFailure": {"Destination": self.failed}},
            )

    def _messages(self) -> str:
        redrive = json.dumps({"deadLetterTargetArn": self.dead, "maxReceiveCount": 2})
        source = self._queue("source", VisibilityTimeout="3", RedrivePolicy=redrive)
        self.sqs.send_message(QueueUrl=self.url("source"), MessageBody="poison")
        return self._map(source)

    def _objects(self) -> None:
        self.lambda_.put_function_event_invoke_config(
            FunctionName=self.name,
            MaximumRetryAttempts=1,
            DestinationConfig={"OnFailure": {"Destination": self.failed}},
        )
        allowed = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
        self.lambda_.add_permission(FunctionName=self.name, StatementId="bucket", **allowed)
        self.s3.create_bucket(Bucket=self.name)
        notified = {"LambdaFunctionArn": self.function, "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"LambdaFunctionConfigurations": [notified]}
        )
        self.s3.put_object(Bucket=self.name, Key="poison", Body=b"no photo")

    def url(self, queue: str) -> str:
        return str(self.sqs.get_queue_url(QueueName=f"{self.name}-{queue}")["QueueUrl"])

    def waiting(self, queue: str) -> int:
        names = ["ApproximateNumberOfMessages"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=names)["Attributes"]
        return int(found[names[0]])

    def mend(self) -> None:
        """Let the function accept everything."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "def handler(event, context): pass")
        self.lambda_.update_function_code(FunctionName=self.name, ZipFile=code.getvalue())
        self.lambda_.get_waiter("function_updated_v2").wait(FunctionName=self.name, WaiterConfig={"Delay": 1})

    def delete(self) -> None:
        for mapping in self.mappings:
            self.lambda_.delete_event_source_mapping(UUID=mapping)
        for queue in ("failed", "dead", "source"):
            self.sqs.delete_queue(QueueUrl=self.url(queue))
        self.s3.delete_object(Bucket=self.name, Key="poison")
        self.s3.delete_bucket(Bucket=self.name)
        self.lambda_.delete_function(FunctionName=self.name)
        self.kinesis.delete_stream(StreamName=self.name)
        self.dynamodb.delete_table(TableName=self.name)
        self.iam.delete_role_policy(RoleName=self.name, PolicyName="read")
        self.iam.delete_role(RoleName=self.name)


@pytest.fixture(scope="module")
def planted(sandbox: dict[str, Any]) -> Iterator[Planted]:
    planted = Planted()
    until(lambda: planted.waiting("failed") == 3 and planted.waiting("dead") == 1)
    yield planted
    planted.delete()


def messages(page: Page, queue: str) -> Locator:
    card = page.get_by_role("list", name="Queues with failures").locator("> li")
    return card.filter(has=page.get_by_role("heading", name=queue)).locator(".item")


def test_a_poison_record_of_each_source_is_found_in_two_clicks(
    open_page: Callable[..., Page], planted: Planted
) -> None:
    page = open_page("console")

    page.get_by_role("link", name="Event sources").click()
    failed, dead = messages(page, f"{planted.name}-failed"), messages(page, f"{planted.name}-dead")

    expect(failed).to_have_count(3)
    expect(dead).to_have_count(1)
    records, photo = failed.filter(has_text="1 record of"), failed.filter(has_text="The event of the object poison in")
    expect(records).to_have_count(2)
    for message, told in (
        (records.first, "1 record of"),
        (records.last, "1 record of"),
        (photo, "The event of the object poison in"),
        (dead, "A message of"),
    ):
        summary = message.locator("> summary")
        expect(summary).to_contain_text(planted.name)
        expect(summary).to_contain_text("attempts")
        expect(summary).to_contain_text("ValueError: no temperature in poison")
        summary.click()
        expect(message.get_by_text(told)).to_contain_text(f"Now in {planted.name}-")
        expect(message.get_by_label("What failed")).to_contain_text("poison")
        expect(message.get_by_label("Traceback")).to_contain_text('raise ValueError("no temperature in poison")')

    dead.get_by_role("link", name="The trace of its invocation").click()
    expect(page).to_have_url(re.compile(r"traces\.html#trace=1-"))
    expect(page.get_by_role("list", name="What happened, in order of time")).to_contain_text(planted.name)


def test_a_batch_shows_its_attempts_and_into_what_it_was_bisected(
    open_page: Callable[..., Page], planted: Planted
) -> None:
    page = open_page("console")
    page.goto("/event_sources.html")
    sources = page.get_by_role("list", name="Event sources", exact=True).locator("> li").filter(has_text=planted.name)

    batch = sources.locator(".item").filter(has_text="4 records")
    batch.locator("> summary").click()
    steps = batch.locator(".step")

    expect(batch.locator("> summary")).to_contain_text("Failed")
    expect(steps.first).to_contain_text("attempt 1 of 2, 4 records")
    expect(steps.first).to_contain_text("Bisected into 2 and 2 records.")
    expect(steps.filter(has_text="attempt 2 of 2")).to_contain_text(
        f"{planted.name}-failed has a message that says which"
    )
    expect(steps.last).to_contain_text("Succeeded.")

    queued = sources.filter(has_text=f"{planted.name}-source").locator(".item").filter(has_text="attempt 2 of 2")
    queued.locator("> summary").click()
    expect(queued.locator(".step")).to_contain_text(f"1 message now in {planted.name}-dead")


def test_the_page_of_event_sources_fits_a_phone_without_shifts(
    new_page: Callable[..., Page], sandbox: dict[str, Any], planted: Planted
) -> None:
    page = new_page(base_url=sandbox["console"], **PHONE)
    page.goto("/event_sources.html")
    expect(messages(page, f"{planted.name}-dead")).to_have_count(1)

    fits(page, "event sources")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_a_failure_that_fails_again_says_why_and_one_that_succeeds_is_gone(
    open_page: Callable[..., Page], planted: Planted
) -> None:
    page = open_page("console")
    page.goto("/event_sources.html")
    failed, dead = messages(page, f"{planted.name}-failed"), messages(page, f"{planted.name}-dead")
    failed.first.locator("> summary").click()

    failed.first.get_by_role("button", name="Send again").click()

    expect(failed.first.get_by_role("alert")).to_have_text(re.compile("no temperature in poison"))
    expect(failed).to_have_count(3)

    planted.mend()
    failed.first.get_by_role("button", name="Send again").click()
    expect(failed).to_have_count(2)
    page.get_by_role("button", name=f"Send all again: the messages of {planted.name}-dead").click()
    expect(dead).to_have_count(0)
    assert until(lambda: planted.waiting("source") == 0)
