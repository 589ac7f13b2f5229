"""Gap: a deletion of a version succeeds in a bucket that has no versions.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
No longer needed when DeleteObject with a version id in a bucket without versioning gets InvalidArgument.
"""

from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from localaws.s3.requests import elements, parse, texts

MESSAGE = "The specified version does not exist."


def has_no_versions(bucket: str) -> bool:
    return bucket in s3._buckets and bucket not in s3._bucket_versioning


def version_error(bucket: str, key: str, headers: Any = None, query: Any = None) -> Any:
    """Return the rejection of a version id that cannot be one of the bucket."""
    version = s3._qp(query or {}, "versionId")
    if version in ("", "null") or not has_no_versions(bucket):
        return None
    members = {"ArgumentName": "versionId", "ArgumentValue": version}
    return s3._error("InvalidArgument", "Invalid version id specified", 400, extra=members)


def without_versions(delete: Any) -> Any:
    """Wrap DeleteObjects: it answers with an error for each version."""

    def delete_objects(bucket: str, body: bytes, headers: Any = None) -> Any:
        root = parse(body)
        if root is None or not has_no_versions(bucket):
            return delete(bucket, body, headers)
        versions = [each for each in elements(root, "Object") if set(texts(each, "VersionId")) - {"", "null"}]
        for each in versions:
            root.remove(each)
        status, answer, content = delete(bucket, s3._xml_body(root), headers)
        return status, answer, with_errors(content, versions) if status == 200 and versions else content

    return delete_objects


def with_errors(content: bytes, versions: list[Element]) -> bytes:
    result = s3.fromstring(content)
    for version in versions:
        error = SubElement(result, f"{{{s3.S3_NS}}}Error")
        members = {"Key": texts(version, "Key")[0], "VersionId": texts(version, "VersionId")[0]}
        for name, value in (members | {"Code": "NoSuchVersion", "Message": MESSAGE}).items():
            SubElement(error, f"{{{s3.S3_NS}}}{name}").text = value
    written: bytes = s3._xml_body(result)
    return written


def apply() -> None:
    delete = s3._delete_object
    s3._delete_object = lambda *arguments, **more: version_error(*arguments, **more) or delete(*arguments, **more)
    s3._delete_objects = without_versions(s3._delete_objects)
