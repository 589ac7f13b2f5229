"""Gap: a role can be assumed, and the name of a deleted bucket used, without the delay that AWS has.

AWS is eventually consistent here: Lambda refuses a role of the last seconds, and S3 the name of a bucket that was just
deleted. CloudFormation waits for both. An application that makes roles or buckets itself must retry. The notifications
of a bucket start later than they were set, apart from the test event. The delay is an option,
`LOCALAWS_CONSISTENCY_DELAY` in seconds, and 0 by default: AWS promises no delay, and a developer is waiting. It also
delays reads of an index (dynamodb.index_consistency), the edges of CloudFront (cloudfront.propagation) and the start of
event source mappings (lambda_.event_source_mappings).
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-bucket.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications.html
No longer needed when CreateFunction with a role of the same second answers that Lambda cannot assume it.
"""

import os
import time
from datetime import datetime
from typing import Any

from ministack.services import iam, lambda_svc, s3

NOT_YET = "The role defined for the function cannot be assumed by Lambda."
CONFLICT = "A conflicting conditional operation is currently in progress against this resource. Please try again."

_deleted: dict[str, float] = {}
"""By name the time at which a bucket was deleted, epoch seconds."""

_notifying: dict[str, float] = {}
"""By name the time at which the notifications of a bucket were set, epoch seconds."""


def delay() -> float:
    return float(os.environ.get("LOCALAWS_CONSISTENCY_DELAY") or 0)


def is_new(role: str) -> bool:
    """Return whether the role was made so recently that another service may not know it."""
    record = iam._roles.get(role.rsplit("/", 1)[-1])
    if record is None:
        return False
    made = datetime.fromisoformat(record["CreateDate"].replace("Z", "+00:00"))
    return time.time() - made.timestamp() < delay()


def create_function(create: Any) -> Any:
    def create_with_known_role(data: dict[str, Any]) -> Any:
        if is_new(str(data.get("Role"))):
            return lambda_svc._invalid_parameter_value(NOT_YET)
        return create(data)

    return create_with_known_role


def create_bucket(create: Any) -> Any:
    def create_if_free(name: str, *request: Any, **named: Any) -> Any:
        if time.time() - _deleted.get(name, 0) < delay():
            return s3._error("OperationAborted", CONFLICT, 409, f"/{name}")
        return create(name, *request, **named)

    return create_if_free


def delete_bucket(delete: Any) -> Any:
    def delete_and_remember(name: str) -> Any:
        response = delete(name)
        if response[0] == 204:
            _deleted[name] = time.time()
        return response

    return delete_and_remember


def put_notification(put: Any) -> Any:
    def put_and_remember(name: str, *request: Any) -> Any:
        response = put(name, *request)
        if response[0] == 200:
            _notifying[name] = time.time()
        return response

    return put_and_remember


def notify(fire: Any) -> Any:
    def fire_if_started(name: str, *event: Any, **named: Any) -> None:
        if time.time() - _notifying.get(name, 0) >= delay():
            fire(name, *event, **named)

    return fire_if_started


def apply() -> None:
    if delay():
        lambda_svc._create_function = create_function(lambda_svc._create_function)
        s3._create_bucket = create_bucket(s3._create_bucket)
        s3._delete_bucket = delete_bucket(s3._delete_bucket)
        s3._put_bucket_notification = put_notification(s3._put_bucket_notification)
        s3._fire_s3_event_async = notify(s3._fire_s3_event_async)
