"""What SES refuses of an email, and the events of an email that it sends."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from ministack.services import ses

from localaws import control_client
from localaws.ses import kept_mails
from localaws.testing import eventually, verify_identity

SENDER = "news@example.com"
SIMULATOR = "success@simulator.amazonses.com"
TEXT = {"Data": "x"}


@dataclass
class Mail:
    """Clients of both versions of SES."""

    endpoint: str
    v1: Any
    v2: Any

    @classmethod
    def create(cls, endpoint: str) -> Mail:
        return cls(endpoint, *(boto3.client(name, endpoint_url=endpoint) for name in ("ses", "sesv2")))

    def send_v1(self, name: str = "tag", value: str = "x", count: int = 1) -> Any:
        return self.v1.send_email(
            Source=SENDER,
            Destination={"ToAddresses": [SIMULATOR] * count},
            Message={"Subject": TEXT, "Body": {"Text": TEXT}},
            Tags=[{"Name": name, "Value": value}],
        )

    def send_v2(self, name: str = "tag", value: str = "x", count: int = 1, **more: Any) -> Any:
        return self.v2.send_email(
            FromEmailAddress=SENDER,
            Destination={"ToAddresses": [SIMULATOR] * count},
            Content={"Simple": {"Subject": TEXT, "Body": {"Text": TEXT}}},
            EmailTags=[{"Name": name, "Value": value}],
            **more,
        )


@pytest.fixture(scope="module")
def mail(emulator: str) -> Mail:
    """Clients of an account outside the sandbox of SES, whose sender is verified."""
    mail = Mail.create(emulator)
    verify_identity(emulator, SENDER)
    mail.v2.put_account_details(
        MailType="TRANSACTIONAL", WebsiteURL="https://example.com", ProductionAccessEnabled=True
    )
    return mail


@pytest.fixture(scope="module")
def bare(bare_emulator: str) -> Mail:
    mail = Mail.create(bare_emulator)
    mail.v1.verify_email_identity(EmailAddress=SENDER)
    return mail


TAGS = [
    ("with:colon", "x", "Invalid tag name <with:colon>: only alphanumeric ASCII characters, '_',  '-' are allowed."),
    ("tag", "with:colon",
     "Invalid tag value <with:colon>: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed."),
    ("a" * 256, "x", "Tag name cannot exceed 255 characters."),
    ("tag", "a" * 256, "Tag value cannot exceed 255 characters."),
    ("", "x", "The tag name must be specified."),
    ("tag", "", "The tag value must be specified."),
]  # fmt: skip


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "", "taken"


@pytest.mark.parametrize(("name", "value", "message"), TAGS, ids=[case[2][:40] for case in TAGS])
def test_an_invalid_tag_is_refused(mail: Mail, name: str, value: str, message: str) -> None:
    assert refusal(lambda: mail.send_v1(name, value)) == ("InvalidParameterValue", message)
    assert refusal(lambda: mail.send_v2(name, value)) == ("BadRequestException", message)


def test_an_email_has_at_most_fifty_recipients(mail: Mail) -> None:
    assert refusal(lambda: mail.send_v1(count=51))[0] == "InvalidParameterValue"
    assert refusal(lambda: mail.send_v2(count=51))[0] == "BadRequestException"
    assert refusal(lambda: mail.send_v2(count=50)) == ("", "taken")


def test_the_bare_emulator_still_takes_an_invalid_tag(bare: Mail) -> None:
    assert refusal(lambda: bare.send_v1("with:colon")) == ("", "taken"), "localaws/ses/message_tags.py is not needed"


def test_an_event_has_the_headers_and_tags_of_its_email(mail: Mail) -> None:
    sns, sqs = (boto3.client(name, endpoint_url=mail.endpoint) for name in ("sns", "sqs"))
    topic = sns.create_topic(Name="mail-events")["TopicArn"]
    queue = sqs.create_queue(QueueName="mail-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    mail.v2.create_configuration_set(ConfigurationSetName="events")
    mail.v2.create_configuration_set_event_destination(
        ConfigurationSetName="events",
        EventDestinationName="topic",
        EventDestination={"Enabled": True, "MatchingEventTypes": ["SEND"], "SnsDestination": {"TopicArn": topic}},
    )

    mail.send_v2("campaign", "spring", ConfigurationSetName="events")

    (message,) = eventually(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []))
    event = json.loads(message["Body"])
    assert event["eventType"] == "Send"
    assert event["mail"]["commonHeaders"] == {
        "from": [SENDER],
        "to": [SIMULATOR],
        "messageId": event["mail"]["messageId"],
        "subject": "x",
    }
    assert [header["name"] for header in event["mail"]["headers"]] == ["From", "To", "Subject", "MIME-Version"]
    assert event["mail"]["tags"] == {
        "ses:operation": ["SendEmail"],
        "ses:configuration-set": ["events"],
        "ses:source-ip": ["127.0.0.1"],
        "ses:from-domain": ["example.com"],
        "campaign": ["spring"],
    }


def limited_sender(endpoint: str, version: str, domain: str) -> Callable[[str], Any]:
    """A call that sends from an address, of a user who may send from one address of the domain."""
    condition = {"StringEquals": {"ses:FromAddress": f"news@{domain}"}}
    statement = {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*", "Condition": condition}
    iam, user = boto3.client("iam", endpoint_url=endpoint), f"sender-{version}"
    iam.create_user(UserName=user)
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName=user, PolicyName="send", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    ses: Any = boto3.client("ses" if version == "v1" else "sesv2", endpoint_url=endpoint, **keys)

    def send(address: str) -> Any:
        message, to = {"Subject": TEXT, "Body": {"Text": TEXT}}, {"ToAddresses": [SIMULATOR]}
        if version == "v1":
            return ses.send_email(Source=address, Destination=to, Message=message)
        return ses.send_email(FromEmailAddress=address, Destination=to, Content={"Simple": message})

    return send


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_policy_limits_the_address_from_which_mails_are_sent(
    mail: Mail, emulator: str, bare_emulator: str, version: str
) -> None:
    domain = f"{version}.example.com"
    verify_identity(emulator, domain)
    send = limited_sender(emulator, version, domain)

    assert send(f"News <news@{domain}>")["MessageId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        send(f"other@{domain}")
    with pytest.raises(ClientError, match="AccessDenied"):
        limited_sender(bare_emulator, version, domain)(f"news@{domain}")


def test_a_mail_that_is_kept_names_the_trace_in_which_it_was_sent(mail: Mail) -> None:
    trace = f"1-5759e988-{uuid.uuid4().hex[:24]}"
    sender = boto3.client("sesv2", endpoint_url=mail.endpoint)
    add = f"Root={trace};Parent=53995c3f42cd8ad8;Sampled=1"
    sender.meta.events.register(
        "before-sign.*.*", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", add)
    )

    plain = mail.send_v2()["MessageId"]
    mail.v2, own = sender, mail.v2
    traced = mail.send_v2()["MessageId"]
    mail.v2 = own

    traces = json.loads(control_client.call(f"{mail.endpoint}/_localaws/ses/traces"))["traces"]
    assert (traces.get(plain), traces.get(traced)) == (None, trace)


@pytest.fixture
def restarted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """Return a function that sends a mail, restarts SES with the state that it saves, and returns its mails."""
    for name in ("get_state", "load_persisted_state"):
        monkeypatch.setattr(ses, name, getattr(ses, name))

    def restarted() -> list[Any]:
        monkeypatch.setattr(ses, "_sent_emails", ses.AccountRegionScopedDict())
        ses._sent_emails_list().append({"MessageId": "1"})
        saved = ses.get_state()
        monkeypatch.setattr(ses, "_sent_emails", ses.AccountRegionScopedDict())
        ses.load_persisted_state(saved)
        return list(ses._sent_emails_list())

    return restarted


def test_the_emulator_forgets_mails_in_a_restart(restarted: Callable[[], list[Any]]) -> None:
    assert restarted() == [], "ministack no longer needs localaws/ses/kept_mails.py; delete it"


def test_mails_are_there_after_a_restart(restarted: Callable[[], list[Any]]) -> None:
    kept_mails.apply()

    assert restarted() == [{"MessageId": "1"}]
