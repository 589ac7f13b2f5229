"""Gap: an error of S3 names a Resource instead of the bucket, key, upload, condition or range that it is about.

The answers also carry the header x-amzn-RequestId, and identifiers that S3 does not make.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
No longer needed when GetObject of a key that does not exist returns an error with the member Key.
"""

import base64
import hashlib
import os
import secrets
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
    "BucketNotEmpty": "The bucket you tried to delete is not empty. You must delete all versions in the bucket.",
    "InvalidDigest": "The Content-MD5 you specified was invalid.",
    "MalformedXML": "The XML you provided was not well-formed or did not validate against our published schema",
    "NoSuchUpload": (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    ),
}
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
        expected = base64.b64decode(headers["content-md5"]).hex()
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
        message.text = MESSAGES.get(root.findtext("Code") or "", message.text)
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


def apply() -> None:
    dispatch, preflight = app._dispatch_service_request, app._handle_options_request

    async def dispatch_to_s3(
        method: str, path: str, headers: Headers, body: bytes, query: dict[str, Any], request_id: str
    ) -> Any:
        status, answer, content = await dispatch(method, path, headers, body, query, request_id)
        if app.detect_service(method, path, headers, query) == "s3":
            identify(answer)
            root = error_root(content) if status >= 400 and content else None
            if root is not None:
                code = root.findtext("Code") or ""
                complete(root, members(code, method, path, headers, body, query), answer)
                content = s3._xml_body(root)
        return status, answer, content

    def answer_preflight(method: str, path: str, headers: Headers, query: Any, request_id: str) -> Any:
        response = preflight(method, path, headers, query, request_id)
        if response is None or app.detect_service(method, path, headers, query) != "s3":
            return response
        status, answer, content = response
        identify(answer)
        root = error_root(content) if status >= 400 else None
        if root is not None:
            complete(root, {}, answer)
            content = s3._xml_body(root)
        return status, answer, content

    app._dispatch_service_request, app._handle_options_request = dispatch_to_s3, answer_preflight
