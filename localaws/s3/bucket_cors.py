"""Gap: error responses of S3 have no CORS headers, so a page cannot distinguish a 403 from a network error.

S3 matches a request by its Access-Control-Request-Method and -Headers, if it has them, and sends the names of headers
in lower case. A preflight for a bucket that does not exist fails.
S3 sends the CORS headers with every status if the bucket's CORS configuration allows the Origin of the request.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
No longer needed when a 403 from a bucket with a CORS configuration has the header Access-Control-Allow-Origin.
"""

from typing import Any

from ministack import app
from ministack.services import s3

type Headers = dict[str, str]

NOT_FOUND = "CORSResponse: Bucket not found"


def names_no_bucket(host: str) -> bool:
    """Return whether a virtual host of S3 names a bucket that does not exist."""
    bucket = app._extract_s3_vhost_bucket(host)
    return bool(bucket) and host.startswith(f"{bucket}.s3") and s3._bucket_owner_account(bucket) is None


def apply() -> None:
    answer_for, rules_of = s3._cors_answer, s3._cors_rules
    dispatch, preflight = app._dispatch_service_request, app._handle_options_request

    async def dispatch_with_cors(
        method: str, path: str, headers: Headers, body: bytes, query: dict[str, Any], request_id: str
    ) -> Any:
        status, answer, content = await dispatch(method, path, headers, body, query, request_id)
        target = app._s3_cors_target(headers.get("host", ""), path)
        if status >= 400 and target and app.detect_service(method, path, headers, query) == "s3":
            answer.update(s3.cors_response_headers(target[0], method, headers))
        return status, answer, content

    def answer_preflight(method: str, path: str, headers: Headers, query: Any, request_id: str) -> Any:
        if method != "OPTIONS" or not names_no_bucket(headers.get("host", "")):
            return preflight(method, path, headers, query, request_id)
        if "origin" not in headers:
            return s3.cors_preflight("", "", headers)
        wanted = headers.get("access-control-request-method", method)
        return s3._cors_error("AccessForbidden", NOT_FOUND, 403, wanted, "BUCKET")

    def response_headers(bucket: str, method: str, headers: Headers) -> Headers:
        origin, rules = headers.get("origin"), rules_of(bucket)
        wanted = [name.strip() for name in headers.get("access-control-request-headers", "").split(",") if name.strip()]
        if not origin or not rules:
            return {}
        found: Headers = s3._cors_answer(rules, origin, headers.get("access-control-request-method", method), wanted)
        return found or {}

    s3._cors_answer = lambda rules, origin, method, names: answer_for(
        rules, origin, method, [name.lower() for name in names]
    )
    s3.cors_response_headers = response_headers
    app._dispatch_service_request, app._handle_options_request = dispatch_with_cors, answer_preflight
