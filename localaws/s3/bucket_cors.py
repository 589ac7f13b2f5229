"""Gap: when S3 refuses a request its answer has no CORS headers, so a page cannot tell a 403 from a dead network.

AWS: a request with an Origin that the bucket's CORS configuration allows gets the headers whatever its status,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
No longer needed when a 403 of a bucket with CORS carries Access-Control-Allow-Origin.
"""

from typing import Any

from ministack import app
from ministack.services import s3


def apply() -> None:
    dispatch = app._dispatch_service_request

    async def dispatch_with_cors(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
    ) -> Any:
        status, answer, content = await dispatch(method, path, headers, body, query, request_id)
        target = app._s3_cors_target(headers.get("host", ""), path)
        if status >= 400 and target and app.detect_service(method, path, headers, query) == "s3":
            answer.update(s3.cors_response_headers(target[0], method, headers))
        return status, answer, content

    app._dispatch_service_request = dispatch_with_cors
