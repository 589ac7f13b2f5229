"""What SNS refuses, and the notifications that functions get."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws.testing import active, eventually

RECORDER = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


@dataclass
class Topics:
    """A topic and shortcuts to the calls of SNS."""

    endpoint: str
    sns: Any
    topic: str
    subscription: str

    @classmethod
    def create(cls, endpoint: str) -> Topics:
        sns, sqs = (boto3.client(name, endpoint_url=endpoint) for name in ("sns", "sqs"))
        topic = sns.create_topic(Name="refusals")["TopicArn"]
        sqs.create_queue(QueueName="refusals")
        queue = "arn:aws:sqs:us-east-1:000000000000:refusals"
        subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        return cls(endpoint, sns, topic, subscription["SubscriptionArn"])

    def publish(self, message: str = "x", **more: Any) -> Any:
        return self.sns.publish(**{"TopicArn": self.topic, "Message": message} | more)

    def with_attribute(self, name: str = "attr1", **value: Any) -> Any:
        return self.publish(MessageAttributes={name: value})

    def batch(self, *entries: dict[str, Any]) -> Any:
        return self.sns.publish_batch(TopicArn=self.topic, PublishBatchRequestEntries=list(entries))

    def subscribe(self, protocol: str = "sqs", endpoint: str = "", **attributes: str) -> Any:
        endpoint = endpoint or "arn:aws:sqs:us-east-1:000000000000:other"
        return self.sns.subscribe(TopicArn=self.topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)

    def permit(self, action: str, label: str) -> Any:
        return self.sns.add_permission(
            TopicArn=self.topic, Label=label, AWSAccountId=["000000000000"], ActionName=[action]
        )

    def tag(self, *keys: str) -> Any:
        tags = [{"Key": key, "Value": "x"} for key in keys]
        return self.sns.tag_resource(ResourceArn=self.topic, Tags=tags)

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        """Subscribe a new queue to the topic; return its URL and the ARN of the subscription."""
        sqs = boto3.client("sqs", endpoint_url=self.endpoint)
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [allowed]})})
        return url, self.subscribe(endpoint=arn, **attributes)["SubscriptionArn"]

    def received(self, url: str, seconds: float = 10) -> list[Any]:
        sqs = boto3.client("sqs", endpoint_url=self.endpoint)
        return eventually(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []), seconds)

    def set(self, name: str, value: str) -> Any:
        return self.sns.set_subscription_attributes(
            SubscriptionArn=self.subscription, AttributeName=name, AttributeValue=value
        )


def entry(entry_id: str, message: str = "x", **more: Any) -> dict[str, Any]:
    return {"Id": entry_id, "Message": message} | more


@pytest.fixture(scope="module")
def topics(emulator: str) -> Topics:
    return Topics.create(emulator)


@pytest.fixture(scope="module")
def bare(bare_emulator: str) -> Topics:
    return Topics.create(bare_emulator)


NO_TYPE = (
    "The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is "
    "Binary, Number, and String."
)
NO_DEFAULT = "Invalid parameter: Message Structure - No default entry in JSON message body"
TOO_COMPLEX = "Invalid parameter: Attributes Reason: FilterPolicy: Filter policy is too complex"
SIX_KEYS = json.dumps({f"key{number}": ["a"] for number in range(6)})
MANY = json.dumps({key: [str(number) for number in range(13)] for key in "ab"})
REFUSALS: list[tuple[Callable[[Topics], Any], str, str]] = [
    (lambda t: t.sns.create_topic(Name="with space"), "InvalidParameter", "Invalid parameter: Topic Name"),
    (lambda t: t.sns.create_topic(Name="a" * 257), "InvalidParameter", "Invalid parameter: Topic Name"),
    (lambda t: t.sns.create_topic(Name="a.fifo"), "InvalidParameter", "Invalid parameter: Topic Name"),
    (lambda t: t.sns.create_topic(Name="a", Attributes={"FifoTopic": "true"}), "InvalidParameter",
     "Invalid parameter: Topic Name"),
    (lambda t: t.sns.create_topic(Name="refusals", Attributes={"DisplayName": "other"}), "InvalidParameter",
     "Invalid parameter: Attributes Reason: Topic already exists with different attributes"),
    (lambda t: t.publish(""), "InvalidParameter", "Invalid parameter: Empty message"),
    (lambda t: t.publish("x" * 262_145), "InvalidParameter", "Invalid parameter: Message too long"),
    (lambda t: t.publish(TopicArn="none"), "InvalidParameter",
     "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"),
    (lambda t: t.publish(TopicArn=t.topic + "x"), "NotFound", "Topic does not exist"),
    (lambda t: t.publish(TopicArn=t.topic.replace("us-east-1", "eu-west-1")), "InvalidParameter",
     "Invalid parameter: TopicArn"),
    (lambda t: t.publish(Subject=""), "InvalidParameter", "Invalid parameter: Subject"),
    (lambda t: t.publish(Subject="x" * 101), "InvalidParameter", "Invalid parameter: Subject"),
    (lambda t: t.publish('{"sqs": "x"}', MessageStructure="json"), "InvalidParameter", NO_DEFAULT),
    (lambda t: t.publish("{", MessageStructure="json"), "InvalidParameter",
     "Invalid parameter: Message Structure - JSON message body failed to parse"),
    (lambda t: t.with_attribute(DataType="String"), "ParameterValueInvalid",
     "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type "
     "'String'."),
    (lambda t: t.with_attribute(DataType="Number", BinaryValue=b"1"), "ParameterValueInvalid",
     "The message attribute 'attr1' with type 'Number' must use field 'String'."),
    (lambda t: t.with_attribute(DataType="Text", StringValue="1"), "ParameterValueInvalid",
     "The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is "
     "Binary, Number, and String."),
    (lambda t: t.with_attribute("a^b", DataType="String", StringValue="1"), "ParameterValueInvalid",
     "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include "
     "alphanumeric characters, hyphens, underscores, or dots."),
    (lambda t: t.with_attribute(".a", DataType="String", StringValue="1"), "ParameterValueInvalid",
     "Invalid message attribute name starting with character '.' was found."),
    (lambda t: t.batch(*(entry(str(number)) for number in range(11))), "TooManyEntriesInBatchRequest",
     "The batch request contains more entries than permissible."),
    (lambda t: t.batch(entry("1"), entry("1")), "BatchEntryIdsNotDistinct",
     "Two or more batch entries in the request have the same Id."),
    (lambda t: t.batch(entry("message.id")), "InvalidBatchEntryId",
     "The Id of a batch entry in the batch request contains an impermissible character: message.id"),
    (lambda t: t.batch(entry("1", "x" * 131_073), entry("2", "x" * 131_072)), "BatchRequestTooLong",
     "The length of all the messages put together is more than the limit."),
    (lambda t: t.batch(entry("1", '{"a": "b"}', MessageStructure="json")), "InvalidParameter", NO_DEFAULT),
    (lambda t: t.subscribe("pigeon"), "InvalidParameter",
     "Invalid parameter: Amazon SNS does not support this protocol string: pigeon"),
    (lambda t: t.subscribe(endpoint="http://localhost/queue"), "InvalidParameter",
     "Invalid parameter: SQS endpoint ARN"),
    (lambda t: t.subscribe(endpoint="arn:aws:sqs:us-east-1:000000000000:q.fifo"), "InvalidParameter",
     "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS "
     "topics"),
    (lambda t: t.subscribe(RawMessageDelivery="maybe"), "InvalidParameter",
     "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [maybe]. Must be true or false."),
    (lambda t: t.subscribe(FilterPolicy=SIX_KEYS), "InvalidParameter",
     "Invalid parameter: Attributes Reason: FilterPolicy: Filter policy can not have more than 5 keys"),
    (lambda t: t.subscribe(FilterPolicy=MANY), "InvalidParameter", TOO_COMPLEX),
    (lambda t: t.set("Other", "x"), "InvalidParameter", "Invalid parameter: AttributeName"),
    (lambda t: t.set("FilterPolicyScope", "Subject"), "InvalidParameter",
     "Invalid parameter: FilterPolicyScope: Invalid value [Subject]. Please use either MessageBody or "
     "MessageAttributes"),
    (lambda t: t.set("RedrivePolicy", '{"deadLetterTargetArn": "fake-arn"}'), "InvalidParameter",
     "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn"),
    (lambda t: t.set("FilterPolicy", '{"a": {"b": ["c"]}}'), "InvalidParameter",
     "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"),
    (lambda t: t.set("FilterPolicy", '{"a": [{"like": "b"}]}'), "InvalidParameter",
     "Invalid parameter: FilterPolicy: Unrecognized match type like"),
    (lambda t: t.set("FilterPolicy", '{"a": [{"numeric": [">", 3, "<", 1]}]}'), "InvalidParameter",
     "Invalid parameter: FilterPolicy: Bottom must be less than top"),
    (lambda t: t.set("FilterPolicy", '{"a": [{"numeric": [">", "3"]}]}'), "InvalidParameter",
     "Invalid parameter: FilterPolicy: Value of > must be numeric"),
    (lambda t: t.set("FilterPolicy", '{"a": [{"anything-but": {"exists": true}}]}'), "InvalidParameter",
     "Invalid parameter: FilterPolicy: Unsupported anything-but pattern: exists"),
    (lambda t: t.set("FilterPolicy", '{"a": [{"cidr": "10.0.0.0"}]}'), "InvalidParameter",
     "Invalid parameter: FilterPolicy: Malformed CIDR, one '/' required"),
    (lambda t: t.sns.unsubscribe(SubscriptionArn="arn:aws:sns:us-east-1:000000000000:x"), "InvalidParameter",
     "Invalid parameter: SubscriptionId"),
    (lambda t: t.permit("Publish", "__default_statement_ID"), "InvalidParameter",
     "Invalid parameter: Statement already exists"),
    (lambda t: t.permit("Other", "new"), "InvalidParameter",
     "Invalid parameter: Policy statement action out of service scope!"),
    (lambda t: t.tag("a", "a"), "InvalidParameter", "Invalid parameter: Duplicated keys are not allowed."),
    (lambda t: t.sns.confirm_subscription(TopicArn=t.topic, Token="x"), "InvalidParameter",
     "Invalid parameter: Token"),
    (lambda t: t.with_attribute(DataType="Stringlike", StringValue="x"), "ParameterValueInvalid", NO_TYPE),
]  # fmt: skip


def refusal(topics: Topics, call: Callable[[Topics], Any]) -> tuple[str, str]:
    try:
        call(topics)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "", "taken"


@pytest.mark.parametrize(("call", "code", "message"), REFUSALS, ids=[case[2][:60] for case in REFUSALS])
def test_sns_refuses(topics: Topics, call: Callable[[Topics], Any], code: str, message: str) -> None:
    assert refusal(topics, call) == (code, message)


def test_the_bare_emulator_still_takes_what_sns_refuses(bare: Topics) -> None:
    taken = [message for call, code, message in REFUSALS if refusal(bare, call) != (code, message)]

    assert taken, "the emulator no longer needs localaws/sns/requests.py"


def test_valid_filter_policies_are_taken(topics: Topics) -> None:
    topics.set(
        "FilterPolicy", '{"store": ["a", {"anything-but": ["b"]}, {"exists": true}], "n": [{"numeric": [">", 1]}]}'
    )
    topics.set("FilterPolicyScope", "MessageBody")
    topics.set("FilterPolicy", '{"a": {"b": [{"prefix": "c"}]}}')
    topics.set("FilterPolicy", "")
    topics.set("FilterPolicyScope", "MessageAttributes")


def test_topics_and_subscriptions_are_described_as_on_aws(topics: Topics) -> None:
    _, subscription = topics.queue("described", FilterPolicy='{"a": ["b"]}', RawMessageDelivery="True")

    attributes = topics.sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert attributes["SubscriptionPrincipal"] == "arn:aws:iam::000000000000:root"
    assert (attributes["FilterPolicyScope"], attributes["RawMessageDelivery"]) == ("MessageAttributes", "true")
    policy = json.loads(topics.sns.get_topic_attributes(TopicArn=topics.topic)["Attributes"]["Policy"])
    assert policy["Statement"][0]["Action"][-1] == "SNS:Publish"


def test_the_bare_emulator_still_describes_no_principal(bare: Topics) -> None:
    attributes = bare.sns.get_subscription_attributes(SubscriptionArn=bare.subscription)["Attributes"]
    assert "SubscriptionPrincipal" not in attributes, "the emulator needs less of localaws/sns/descriptions.py"


def dead_letters(topics: Topics) -> list[Any]:
    """Publish to a queue that is deleted; return what its dead-letter queue gets."""
    dead, _ = topics.queue("dead-letters", FilterPolicy='{"never": ["x"]}')
    target = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead-letters"})
    deleted, _ = topics.queue("deleted", RedrivePolicy=target)
    boto3.client("sqs", endpoint_url=topics.endpoint).delete_queue(QueueUrl=deleted)
    topics.publish("lost")
    return topics.received(dead, 2)


def test_a_message_to_a_deleted_queue_goes_to_the_dead_letter_queue(topics: Topics) -> None:
    (message,) = dead_letters(topics)
    assert json.loads(message["Body"])["Message"] == "lost"


def test_the_bare_emulator_still_loses_a_message_to_a_deleted_queue(bare: Topics) -> None:
    assert dead_letters(bare) == [], "the emulator needs less of localaws/sns/delivery.py"


BODIES = {
    '{"a": [{"b": "c"}]}': True,
    '{"a": {"b": "c"}}': True,
    '{"a.b": "c"}': True,
    '{"a": [{"b": "d"}]}': False,
    '{"b": "c"}': False,
    "[1]": False,
}


def matched(topics: Topics, name: str, body: str) -> bool:
    url, _ = topics.queue(name, FilterPolicyScope="MessageBody", FilterPolicy='{"a": {"b": ["c"]}}')
    topics.publish(body)
    return bool(topics.received(url, 1))


@pytest.mark.parametrize(("number", "body"), enumerate(BODIES))
def test_a_filter_policy_of_the_body_looks_into_arrays(topics: Topics, number: int, body: str) -> None:
    assert matched(topics, f"body-{number}", body) is BODIES[body]


def test_the_bare_emulator_still_does_not_look_into_arrays(bare: Topics) -> None:
    assert not matched(bare, "body", next(iter(BODIES))), "the emulator needs less of localaws/sns/message_body.py"


# Notifications of functions


def records(endpoint: str, *, permitted: bool = True, **message: Any) -> list[Any]:
    """Publish a message to a topic with a function, and return the records that the function got."""
    client = {name: boto3.client(name, endpoint_url=endpoint) for name in ("iam", "lambda", "sns", "sqs")}
    name = f"recorder-{'' if permitted else 'not-'}permitted-{len(client['sns'].list_topics()['Topics'])}"
    queue = client["sqs"].create_queue(QueueName=name)["QueueUrl"]
    topic = client["sns"].create_topic(Name=name)["TopicArn"]
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    policies = [json.dumps({"Version": "2012-10-17", "Statement": [statement]}) for statement in (trust, allowed)]
    role = client["iam"].create_role(RoleName=name, AssumeRolePolicyDocument=policies[0])["Role"]["Arn"]
    client["iam"].put_role_policy(RoleName=name, PolicyName="queue", PolicyDocument=policies[1])
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", RECORDER)
    client["lambda"].create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"QUEUE": queue}},
        Timeout=20,
    )
    function = active(client["lambda"], name)
    if permitted:
        client["lambda"].add_permission(
            FunctionName=name,
            StatementId="topic",
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=topic,
        )
    client["sns"].subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    client["sns"].publish(TopicArn=topic, **message)

    def received() -> list[Any]:
        messages = client["sqs"].receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
        return [json.loads(message["Body"])["Records"][0] for message in messages]

    return eventually(received, 15 if permitted else 2)


def test_a_function_gets_a_notification_with_all_its_members(emulator: str) -> None:
    (record,) = records(emulator, Message="hello")

    assert sorted(record) == ["EventSource", "EventSubscriptionArn", "EventVersion", "Sns"]
    assert sorted(record["Sns"]) == [
        "Message", "MessageAttributes", "MessageId", "Signature", "SignatureVersion", "SigningCertUrl", "Subject",
        "Timestamp", "TopicArn", "Type", "UnsubscribeUrl",
    ]  # fmt: skip
    assert (record["Sns"]["MessageAttributes"], record["Sns"]["Subject"]) == ({}, None)
    assert record["Sns"]["UnsubscribeUrl"].endswith(record["EventSubscriptionArn"])


def test_a_function_gets_the_attributes_and_the_subject(emulator: str) -> None:
    attributes = {
        "kind": {"DataType": "String", "StringValue": "a"},
        "raw": {"DataType": "Binary", "BinaryValue": b"b"},
    }

    (record,) = records(emulator, Message="hello", Subject="greeting", MessageAttributes=attributes)

    assert record["Sns"]["Subject"] == "greeting"
    assert record["Sns"]["MessageAttributes"] == {
        "kind": {"Type": "String", "Value": "a"},
        "raw": {"Type": "Binary", "Value": "Yg=="},
    }


def test_a_function_without_permission_gets_nothing(emulator: str) -> None:
    assert records(emulator, permitted=False, Message="hello") == []


def test_the_bare_emulator_still_delivers_without_attributes(bare_emulator: str) -> None:
    (record,) = records(bare_emulator, Message="hello")

    assert "MessageAttributes" not in record["Sns"], "the emulator needs less of localaws/sns/lambda_notifications.py"
