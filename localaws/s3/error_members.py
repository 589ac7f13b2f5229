"""Gap: an error of S3 names a Resource instead of the bucket, key, upload, condition or range that it is about.

The answers also carry the header x-amzn-RequestId, and identifiers that S3 does not make.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
No longer needed when GetObject of a key that does not exist returns an error with the member Key.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement

from ministack import app
from ministack.services import s3

type Headers = dict[str, str]

OF_BUCKET = {
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "BucketNotEmpty",
    "InvalidBucketName",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchCORSConfiguration",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchTagSet",
    "NoSuchWebsiteConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ReplicationConfigurationNotFoundError",
}
MESSAGES = {
    "InvalidDigest": "The Content-MD5 you specified was invalid.",
    "MalformedXML": "The XML you provided was not well-formed or did not validate against our published schema",
    "NoSuchUpload": (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    ),
}
WITHOUT_PERIOD = (
    "Part number must be an integer between 1 and 10000, inclusive.",
    "Your proposed upload exceeds the maximum allowed size.",
)
CONDITIONS: dict[str, tuple[str, ...]] = {
    "GET": ("If-Match", "If-Unmodified-Since"),
    "HEAD": ("If-Match", "If-Unmodified-Since"),
    "PUT": ("If-None-Match", "If-Match"),
    "POST": ("If-None-Match", "If-Match"),
    "DELETE": ("If-Match",),
}
"""The conditions that can fail, in the order in which S3 evaluates them."""


def members(code: str, method: str, path: str, headers: Headers, body: bytes, query: Any) -> Headers:
    """Return the members that S3 adds to an error with the code."""
    bucket, key = s3._parse_bucket_key(path, headers)
    if code in OF_BUCKET:
        return {"BucketName": bucket}
    if code == "InvalidArgument" and "partNumber" in query:
        return {"ArgumentName": "partNumber", "ArgumentValue": s3._qp(query, "partNumber")}
    found = {
        "NoSuchKey": {"Key": key},
        "NoSuchVersion": {"Key": key, "VersionId": s3._qp(query, "versionId")},
        "NoSuchUpload": {"UploadId": s3._qp(query, "uploadId")},
        "InvalidPartOrder": {"UploadId": s3._qp(query, "uploadId")},
        "PreconditionFailed": {
            "Condition": next((name for name in CONDITIONS.get(method, ()) if name.lower() in headers), "")
        },
        "InvalidRange": {"RangeRequested": headers.get("range", ""), "ActualObjectSize": size(bucket, key)},
        "InvalidDigest": {"Content-MD5": headers.get("content-md5", "")},
    }
    if code == "BadDigest" and "content-md5" in headers:
        given = headers["content-md5"]
        expected = given if "uploadId" in query else base64.b64decode(given).hex()
        calculated = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        return {"ExpectedDigest": expected, "CalculatedDigest": calculated}
    return found.get(code, {})


def size(bucket: str, key: str) -> str:
    record = (s3._ensure_bucket(bucket) or {"objects": {}})["objects"].get(key) or {"size": 0}
    return str(record["size"])


def complete(root: Element, added: Headers, answer: Headers) -> None:
    """Write the members into an error, and its request id and host id as the headers of the answer have them."""
    for name in ("Resource", "RequestId", "HostId"):
        for element in root.findall(name):
            root.remove(element)
    message = root.find("Message")
    if message is not None:
        text = MESSAGES.get(root.findtext("Code") or "", message.text or "")
        message.text = text.removesuffix(".") if text in WITHOUT_PERIOD else text
    ids = {"RequestId": answer["x-amz-request-id"], "HostId": answer["x-amz-id-2"]}
    for name, value in (added | ids).items():
        if root.find(name) is None:
            SubElement(root, name).text = value


def identify(answer: Headers) -> None:
    """Give an answer the identifiers of S3."""
    for name in [name for name in answer if name.lower() in ("x-amzn-requestid", "x-amz-request-id")]:
        del answer[name]
    answer["Server"] = "AmazonS3"
    answer["x-amz-request-id"] = base64.b32encode(secrets.token_bytes(10)).decode()
    answer.setdefault("x-amz-id-2", base64.b64encode(os.urandom(57)).decode())


def error_root(content: Any) -> Element | None:
    try:
        root: Element = s3.fromstring(content)
    except (ParseError, TypeError):
        return None
    return root if root.tag == "Error" else None


def completed(response: Any, members_of: Callable[[str], Headers]) -> Any:
    """Return a response of S3 with its identifiers and, if it is an error, its members."""
    status, answer, content = response
    identify(answer)
    root = error_root(content) if status >= 400 and content else None
    if root is None:
        return response
    complete(root, members_of(root.findtext("Code") or ""), answer)
    return status, answer, s3._xml_body(root)


def apply() -> None:
    dispatch, preflight = app._dispatch_service_request, app._handle_options_request
    data_plane_headers = app._with_data_plane_headers

    async def dispatch_to_s3(
        method: str, path: str, headers: Headers, body: bytes, query: dict[str, Any], request_id: str
    ) -> Any:
        response = await dispatch(method, path, headers, body, query, request_id)
        if app.detect_service(method, path, headers, query) != "s3":
            return response
        return completed(response, lambda code: members(code, method, path, headers, body, query))

    def answer_preflight(method: str, path: str, headers: Headers, query: Any, request_id: str) -> Any:
        response = preflight(method, path, headers, query, request_id)
        if response is None or app.detect_service(method, path, headers, query) != "s3":
            return response
        return completed(response, lambda code: {})

    def with_data_plane_headers(response: Any, request_id: str, include_s3_id: bool = False, **more: Any) -> Any:
        answer = data_plane_headers(response, request_id, include_s3_id, **more)
        if answer is not None and include_s3_id:
            identify(answer[1])
        return answer

    app._with_data_plane_headers = with_data_plane_headers
    app._dispatch_service_request, app._handle_options_request = dispatch_to_s3, answer_preflight
