"""Gap: a presigned URL with a malformed credential gets the error of a malformed header.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
No longer needed when a URL whose X-Amz-Credential has no slash gets AuthorizationQueryParametersError.
"""

from typing import Any

from ministack import app
from ministack.services import s3

type Headers = dict[str, str]

CREDENTIAL = "X-Amz-Credential"
MESSAGE = (
    "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
    '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
)


def apply() -> None:
    dispatch = app._dispatch_service_request

    async def dispatch_presigned(
        method: str, path: str, headers: Headers, body: bytes, query: dict[str, Any], request_id: str
    ) -> Any:
        credential = s3._qp(query, CREDENTIAL)
        if credential and credential.count("/") < 4 and app.detect_service(method, path, headers, query) == "s3":
            return s3._error("AuthorizationQueryParametersError", MESSAGE, 400)
        return await dispatch(method, path, headers, body, query, request_id)

    app._dispatch_service_request = dispatch_presigned
