"""Gap: SES v2 publishes no events to event destinations, and SendEmail accepts a configuration set that does not exist.

This module publishes to SNS a Send event for each email sent through SES v2, and for each recipient the events of the
mailbox simulator.
AWS: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
No longer needed when the SNS topic of a configuration set receives an event with the tags of a sent email.
"""

import json
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_request_client_ip
from ministack.services import ses, ses_v2

from localaws.times import iso

type Json = dict[str, Any]
# The event type, and its members other than `mail`.
type Event = tuple[str, Json]

handle_request = ses_v2.handle_request


async def handle_and_publish(method: str, path: str, headers: Json, body: bytes, query: Json) -> Any:
    if method != "POST" or not path.rstrip("/").endswith("/outbound-emails"):
        return await handle_request(method, path, headers, body, query)
    request = json.loads(body or b"{}")
    name = request.get("ConfigurationSetName")
    if name and name not in ses_v2._config_sets:
        return ses_v2._missing_config_set(name)
    response = await handle_request(method, path, headers, body, query)
    if name and response[0] == 200:
        publish(name, mail_object(request, json.loads(response[2])["MessageId"]))
    return response


def mail_object(request: Json, message_id: str) -> Json:
    destination = request.get("Destination", {})
    kinds = ("ToAddresses", "CcAddresses", "BccAddresses")
    tags = {tag["Name"]: [tag["Value"]] for tag in request.get("EmailTags", [])}
    simple = request.get("Content", {}).get("Simple", {})
    source = request.get("FromEmailAddress", "")
    recipients = destination.get("ToAddresses", [])
    common = {"from": [source], "to": recipients, "messageId": message_id}
    if subject := simple.get("Subject", {}).get("Data"):
        common["subject"] = subject
    own = {"From": source, "To": ", ".join(recipients), "Subject": subject, "MIME-Version": "1.0"}
    headers = [{"name": name, "value": value} for name, value in own.items() if value]
    return {
        "timestamp": now(),
        "source": source,
        "sendingAccountId": ses.get_account_id(),
        "messageId": message_id,
        "destination": [address for kind in kinds for address in destination.get(kind, [])],
        "headersTruncated": False,
        "headers": [*headers, *({"name": one["Name"], "value": one["Value"]} for one in simple.get("Headers", []))],
        "commonHeaders": common,
        "tags": {
            "ses:operation": ["SendEmail"],
            "ses:configuration-set": [request["ConfigurationSetName"]],
            "ses:source-ip": [get_request_client_ip()],
            "ses:from-domain": [ses.parseaddr(source)[1].rpartition("@")[2]],
            **tags,
        },
    }


def publish(configuration_set: str, mail: Json) -> None:
    destinations = ses_v2._config_sets[configuration_set].get("EventDestinations") or {}
    for kind, detail in events(mail["destination"]):
        for destination in destinations.values():
            topic = destination.get("SnsDestination", {}).get("TopicArn")
            if topic and destination["Enabled"] and kind.upper() in destination["MatchingEventTypes"]:
                ses._publish_notification(topic, {"eventType": kind, "mail": mail, **detail})


def events(recipients: list[str]) -> list[Event]:
    found: list[Event] = [("Send", {"send": {}})]
    for recipient in recipients:
        address = ses.parseaddr(recipient)[1]
        found += [
            (kind, ses._notification_detail(kind, address, now(), subtype))
            for kind, subtype in recipient_events(address)
        ]
    return found


def recipient_events(address: str) -> Any:
    """Return the events of a recipient: a delivery, except for addresses of the mailbox simulator.

    https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
    """
    local, _, domain = address.lower().partition("@")
    delivered = (("Delivery", None),)
    if domain != ses._SIMULATOR_DOMAIN:
        return delivered
    return ses._SIMULATOR_OUTCOMES.get(local.partition("+")[0], delivered)


def now() -> str:
    return iso(datetime.now(UTC))


def apply() -> None:
    ses_v2.handle_request = handle_and_publish
