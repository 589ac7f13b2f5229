"""Gap: a request without credentials can act as root.

It does if its Authorization header is not one of AWS, such as a bearer token, and for operations whose action ministack
does not know. In S3, it can list and create buckets. AWS refuses it, except for operations that need no signature, open
routes, and what a bucket policy allows.
AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
No longer needed when ListBuckets without credentials answers AccessDenied.
"""

from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import AuthError
from ministack.services import s3

MISSING = AuthError("MissingAuthenticationToken", "Request is missing Authentication Token")


def pin(pin_signed_request: Any) -> Any:
    """Wrap what keeps a request for its check: without a signature of AWS it has no credentials."""

    def pin_request(*request: Any, **named: Any) -> None:
        pin_signed_request(*request, **named)
        if iam_evaluator._signed_request.get() is None:
            iam_evaluator._anonymous.set(True)

    return pin_request


def check(check_credentials: Any) -> Any:
    """Wrap the check of a request whose action is not known."""

    def check_caller(access_key_id: str, service: str | None = None) -> Any:
        if iam_evaluator._anonymous.get() and service != "s3":
            return MISSING
        return check_credentials(access_key_id, service)

    return check_caller


def scope(apply_bucket_scope: Any) -> Any:
    """Wrap S3's check of a request: only the policy of a bucket can let strangers in."""

    def bucket_scope(
        method: str, bucket: str, key: str, headers: Any, query: Any, body: bytes = b"", internal: bool = False
    ) -> Any:
        creates = method == "PUT" and not key and s3._bucket_owner_account(bucket) is None
        if (creates or not bucket) and not internal and iam_evaluator._anonymous.get():
            return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}")
        return apply_bucket_scope(method, bucket, key, headers, query, body, internal)

    return bucket_scope


def apply() -> None:
    app.pin_signed_request = pin(iam_evaluator.pin_signed_request)
    iam_evaluator.check_credentials = check(iam_evaluator.check_credentials)
    s3._apply_bucket_scope = scope(s3._apply_bucket_scope)
