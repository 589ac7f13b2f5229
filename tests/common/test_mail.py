"""The requests to SES for all kinds of mails, and both formats of SES's feedback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from common import ses
from common.mail import Feedback, Mail, MailTemplate, NotSent
from common.ses import Mailer, Malformed
from localaws import control_client
from localaws.testing import verify_identity

MAIL = Mail("Grüße", "text", "<p>html</p>")
SHAPE = boto3.client("sesv2").meta.service_model.operation_model("SendEmail").input_shape


class Ses:
    """An SES that accepts what the API's model allows, and then raises *error* if given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self._error = error

    def send_email(self, **request: Any) -> dict[str, str]:
        assert not ParamValidator().validate(request, SHAPE).has_errors()
        self.requests.append(request)
        if self._error:
            raise self._error
        return {"MessageId": "0100"}


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "SendEmail")


def test_a_mail_has_both_bodies_tags_and_one_click_unsubscription() -> None:
    ses = Ses()

    sent = Mailer(ses, "Blog <blog@example.com>", "blog").send(
        "ann@example.com", MAIL, {"subscriber": "id_-1"}, "https://blog.example/u/1"
    )

    assert sent == "0100"
    assert ses.requests == [
        {
            "FromEmailAddress": "Blog <blog@example.com>",
            "ConfigurationSetName": "blog",
            "Destination": {"ToAddresses": ["ann@example.com"]},
            "EmailTags": [{"Name": "subscriber", "Value": "id_-1"}],
            "Content": {
                "Simple": {
                    "Subject": {"Data": "Grüße", "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": "text", "Charset": "UTF-8"},
                        "Html": {"Data": "<p>html</p>", "Charset": "UTF-8"},
                    },
                    "Headers": [
                        {"Name": "List-Unsubscribe", "Value": "<https://blog.example/u/1>"},
                        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
                    ],
                }
            },
        }
    ]


def test_the_list_header_and_the_configuration_set_are_optional() -> None:
    ses = Ses()

    Mailer(ses, "blog@example.com").send("ann@example.com", MAIL, {})

    assert "Headers" not in ses.requests[0]["Content"]["Simple"]
    assert "ConfigurationSetName" not in ses.requests[0]


HOSTILE = st.text() | st.sampled_from(
    [
        "ann@example.com\r\nBcc: eve@example.com",
        "ann@example.com, eve@example.com",
        "ann@example.com;eve@example.com",
        '"ann@example.com" <eve@example.com>',
        "ann@example.com\n",
        "https://x.example/>, <mailto:eve@example.com",
        "https://x.example/\r\nBcc: eve@example.com",
        "https://x.example/>,<mailto:eve@example.com",
        "https://x.example/1",
    ]
)


@given(to=HOSTILE, subject=HOSTILE, url=HOSTILE, tag=HOSTILE)
def test_no_value_can_add_a_header_or_a_recipient(to: str, subject: str, url: str, tag: str) -> None:
    ses = Ses()

    try:
        Mailer(ses, "blog@example.com").send(to, Mail(subject, "", ""), {"tag": tag}, url)
    except ValueError:
        assert not ses.requests
        return

    simple = ses.requests[0]["Content"]["Simple"]
    names = [subject, to, *(header["Value"] for header in simple["Headers"])]
    assert not any(set(name) & {"\r", "\n", "\x00", "\x85", "\u2028"} for name in names)
    assert to.count("@") == 1
    assert not set(to) & set(' ,;:<>()"\\')
    assert simple["Headers"][0]["Value"].count("<") == simple["Headers"][0]["Value"].count(">") == 1


@pytest.mark.parametrize("field", ["to", "subject", "url", "tag"])
def test_each_field_is_validated_by_itself(field: str) -> None:
    for value in ("https://x/\r\nBcc: eve@example.com", "x@y\n", "\x00"):
        fields = {"to": "ann@example.com", "subject": "s", "url": "https://x.example/1", "tag": "t"} | {field: value}
        with pytest.raises(ValueError, match=r"."):
            Mailer(Ses(), "blog@example.com").send(
                fields["to"], Mail(fields["subject"], "", ""), {"tag": fields["tag"]}, fields["url"]
            )


def test_a_list_of_addresses_or_urls_is_rejected() -> None:
    mailer = Mailer(Ses(), "blog@example.com")
    for to in ("ann@example.com,eve@example.com", "Ann <ann@example.com>", "ann"):
        with pytest.raises(Malformed, match="address"):
            mailer.send(to, MAIL, {})
    for url in ("https://x.example/>,<mailto:eve@example.com", "mailto:eve@example.com", "https://x.example/ü"):
        with pytest.raises(Malformed, match="list_unsubscribe"):
            mailer.send("ann@example.com", MAIL, {}, url)


def test_a_malformed_mail_is_certainly_not_sent() -> None:
    ses = Ses()

    with pytest.raises(NotSent):
        Mailer(ses, "blog@example.com").send("ännchen@example.com", MAIL, {})
    assert ses.requests == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("MessageRejected", 400),
        ("MailFromDomainNotVerifiedException", 400),
        ("SendingPausedException", 400),
        ("LimitExceededException", 400),
        ("TooManyRequestsException", 429),
        ("NotFoundException", 404),
        ("AnyOther", 499),
    ],
)
def test_a_mail_that_ses_rejects_is_certainly_not_sent(code: str, status: int) -> None:
    with pytest.raises(NotSent, match=f"{code}: why"):
        Mailer(Ses(refusal(code, status)), "blog@example.com").send("ann@example.com", MAIL, {})


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="https://ses"), ConnectTimeoutError(endpoint_url="https://ses")]
)
def test_without_a_connection_to_ses_a_mail_is_certainly_not_sent(error: Exception) -> None:
    with pytest.raises(NotSent):
        Mailer(Ses(error), "blog@example.com").send("ann@example.com", MAIL, {})


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://ses"),
        refusal("InternalServiceErrorException", 500),
        ClientError({"Error": {"Code": "Unknown"}}, "SendEmail"),
    ],
)
def test_after_a_lost_response_the_error_is_not_not_sent(error: Exception) -> None:
    with pytest.raises(type(error)):
        Mailer(Ses(error), "blog@example.com").send("ann@example.com", MAIL, {})


def test_the_client_never_retries() -> None:
    assert ses.client().meta.config.retries["total_max_attempts"] == 1


@pytest.fixture
def template(tmp_path: Path) -> MailTemplate:
    (tmp_path / "hello.txt").write_text("Subject: Hello $name\n\nDear $name,\n$$5.\n")
    (tmp_path / "hello.html").write_text("<p title='$name'>Dear $name</p>")
    return MailTemplate(tmp_path, "hello")


def test_a_template_fills_both_bodies(template: MailTemplate) -> None:
    assert template.fill(name="Ann") == Mail("Hello Ann", "Dear Ann,\n$5.\n", "<p title='Ann'>Dear Ann</p>")


def test_a_line_break_in_a_value_becomes_a_space_in_the_subject(template: MailTemplate) -> None:
    assert template.fill(name="Ann\r\nBcc: eve@example.com").subject == "Hello Ann Bcc: eve@example.com"


def test_a_missing_value_of_a_template_is_an_error(template: MailTemplate) -> None:
    with pytest.raises(KeyError, match="name"):
        template.fill()


@given(name=st.text() | st.sampled_from(["'><script>alert(1)</script>", "&lt;", "a\r\nBcc: eve@example.com", "$name"]))
def test_a_value_is_text_in_html_and_one_line_in_the_subject(name: str, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "a.txt").write_text("Subject: Hello $name\n\n$name")
    (folder / "a.html").write_text("$name")

    try:
        mail = MailTemplate(folder, "a").fill(name=name)
    except ValueError:
        assert any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in name)
        return

    assert mail.text == name
    assert not set(mail.html) & {"<", ">", '"', "'"}
    assert len(mail.subject.splitlines()) == 1


# The records that AWS documents, shortened:
# https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html
# https://docs.aws.amazon.com/ses/latest/dg/notification-examples.html
ABOUT: dict[str, Any] = {
    "timestamp": "2017-08-05T00:40:02.012Z",
    "source": "Sender Name <sender@example.com>",
    "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/sender@example.com",
    "sendingAccountId": "123456789012",
    "messageId": "EXAMPLE7c191be45-000000",
    "destination": ["ann@example.com", "bob@example.com"],
}
TAGGED = ABOUT | {
    "headersTruncated": False,
    "headers": [{"name": "From", "value": "Sender Name <sender@example.com>"}],
    "commonHeaders": {"from": ["Sender Name <sender@example.com>"], "subject": "Message sent from Amazon SES"},
    "tags": {
        "ses:configuration-set": ["ConfigSet"],
        "ses:source-ip": ["192.0.2.0"],
        "subscriber": ["myCustomTagValue1", "myCustomTagValue2"],
    },
}
BOUNCE = {
    "bounceType": "Permanent",
    "bounceSubType": "General",
    "bouncedRecipients": [
        {
            "emailAddress": "Bob <bob@example.com>",
            "action": "failed",
            "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        }
    ],
    "timestamp": "2017-08-05T00:41:02.669Z",
    "feedbackId": "01000157c44f053b-000000",
    "reportingMTA": "dsn; mta.example.com",
}
COMPLAINT = {
    "complainedRecipients": [{"emailAddress": "ann@example.com"}],
    "timestamp": "2017-08-05T00:41:02.669Z",
    "feedbackId": "01000157c44f053b-000000",
    "userAgent": "Amazon SES Mailbox Simulator",
    "complaintFeedbackType": "abuse",
    "arrivalDate": "2017-08-05T00:41:02.669Z",
}
DELIVERY = {
    "timestamp": "2016-10-19T23:21:04.133Z",
    "processingTimeMillis": 11893,
    "recipients": ["ann@example.com"],
    "smtpResponse": "250 2.6.0 Message received",
    "reportingMTA": "mta.example.com",
}
BOTH = ("ann@example.com", "bob@example.com")


@pytest.mark.parametrize("form", ["eventType", "notificationType"])
@pytest.mark.parametrize(
    ("kind", "detail", "recipients", "final"),
    [
        ("Bounce", {"bounce": BOUNCE}, ("bob@example.com",), True),
        ("Bounce", {"bounce": BOUNCE | {"bounceType": "Transient"}}, ("bob@example.com",), False),
        ("Bounce", {"bounce": BOUNCE | {"bounceType": "Undetermined"}}, ("bob@example.com",), False),
        ("Complaint", {"complaint": COMPLAINT}, ("ann@example.com",), True),
        ("Delivery", {"delivery": DELIVERY}, BOTH, False),
        ("Send", {"send": {}}, BOTH, False),
        ("Reject", {"reject": {"reason": "Bad content"}}, BOTH, False),
        ("DeliveryDelay", {"deliveryDelay": {"delayType": "TransientCommunicationFailure"}}, BOTH, False),
    ],
)
def test_both_formats_of_feedback_are_read(
    form: str, kind: str, detail: dict[str, Any], recipients: tuple[str, ...], final: bool
) -> None:
    mail, tags = (TAGGED, {"subscriber": "myCustomTagValue1"}) if form == "eventType" else (ABOUT, {})

    said = ses.feedback(json.dumps({form: kind, "mail": mail, **detail}))

    own = {name: value for name, value in said.tags.items() if not name.startswith("ses:")}
    assert (said.kind, said.message_id, own) == (kind, "EXAMPLE7c191be45-000000", tags)
    assert (said.recipients, said.final) == (recipients, final)


def test_the_test_message_of_a_topic_is_ignored() -> None:
    said = ses.feedback("Successfully validated SNS topic for Amazon SES event publishing.")
    also = ses.feedback(json.dumps({"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have…"}))

    assert said == Feedback("TopicValidated")
    assert also == Feedback("AmazonSnsSubscriptionSucceeded")


@given(message=st.text() | st.sampled_from(["{}", "[]", "null", '{"mail": 1}', '{"eventType": "Send", "mail": []}']))
def test_any_other_message_is_rejected(message: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ses.feedback(message)


def test_a_sent_mail_is_in_the_mailbox_with_both_bodies(emulator: str) -> None:
    ses = boto3.client("sesv2", endpoint_url=emulator)
    mailer = Mailer(ses, "Blog <blog@sender.example>")
    with pytest.raises(NotSent, match="not verified"):
        mailer.send("ann@example.com", MAIL, {})
    verify_identity(emulator, "blog@sender.example")
    with pytest.raises(NotSent, match="not verified"):
        mailer.send("ann@example.com", MAIL, {})  # the account is still in SES's sandbox
    verify_identity(emulator, "ann@example.com")

    message_id = mailer.send("ann@example.com", MAIL, {"subscriber": "1"}, "https://blog.example/u/1")

    answer = json.loads(control_client.call(f"{emulator}/_ministack/ses/messages"))
    kept = [mail for mails in answer["messages"].values() for mail in mails]
    mail = next(mail for mail in kept if mail["MessageId"] == message_id)
    assert (mail["Subject"], mail["BodyText"], mail["BodyHtml"]) == ("Grüße", "text", "<p>html</p>")
    assert mail["To"] == ["ann@example.com"]


def test_without_a_sender_no_mail_is_sent() -> None:
    ses = Ses()

    assert Mailer(ses, "").send("ann@example.com", MAIL, {}) == ""
    assert not ses.requests
    with pytest.raises(Malformed):
        Mailer(ses, "").send("no address", MAIL, {})
