"""Gap: the condition key `ses:FromAddress` has no value, so a policy cannot limit the From address of mails.

AWS: https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
No longer needed when a user whose policy allows ses:SendEmail with this key for one address can send from that address.
"""

import json
from contextvars import ContextVar
from email.utils import parseaddr
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_evaluator as iam

from localaws.iam.resource_arns import authorize_on

_address: ContextVar[str | None] = ContextVar("_address", default=None)
"""The From address of the request to SES that is being authorized."""


def apply() -> None:
    authorize_on("ses", _note)
    resolve = iam._resolve_condition_key

    def resolve_with_address(key: str, context: Any) -> Any:
        value = resolve(key, context)
        return _address.get() if value is None and key.lower() == "ses:fromaddress" else value

    iam._resolve_condition_key = resolve_with_address


def _note(headers: Any, body: bytes, region: str, account_id: str) -> None:
    """Keep the From address. The resource stays as it is."""
    try:
        request = json.loads(body)
        address = request.get("FromEmailAddress", "")
    except (ValueError, AttributeError):
        form = parse_qs(body.decode(errors="replace"))
        address = form.get("Source", [""])[0]
    _address.set(parseaddr(str(address))[1] or None)
