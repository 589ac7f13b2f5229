"""Gap: an account can send to anyone, without quotas, and may send at once what it asks for in PutAccountDetails.

A new account is in SES's sandbox, in each Region: it sends to verified addresses and the mailbox simulator only, 200
emails a day and one a second. PutAccountDetails asks for production access; the request is pending, or granted at once
if `LOCALAWS_GRANT_REQUESTS=1`. Quotas count recipients. While a part of a quota is left, an email to several recipients
goes out, and the following ones wait for it.
AWS: https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html
AWS: https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html
AWS: https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
No longer needed when GetAccount of a new account returns `ProductionAccessEnabled: false` and a quota of 200 emails.
"""

import json
import time
from typing import Any
from urllib.parse import parse_qs

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import ses, ses_v2

from localaws.account import requests
from localaws.account.quotas import SENDING_QUOTA, SENDING_RATE, applied, grant
from localaws.ses import mailbox

PRODUCTION = {SENDING_QUOTA: 50_000, SENDING_RATE: 14}
"""The quotas that AWS grants together with production access."""
DAY = 86_400
SENT = ("SendEmail", "SendRawEmail", "SendTemplatedEmail", "SendBulkTemplatedEmail", "v2.SendEmail", "v2.SendBulkEmail")
"""The types of the emails that count against the quotas. Mails of AWS itself do not."""

DAILY = "Daily message quota exceeded."
RATE = "Maximum sending rate exceeded."

type Json = dict[str, Any]

_rate = AccountRegionScopedDict()
"""Under ``left``: what is left of the sending rate, and when that was computed."""


def has_production_access() -> bool:
    return bool((ses._account_details.get("account") or {}).get("ProductionAccessEnabled"))


def recipients(mail: Json) -> int:
    return sum(len(mail.get(kind) or []) for kind in ("To", "CC", "BCC")) or 1


def sent_in_a_day() -> int:
    since = time.time() - DAY
    counted = (mail for mail in ses._sent_emails_list() if mail.get("Type") in SENT and mail["Timestamp"] >= since)
    return sum(map(recipients, counted))


def rate_left() -> float:
    """Return how many emails may be sent now. It is negative after an email to many recipients."""
    rate, now = applied(SENDING_RATE), time.time()
    left, then = _rate.get("left", (rate, now))
    return float(min(rate, left + (now - then) * rate))


def exceeded() -> str | None:
    """Return the message of the quota that is exhausted, if there is one."""
    if sent_in_a_day() >= applied(SENDING_QUOTA):
        return DAILY
    return RATE if rate_left() < 1 else None


def with_quotas(handle: Any, is_send: Any, error: Any) -> Any:
    """Wrap the requests of one version of the API: refuse to send beyond the quotas, and show them."""

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        sends = is_send(method, path, body)
        if sends and (message := exceeded()):
            return error(message)
        before = mailbox.newest()
        response = await handle(method, path, headers, body, query)
        if sends and (new := mailbox.sent_after(before)):
            _rate["left"] = rate_left() - sum(map(recipients, new)), time.time()
        return response

    return handle_request


def is_v1_send(method: str, path: str, body: bytes) -> bool:
    return not path.startswith("/v2/") and parse_qs(body).get(b"Action", [b""])[0].startswith(b"Send")


def is_v2_send(method: str, path: str, body: bytes) -> bool:
    return method == "POST" and path.rstrip("/").endswith(("/outbound-emails", "/outbound-bulk-emails"))


def v1_error(message: str) -> Any:
    return ses._error("Throttling", message, 400)


def v2_error(message: str) -> Any:
    return ses_v2._json_err("TooManyRequestsException", message, 429)


def get_send_quota(params: Any) -> Any:
    return ses._xml(
        200,
        "GetSendQuotaResponse",
        f"<GetSendQuotaResult><Max24HourSend>{applied(SENDING_QUOTA)}</Max24HourSend>"
        f"<MaxSendRate>{applied(SENDING_RATE)}</MaxSendRate>"
        f"<SentLast24Hours>{float(sent_in_a_day())}</SentLast24Hours></GetSendQuotaResult>",
    )


def with_account(handle: Any) -> Any:
    """Wrap the requests of SES v2: GetAccount shows the sandbox, PutAccountDetails asks for production access."""

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if method == "POST" and path.rstrip("/").endswith("/account/details"):
            return await put_account_details(handle, path, headers, body, query)
        status, headers, content = await handle(method, path, headers, body, query)
        if method == "GET" and path.rstrip("/").endswith("/v2/email/account") and status == 200:
            content = json.dumps(json.loads(content) | account()).encode()
        return status, headers, content

    return handle_request


def account() -> Json:
    """Return the members of GetAccount that tell a sandbox from an account with production access."""
    details = (ses._account_details.get("account") or {}).get("Details")
    return {
        "ProductionAccessEnabled": has_production_access(),
        "SendQuota": {
            "Max24HourSend": applied(SENDING_QUOTA),
            "MaxSendRate": applied(SENDING_RATE),
            "SentLast24Hours": float(sent_in_a_day()),
        },
        **({"Details": details} if details else {}),
    }


async def put_account_details(handle: Any, path: str, headers: Any, body: bytes, query: Any) -> Any:
    details = (ses._account_details.get("account") or {}).get("Details", {})
    if details.get("ReviewDetails", {}).get("Status") == "PENDING":
        return ses_v2._json_err("ConflictException", "There is already an ongoing account details update.", 409)
    had, asks = has_production_access(), json.loads(body or b"{}").get("ProductionAccessEnabled") is True
    response = await handle("POST", path, headers, body, query)
    if response[0] != 200:
        return response
    state = ses._account_details["account"]
    if asks:
        state["ProductionAccessEnabled"] = had or requests.granted()
        status = "GRANTED" if state["ProductionAccessEnabled"] else "PENDING"
        state["Details"] |= {"ReviewDetails": {"Status": status, "CaseId": "1"}}
        if requests.granted():
            for quota, value in PRODUCTION.items():
                grant(quota, max(value, applied(quota)))
    return response


def apply() -> None:
    ses._production_access_enabled = has_production_access
    ses._get_send_quota = get_send_quota
    ses.handle_request = with_quotas(ses.handle_request, is_v1_send, v1_error)
    ses_v2.handle_request = with_account(with_quotas(ses_v2.handle_request, is_v2_send, v2_error))
