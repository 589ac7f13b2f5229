"""Gap: each mail that was sent stays in memory.

AWS keeps none. Here the newest 5,000 of an account and Region stay, so a sending quota above that never applies.
AWS: https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html
No longer needed when an emulator that sent a million mails uses as much memory as one that sent ten thousand.
"""

from itertools import takewhile
from typing import Any

from ministack.services import ses

MAX_MAILS = 5_000
_SURPLUS = 100
"""How many more there may be, so that not each mail moves the others."""


def newest() -> Any:
    """Return the last mail, or None."""
    mails = ses._sent_emails_list()
    return mails[-1] if mails else None


def sent_after(mail: Any) -> list[Any]:
    """Return the mails that were sent after *mail*, in their order. Positions change when old mails are dropped."""
    return list(takewhile(lambda each: each is not mail, reversed(ses._sent_emails_list())))[::-1]


def apply() -> None:
    sent = ses._sent_emails_list

    def sent_emails_list() -> list[Any]:
        mails: list[Any] = sent()
        if len(mails) > MAX_MAILS + _SURPLUS:
            del mails[:-MAX_MAILS]
        return mails

    ses._sent_emails_list = sent_emails_list
