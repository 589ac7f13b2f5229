"""Gap: the emulator serves distributions without a cache, and without checking signed URLs and cookies.

Here, localaws.cloudfront serves them. The emulator serves only the edges' requests to S3 origins, authorized by the
origin's identity (OAC or OAI) and the bucket policy, and rejects all other requests to a distribution's domain name.
A missing object is a 404 if the origin may list the bucket, and else a 403; the emulator always answers 403.
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
No longer needed when the emulator's distributions cache responses and reject unsigned requests to trusted key groups.
"""

from typing import Any
from urllib.parse import unquote

from ministack.core.concurrency import run_offloop
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudfront, s3

from localaws import exchange
from localaws.regions.calls import DOWN

ORIGIN = "x-edge-origin"


async def serve_origin(
    distribution: dict[str, Any], method: str, path: str, raw_uri: str, query: str, headers: dict[str, str], *_: Any
) -> Any:
    origins = cloudfront.parse_distribution_dataplane_config(distribution)["origins"]
    origin = origins.get(headers.get(ORIGIN, ""))
    if origin is None or not origin["s3_bucket"] or method not in ("GET", "HEAD"):
        return cloudfront._cf_error_response(
            403, "Send requests for this distribution to its edge.", cloudfront._ERROR_X_CACHE
        )
    source_arn = distribution["ARN"] if origin["oac_id"] else ""
    bucket, key = origin["s3_bucket"], unquote(raw_uri).removeprefix("/")
    if s3.bucket_region(bucket) in DOWN:
        exchange.drop()
        return 503, {}, b""
    answer = await run_offloop(
        s3.serve_cloudfront_origin_fetch, bucket, key, method, headers, source_arn, origin["oai_id"]
    )
    if answer[0] == 403 and is_missing(bucket, key) and can_list(bucket, source_arn, origin["oai_id"]):
        return s3._error("NoSuchKey", "The specified key does not exist.", 404, f"/{bucket}/{key}")
    return answer


def is_missing(bucket: str, key: str) -> bool:
    found = s3._ensure_bucket(bucket)
    return found is not None and key not in found["objects"]


def can_list(bucket: str, source_arn: str, oai_id: str) -> bool:
    owner = s3._bucket_owner_account(bucket) or get_account_id()
    policy = s3._bucket_policies.get_scoped(owner, None, bucket)
    identity = f"arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {oai_id}" if oai_id else "*"
    context = EvalContext(
        principal_arn=identity,
        principal_type="User" if oai_id else "Service",
        principal_account="",
        action="s3:ListBucket",
        resource_arn=f"arn:aws:s3:::{bucket}",
        region=get_region(),
        service_context={"aws:sourcearn": source_arn} if source_arn else {},
    )
    service = None if oai_id else "cloudfront.amazonaws.com"
    return bool(policy and evaluate_resource_policy(policy, context, service=service).decision == "Allow")


def apply() -> None:
    cloudfront.handle_viewer_request = serve_origin
