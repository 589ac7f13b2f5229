"""Gap: a distribution's own data plane in the emulator has no cache and checks no signature; `sandbox/edge` is ours.

What is left of it is the way to a bucket: S3 answers an origin of a deployed distribution by the identity that the
origin has there (OAC or OAI) and the bucket's policy, and answers nobody else at the distribution's domain name.
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
No longer needed when the emulator's distributions cache and refuse unsigned requests to trusted key groups.
"""

from typing import Any
from urllib.parse import unquote

from ministack.core.concurrency import run_offloop
from ministack.services import cloudfront, s3

ORIGIN = "x-edge-origin"


async def serve_origin(
    distribution: dict[str, Any], method: str, path: str, raw_uri: str, query: str, headers: dict[str, str], *_: Any
) -> Any:
    origins = cloudfront.parse_distribution_dataplane_config(distribution)["origins"]
    origin = origins.get(headers.get(ORIGIN, ""))
    if origin is None or not origin["s3_bucket"] or method not in ("GET", "HEAD"):
        return cloudfront._cf_error_response(403, "Ask the edge for this distribution.", cloudfront._ERROR_X_CACHE)
    source_arn = distribution["ARN"] if origin["oac_id"] else ""
    key = unquote(raw_uri).removeprefix("/")
    return await run_offloop(
        s3.serve_cloudfront_origin_fetch, origin["s3_bucket"], key, method, headers, source_arn, origin["oai_id"]
    )


def apply() -> None:
    cloudfront.handle_viewer_request = serve_origin
