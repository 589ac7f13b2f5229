"""Gap: the mails that were sent are gone after a restart that keeps everything else.

AWS delivers a mail and keeps none. The mailbox of a local AWS shows what was sent, before and after a restart.
AWS: https://docs.aws.amazon.com/ses/latest/dg/send-email-concepts-process.html
No longer needed when the state that SES saves has the mails.
"""

import copy
from typing import Any

from ministack.services import ses

_MAILS = "_sent_emails"


def apply() -> None:
    get_state, load_persisted_state = ses.get_state, ses.load_persisted_state

    def get_with_mails() -> dict[str, Any]:
        state: dict[str, Any] = get_state()
        return state | {_MAILS: copy.deepcopy(ses._sent_emails)}

    def load_with_mails(state: dict[str, Any]) -> None:
        load_persisted_state(state)
        ses._restore_regional_store(ses._sent_emails, state.get(_MAILS, {}))

    ses.get_state, ses.load_persisted_state = get_with_mails, load_with_mails
