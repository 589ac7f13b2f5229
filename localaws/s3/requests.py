"""Gap: S3 accepts parts, names, tags and policies that AWS rejects, and keeps the tags of an overwritten object.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
No longer needed when CompleteMultipartUpload rejects a first part of one byte with EntityTooSmall.
"""

import json
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from ministack.services import s3

type Json = dict[str, Any]
type Headers = dict[str, str]

MIN_PART = 5 * 1024 * 1024
MAX_DELETED = MAX_LISTED = 1000
MAX_KEY = 1024
MAX_METADATA = 2048
METADATA = "x-amz-meta-"
MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"
INVALID_PART = (
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
    "entity tag may not match the part's entity tag."
)
NOT_ACCEPTED = "We don't accept the provided value of {} header for this API"
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
CORS_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
CONDITIONS = ("if-match", "if-none-match")
COPY_CHANGES = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption")


def elements(root: Element, name: str) -> list[Element]:
    return [each for each in root.iter() if each.tag.rpartition("}")[2] == name]


def texts(root: Element, name: str) -> list[str]:
    return [each.text or "" for each in elements(root, name)]


def parse(body: bytes) -> Element | None:
    try:
        root: Element = s3.fromstring(body)
    except ParseError:
        return None
    return root


def parts_error(bucket: str, key: str, body: bytes, query: Any) -> Any:
    """Return the rejection of a list of parts that is empty, not in order, or has a part that is too small."""
    upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
    root = parse(body)
    if upload is not None and not body:
        return s3._error("InvalidRequest", "You must specify at least one part", 400)
    if upload is None or root is None:
        return None  # the emulator rejects both
    upload_id = s3._qp(query, "uploadId")
    parts = [(int(texts(part, "PartNumber")[0]), "".join(texts(part, "ETag"))) for part in elements(root, "Part")]
    if not parts:
        return s3._error("InvalidRequest", "You must specify at least one part", 400)
    if any(later <= earlier for (earlier, _), (later, _) in pairwise(parts)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        return s3._error("InvalidPartOrder", message, 400)
    return part_error(upload, upload_id, parts)


def part_error(upload: Json, upload_id: str, parts: list[tuple[int, str]]) -> Any:
    """Return the rejection of a part that was not uploaded so, or that is too small."""
    for number, etag in parts:
        stored = upload["parts"].get(number)
        if stored is None or etag.strip('"') not in ("", stored["etag"].strip('"')):
            members = {"ETag": etag.strip('"'), "PartNumber": str(number), "UploadId": upload_id}
            return s3._error("InvalidPart", INVALID_PART, 400, extra=members)
    for number, etag in parts[:-1]:
        size = len(upload["parts"][number]["body"])
        if size < MIN_PART:
            members = {"ETag": etag.strip('"'), "PartNumber": str(number)}
            members |= {"MinSizeAllowed": str(MIN_PART), "ProposedSize": str(size)}
            message = "Your proposed upload is smaller than the minimum allowed size"
            return s3._error("EntityTooSmall", message, 400, extra=members)
    return None


def object_error(key: str, headers: Headers) -> Any:
    """Return the rejection of a key or metadata that is too long, or of a condition that PutObject does not have."""
    if len(key.encode()) > MAX_KEY:
        return s3._error("KeyTooLongError", "Your key is too long", 400)
    metadata = {name.removeprefix(METADATA): value for name, value in headers.items() if name.startswith(METADATA)}
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > MAX_METADATA:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        return s3._error("MetadataTooLarge", message, 400)
    return condition_error(headers)


def condition_error(headers: Headers) -> Any:
    """Return the rejection of conditions that a write does not have."""
    if "if-match" in headers and "if-none-match" in headers:
        detail = "Multiple conditional request headers present in the request"
        return not_implemented("If-Match,If-None-Match", detail)
    if headers.get("if-none-match", "*").strip() != "*":
        return not_implemented("If-None-Match", NOT_ACCEPTED.format("If-None-Match"))
    if headers.get("if-match", "").strip() == "*":
        return not_implemented("If-Match", NOT_ACCEPTED.format("If-Match"))
    return None


def not_implemented(header: str, detail: str) -> Any:
    message = "A header you provided implies functionality that is not implemented"
    return s3._error("NotImplemented", message, 501, extra={"Header": header, "additionalMessage": detail})


def copy_error(bucket: str, key: str, headers: Headers) -> Any:
    """Return the rejection of a copy to itself without a change, or of a condition on the destination."""
    source = s3.url_unquote(headers.get("x-amz-copy-source", "").lstrip("/"))
    keeps = headers.get("x-amz-metadata-directive", "COPY").upper() != "REPLACE"
    if source == f"{bucket}/{key}" and keeps and not any(name in headers for name in COPY_CHANGES):
        message = (
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes."
        )
        return s3._error("InvalidRequest", message, 400)
    existing = (s3._ensure_bucket(bucket) or {"objects": {}})["objects"].get(key)
    return object_error(key, headers) or s3._check_put_preconditions(headers, existing)


def tags_error(body: bytes) -> Any:
    root = parse(body)
    keys = texts(root, "Key") if root is not None else []
    if len(set(keys)) < len(keys):
        return s3._error("InvalidTag", "Cannot provide multiple Tags with the same key", 400)
    if any(key.startswith("aws:") for key in keys):
        return s3._error("InvalidTag", "System tags cannot be added/updated by requester", 400)
    return None


def policy_error(bucket: str, body: bytes) -> Any:
    try:
        policy = json.loads(body)
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        message = "Policies must be valid JSON and the first byte must be '{'"
        return s3._error("MalformedPolicy", message, 400)
    if "Statement" not in policy:
        return s3._error("MalformedPolicy", "Missing required field Statement", 400)
    statements = policy["Statement"] or []
    for statement in statements if isinstance(statements, list) else [statements]:
        resources = statement.get("Resource") or []
        for resource in resources if isinstance(resources, list) else [resources]:
            name = resource.rpartition(":::")[2].partition("/")[0]
            if name != bucket and "*" not in name and "?" not in name:
                return s3._error("MalformedPolicy", "Policy has invalid resource", 400)
    return None


def cors_error(body: bytes) -> Any:
    root = parse(body)
    if root is None or not elements(root, "CORSRule"):
        return s3._error("MalformedXML", MALFORMED, 400)
    for method in texts(root, "AllowedMethod"):
        if method not in CORS_METHODS:
            message = f"Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            return s3._error("InvalidRequest", message, 400)
    return None


def dropping_tags(write: Any) -> Any:
    """Wrap a function that writes an object: a new object has only the tags of its own request."""

    def write_object(bucket: str, key: str, *arguments: Any, **named: Any) -> Any:
        place = (bucket, key, None)  # the versions of an object have tags of their own
        tags = s3._object_tags.pop(place, None)
        answer = write(bucket, key, *arguments, **named)
        if answer[0] >= 400 and tags is not None:
            s3._object_tags[place] = tags
        return answer

    return write_object


def delete_error(body: bytes) -> Any:
    root = parse(body)
    count = len(elements(root, "Object")) if root is not None else 0
    return None if 1 <= count <= MAX_DELETED else s3._error("MalformedXML", MALFORMED, 400)


def list_error(query: Any) -> Any:
    """Return the rejection of an encoding or a token that S3 does not know."""
    value = s3._qp(query, "encoding-type", "url")
    if value != "url":
        members = {"ArgumentName": "encoding-type", "ArgumentValue": value}
        return s3._error("InvalidArgument", "Invalid Encoding Method specified in Request", 400, extra=members)
    if s3._qp(query, "continuation-token", "token") == "":
        members = {"ArgumentName": "continuation-token"}
        return s3._error("InvalidArgument", "The continuation token provided is incorrect", 400, extra=members)
    return None


def listing(list_objects: Any) -> Any:
    """Wrap a list operation: at most 1000 keys, and where a token continues, StartAfter has no meaning."""

    def list_checked(bucket: str, query: Any) -> Any:
        query = dict(query)
        if int(s3._qp(query, "max-keys", str(MAX_LISTED))) > MAX_LISTED:
            query["max-keys"] = [str(MAX_LISTED)]
        if "continuation-token" in query:
            query.pop("start-after", None)
        return list_error(query) or list_objects(bucket, query)

    return list_checked


def without_reserved_names(is_valid: Any) -> Any:
    def is_bucket_name(name: str) -> bool:
        return is_valid(name) and not name.startswith(RESERVED_PREFIXES) and not name.endswith(RESERVED_SUFFIXES)

    return is_bucket_name


def checked(run: Any, error: Any) -> Any:
    """Wrap an operation: return the error that *error* finds in its arguments, or run it."""
    return lambda *arguments: error(*arguments) or run(*arguments)


def with_signed_conditions(merge: Any) -> Any:
    """Wrap the reading of headers from a presigned URL, which can have conditions as well."""

    def merged(headers: Headers, query: Any) -> Headers:
        found: Headers = merge(headers, query)
        if "X-Amz-Signature" not in query:
            return found
        conditions = {name.lower(): s3._qp(query, name) for name in query if name.lower() in CONDITIONS}
        return conditions | found

    return merged


def apply() -> None:
    s3._put_object = checked(
        dropping_tags(s3._put_object), lambda bucket, key, body, headers: object_error(key, headers)
    )
    s3._merge_hoisted_amz_headers = with_signed_conditions(s3._merge_hoisted_amz_headers)
    s3._copy_object = checked(s3._copy_object, copy_error)
    s3._complete_multipart_upload = checked(
        dropping_tags(s3._complete_multipart_upload),
        lambda bucket, key, body, query, headers=None: parts_error(bucket, key, body, query),
    )
    s3._delete_objects = checked(s3._delete_objects, lambda bucket, body, headers=None: delete_error(body))
    s3._put_object_tagging = checked(s3._put_object_tagging, lambda bucket, key, body, query=None: tags_error(body))
    s3._put_bucket_policy = checked(s3._put_bucket_policy, policy_error)
    s3._put_bucket_cors = checked(s3._put_bucket_cors, lambda bucket, body: cors_error(body))
    for name in ("_list_objects_v1", "_list_objects_v2", "_list_object_versions", "_list_multipart_uploads"):
        setattr(s3, name, listing(getattr(s3, name)))
    s3._validate_bucket_name = without_reserved_names(s3._validate_bucket_name)
