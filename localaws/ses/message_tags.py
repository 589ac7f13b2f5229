"""Gap: an email may have any message tags and any number of recipients.

The name of a tag has only letters, digits, `_` and `-`, or is `ses:feedback-id-a` or `ses:feedback-id-b`; a value may
also have `.` and `@`. Both have at most 255 characters. An email has at most 50 recipients and 50 tags.
AWS: https://docs.aws.amazon.com/ses/latest/APIReference/API_MessageTag.html
AWS: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html
AWS: https://docs.aws.amazon.com/ses/latest/dg/quotas.html
No longer needed when SendEmail with the tag `with space` gets `InvalidParameterValue`, and in SES v2
`BadRequestException`.
"""

import json
import re
from typing import Any

from ministack.services import ses, ses_v2

NAME = re.compile(r"[A-Za-z0-9_-]+|ses:feedback-id-[ab]")
VALUE = re.compile(r"[A-Za-z0-9_.@-]+")
MAX_LENGTH = 255
MAX_RECIPIENTS = 50
MAX_TAGS = 50
V1_ACTIONS = ("_send_email", "_send_raw_email", "_send_templated_email")


def reason(tags: list[dict[str, str]], recipients: int) -> str | None:
    """Return why SES refuses an email with the tags and the number of recipients, or None."""
    if recipients > MAX_RECIPIENTS:
        return f"Recipient count exceeds {MAX_RECIPIENTS}."
    if len(tags) > MAX_TAGS:
        return f"Number of message tags exceeds {MAX_TAGS}."
    return next(filter(None, (tag_reason(tag.get("Name") or "", tag.get("Value") or "") for tag in tags)), None)


def tag_reason(name: str, value: str) -> str | None:
    for kind, text in (("name", name), ("value", value)):
        if not text:
            return f"The tag {kind} must be specified."
        if len(text) > MAX_LENGTH:
            return f"Tag {kind} cannot exceed {MAX_LENGTH} characters."
        if kind == "name" and not NAME.fullmatch(text):
            return f"Invalid tag name <{text}>: only alphanumeric ASCII characters, '_',  '-' are allowed."
        if kind == "value" and not VALUE.fullmatch(text):
            return f"Invalid tag value <{text}>: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed."
    return None


def tags_of(params: dict[str, Any]) -> list[dict[str, str]]:
    """Return the tags of a request of SES v1, which has the parameters `Tags.member.1.Name` and so on."""
    numbers = {key.split(".")[2] for key in params if key.startswith("Tags.member.")}
    return [
        {part: ses._p(params, f"Tags.member.{number}.{part}") for part in ("Name", "Value")}
        for number in sorted(numbers)
    ]


def with_check(send: Any) -> Any:
    def send_email(params: dict[str, Any]) -> Any:
        recipients = sum(".member." in key for key in params if key.startswith(("Destination.", "Destinations.")))
        if found := reason(tags_of(params), recipients):
            return ses._error("InvalidParameterValue", found, 400)
        return send(params)

    return send_email


def with_check_v2(handle_request: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if method == "POST" and path.rstrip("/").endswith("/outbound-emails"):
            request = json.loads(body or b"{}")
            recipients = sum(len(addresses or []) for addresses in (request.get("Destination") or {}).values())
            if found := reason(request.get("EmailTags") or [], recipients):
                return ses_v2._json_err("BadRequestException", found)
        return await handle_request(method, path, headers, body, query)

    return handle


def apply() -> None:
    for action in V1_ACTIONS:
        setattr(ses, action, with_check(getattr(ses, action)))
    ses_v2.handle_request = with_check_v2(ses_v2.handle_request)
