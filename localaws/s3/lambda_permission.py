"""Gap: S3 invokes any function, without permission.

PutBucketNotificationConfiguration is refused if the policy of a function does not allow `s3.amazonaws.com` to invoke it
for the bucket. S3 invokes only a function whose policy still allows it.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
No longer needed when PutBucketNotificationConfiguration with a function that has no policy gets `InvalidArgument`.
"""

import logging
from typing import Any

from ministack.services import s3

from localaws.lambda_.resource_policy import allows

SERVICE = "s3.amazonaws.com"

log = logging.getLogger(__name__)


def with_function_check(validate: Any) -> Any:
    def validate_configs(configs: list[dict[str, Any]], region: str, bucket: str = "", skip: bool = False) -> Any:
        error = validate(configs, region, bucket, skip)
        if error or skip:
            return error
        functions = [config["arn"] for config in configs if config["type"] == "lambda"]
        refused = [arn for arn in functions if not allows(arn, SERVICE, f"arn:aws:s3:::{bucket}")]
        if refused:
            return s3._invalid_notification_config("Unable to validate the following destination configurations")
        return None

    return validate_configs


def with_permission(deliver: Any) -> Any:
    def deliver_event(arn: str, event: dict[str, Any], region: str) -> None:
        bucket_arn = event["Records"][0]["s3"]["bucket"]["arn"]
        if not allows(arn, SERVICE, bucket_arn):
            log.warning("S3 has no permission to invoke %s for %s", arn, bucket_arn)
            return
        deliver(arn, event, region)

    return deliver_event


def apply() -> None:
    s3._validate_notification_configs = with_function_check(s3._validate_notification_configs)
    s3._deliver_event_to_lambda = with_permission(s3._deliver_event_to_lambda)
