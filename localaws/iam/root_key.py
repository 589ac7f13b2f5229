"""Gap: the root key may sign with any secret, and `test` and every account number are root keys as well.

In AWS every signature is checked. Here the root key is the one in the emulator's environment (AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY; `test` and `test` without them), and its signatures are checked as those of any user.
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
No longer needed when a request of the root key with a wrong signature gets SignatureDoesNotMatch.
"""

import os
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import sts


def access_key_id() -> str:
    """Return the ID of the root key."""
    return os.environ.get("AWS_ACCESS_KEY_ID", "test")


def secret_access_key() -> str:
    """Return the secret of the root key."""
    return os.environ.get("AWS_SECRET_ACCESS_KEY", "test")


def is_root(key_id: str) -> bool:
    """Return whether a key is the root key. Calls within the emulator have an empty one."""
    return not key_id or key_id == access_key_id()


def apply() -> None:
    resolve_caller_identity = iam_evaluator.resolve_caller_identity

    def identity(key_id: str) -> Any:
        if not key_id or not is_root(key_id):
            return resolve_caller_identity(key_id)
        account = get_account_id()
        root = {"accountId": account, "userArn": f"arn:aws:iam::{account}:root", "userId": account}
        return root | {"accessKey": key_id, "principalOrgId": None, "session": None}

    iam_evaluator.resolve_caller_identity = identity
    iam_evaluator.is_root_access_key = is_root
    sts.is_root_access_key = is_root
    # Decides for which keys a signature is not checked.
    iam_evaluator._is_root_key = lambda key_id: not key_id
