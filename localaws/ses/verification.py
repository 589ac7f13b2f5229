"""Gap: every identity is verified when it is created.

As on AWS, an email address is verified when its owner opens the link in an email that SES sends there, within 24
hours. The link leads to localaws. A domain is verified when its DNS has the CNAME records of its DKIM tokens. Here,
that is when a Route 53 hosted zone of the account has them.
AWS: https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
No longer needed when GetEmailIdentity of a new address returns `VerifiedForSendingStatus: false`.
"""

import json
import os
import time
import uuid
from typing import Any

from ministack.core.responses import get_region
from ministack.services import route53, ses, ses_v2
from ministack.services.cloudformation import provisioners

from localaws import control

LIFETIME = 86_400
"""Seconds in which the link in the email can be opened."""
SENDER = "no-reply-aws@amazon.com"
MAIL = "Verification"
"""The type of the email in the mailbox of the emulator."""

type Json = dict[str, Any]

VERIFICATIONS = "verifications"
"""The key of the verifications in the emulator's store of account details, which it keeps over a restart."""


def verifications() -> Json:
    """Return by address the ``token`` of the link, when it was ``sent``, and whether it was ``opened``."""
    if VERIFICATIONS not in ses._account_details:
        ses._account_details[VERIFICATIONS] = {}
    found: Json = ses._account_details[VERIFICATIONS]
    return found


def is_verified(identity: str) -> bool:
    return bool(verifications().get(identity, {}).get("opened")) if "@" in identity else domain_is_verified(identity)


def domain_is_verified(domain: str) -> bool:
    cnames = {
        (f"{token}._domainkey.{domain}", "CNAME", f"{token}.dkim.amazonses.com") for token in ses._dkim_tokens(domain)
    }
    found = {
        (record["Name"].rstrip("."), record["Type"], value.rstrip("."))
        for records in route53._records.values()
        for record in records
        for value in record.get("ResourceRecords", [])
    }
    return cnames <= found


def send_link(address: str) -> None:
    """Send the email with the link, as CreateEmailIdentity and VerifyEmailIdentity do; a later link replaces it."""
    token = uuid.uuid4().hex
    verifications()[address] = {"token": token, "sent": time.time(), "opened": is_verified(address)}
    link = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}{control.PREFIX}ses/verify?token={token}"
    ses._sent_emails_list().append(
        {
            "MessageId": f"{uuid.uuid4()}@email.amazonses.com",
            "Source": SENDER,
            "To": [address],
            "CC": [],
            "BCC": [],
            "Subject": f"Amazon Web Services - Email Address Verification Request in region {get_region()}",
            "BodyText": f"Open this link within 24 hours to verify {address}:\n\n{link}\n",
            "BodyHtml": "",
            "Timestamp": time.time(),
            "Type": MAIL,
        }
    )


def open_link(request: control.Request) -> control.Response:
    """Verify the address whose link this is."""
    token = request.query.get("token", [""])[0]
    stored = [kept for (_, _, key), kept in ses._account_details._data.items() if key == VERIFICATIONS]
    for address, verification in [pair for kept in stored for pair in kept.items()]:
        if verification["token"] == token and verification["sent"] + LIFETIME > time.time():
            verification["opened"] = True
            return control.answer(200, {"message": f"{address} is verified."})
    return control.answer(400, {"message": "This link is not valid, or it has expired."})


def refresh() -> None:
    """Write the status of each identity to the records of both versions of the API."""
    for address in list(verifications()):
        if address not in ses._identities and address not in ses_v2._identities:
            del verifications()[address]  # the identity was deleted
    for identity, record in list(ses._identities.items()):
        record["VerificationStatus"] = "Success" if is_verified(identity) else "Pending"
    for identity, record in list(ses_v2._identities.items()):
        verified = is_verified(identity)
        record["VerifiedForSendingStatus"] = verified
        record["VerificationStatus"] = "SUCCESS" if verified else "PENDING"
        if record.get("DkimAttributes", {}).get("Tokens"):
            record["DkimAttributes"]["Status"] = record["VerificationStatus"]


def with_refresh(handle: Any) -> Any:
    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        refresh()
        return await handle(method, path, headers, body, query)

    return handle_request


def with_status(handle: Any) -> Any:
    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        refresh()
        status, headers, content = await handle(method, path, headers, body, query)
        operation = (method, path.rstrip("/").removeprefix("/v2/email"))
        if status == 200 and operation == ("POST", "/identities"):
            content = created(json.loads(body)["EmailIdentity"], json.loads(content))
        elif status == 200 and operation in {("GET", "/identities"), ("POST", "/list-identities")}:
            content = listed(json.loads(content))
        return status, headers, content

    return handle_request


def created(identity: str, response: Json) -> bytes:
    if "@" in identity:
        send_link(identity)
    refresh()
    return json.dumps(response | {"VerifiedForSendingStatus": is_verified(identity)}).encode()


def listed(response: Json) -> bytes:
    for each in response["EmailIdentities"]:
        verified = is_verified(each["IdentityName"])
        each |= {"SendingEnabled": verified, "VerificationStatus": "SUCCESS" if verified else "PENDING"}
    return json.dumps(response).encode()


def make_identity(make: Any) -> Any:
    """Wrap the start of an identity by VerifyEmailIdentity and by CloudFormation."""

    def make_and_send(identity: str, kind: str) -> Any:
        if "@" in identity:
            send_link(identity)
        return make(identity, kind)

    return make_and_send


def provision_identity(create: Any) -> Any:
    def create_with_tokens(*arguments: Any, **named: Any) -> Any:
        identity, attributes = create(*arguments, **named)
        dkim = ses_v2._identities[identity]["DkimAttributes"]
        if "@" not in identity and not dkim.get("Tokens"):
            dkim["Tokens"] = ses._dkim_tokens(identity)
        return identity, attributes

    return create_with_tokens


def apply() -> None:
    control.CALLS["GET", "ses/verify"] = open_link
    ses.handle_request = with_refresh(ses.handle_request)
    ses._make_identity = make_identity(ses._make_identity)
    ses_v2.handle_request = with_status(ses_v2.handle_request)
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SES::EmailIdentity"]
    handlers["create"] = provision_identity(handlers["create"])
