"""Gap: error responses of S3 have no CORS headers, so a page cannot distinguish a 403 from a network error.

S3 matches a request by its Access-Control-Request-Method, if it has one, and sends the names of headers in lower case.
S3 sends the CORS headers with every status if the bucket's CORS configuration allows the Origin of the request.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
No longer needed when a 403 from a bucket with a CORS configuration has the header Access-Control-Allow-Origin.
"""

from typing import Any

from ministack import app
from ministack.services import s3


def apply() -> None:
    answer_for, headers_for = s3._cors_answer, s3.cors_response_headers
    dispatch = app._dispatch_service_request

    async def dispatch_with_cors(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
    ) -> Any:
        status, answer, content = await dispatch(method, path, headers, body, query, request_id)
        target = app._s3_cors_target(headers.get("host", ""), path)
        if status >= 400 and target and app.detect_service(method, path, headers, query) == "s3":
            answer.update(s3.cors_response_headers(target[0], method, headers))
        return status, answer, content

    s3._cors_answer = lambda rules, origin, method, names: answer_for(
        rules, origin, method, [name.lower() for name in names]
    )
    s3.cors_response_headers = lambda bucket, method, headers: headers_for(
        bucket, headers.get("access-control-request-method", method), headers
    )
    app._dispatch_service_request = dispatch_with_cors
