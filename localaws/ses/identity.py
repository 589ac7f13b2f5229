"""Gap: SendEmail of SES v2 is authorized for the resource `*`, so a policy limited to one identity denies it.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html
No longer needed when a user whose policy allows ses:SendEmail for one identity can send from that identity.
"""

import json
from email.utils import parseaddr

from ministack.core import iam_actions
from ministack.services import ses


def apply() -> None:
    resource_arn = iam_actions._ses_v2_resource_arn

    def identity_arn(method: str, path: str, body: bytes, region: str, account_id: str) -> str:
        if method != "POST" or not path.rstrip("/").endswith("/outbound-emails"):
            return str(resource_arn(method, path, body, region, account_id))
        address = parseaddr(json.loads(body or b"{}").get("FromEmailAddress", ""))[1]
        identity = address if address in ses._identities else address.rpartition("@")[2]
        return f"arn:aws:ses:{region}:{account_id}:identity/{identity}"

    iam_actions._ses_v2_resource_arn = identity_arn
