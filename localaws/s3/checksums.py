"""Gap: S3 computes no checksum for a request that names none, and answers and lists leave checksums out.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
No longer needed when PutObject without a checksum returns ChecksumCRC64NVME, and ListObjectsV2 a ChecksumType.
"""

from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from localaws.s3 import crc64

type Headers = dict[str, str]

DEFAULT = "CRC64NVME"


def with_default_checksum(build: Any) -> Any:
    """Wrap the building of a new object: one without a checksum gets CRC-64/NVME."""

    def build_object(
        body: bytes, headers: Headers, etag: str | None = None, checksums: dict[str, str] | None = None
    ) -> Any:
        return build(body, headers, etag, checksums or {DEFAULT: s3._compute_s3_checksum(DEFAULT, body)})

    return build_object


def answering_checksums(put: Any) -> Any:
    """Wrap PutObject."""

    def put_object(bucket: str, key: str, body: bytes, headers: Headers) -> Any:
        status, answer, content = put(bucket, key, body, headers)
        if status < 400:
            answer |= checksum_headers(s3._buckets[bucket]["objects"][key])
        return status, answer, content

    return put_object


def checksum_headers(record: Any) -> Headers:
    checksums = {f"x-amz-checksum-{name.lower()}": value for name, value in (record.get("checksums") or {}).items()}
    return checksums | {"x-amz-checksum-type": record.get("checksum_type") or "FULL_OBJECT"} if checksums else {}


def with_checksum_of_object(complete: Any) -> Any:
    """Wrap CompleteMultipartUpload: an upload that named no algorithm gets a checksum of the whole object."""

    def complete_upload(bucket: str, key: str, body: bytes, query: Any, request: Headers | None = None) -> Any:
        upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
        answer = complete(bucket, key, body, query, request)
        if answer[0] >= 400 or upload is None or upload.get("checksum_algorithm"):
            return answer
        record = s3._buckets[bucket]["objects"][key]
        checksum = s3._compute_s3_checksum(DEFAULT, s3._read_body(bucket, key, record))
        record |= {"checksums": {DEFAULT: checksum}, "checksum_type": "FULL_OBJECT"}
        if s3.S3_PERSIST:
            s3._persist_object(bucket, key, record)
        added = f"<Checksum{DEFAULT}>{checksum}</Checksum{DEFAULT}><ChecksumType>FULL_OBJECT</ChecksumType></"
        status, headers, content = answer
        answer = (status, headers, added.encode().join(content.rsplit(b"</", 1)))
        s3._completed_multipart_uploads[s3._qp(query, "uploadId")] = {"key": key, "response": answer}
        return answer

    return complete_upload


def with_checksums_in_lists(write: Any) -> Any:
    """Wrap the writing of an XML body."""

    def xml_body(root: Element) -> bytes:
        if root.tag == "ListBucketResult":
            objects = s3._buckets[root.findtext("Name")]["objects"]
            is_encoded = root.findtext("EncodingType") == "url"
            for entry in root.findall("Contents"):
                key = entry.findtext("Key") or ""
                add_checksums(entry, objects[s3.url_unquote(key) if is_encoded else key])
        body: bytes = write(root)
        return body

    return xml_body


def add_checksums(entry: Element, record: Any) -> None:
    checksums = record.get("checksums") or {}
    for name in checksums:
        SubElement(entry, "ChecksumAlgorithm").text = name
    if checksums:
        SubElement(entry, "ChecksumType").text = record.get("checksum_type") or "FULL_OBJECT"


def apply() -> None:
    s3._crc64nvme = crc64.crc64nvme
    s3._build_object_record = with_default_checksum(s3._build_object_record)
    s3._put_object = answering_checksums(s3._put_object)
    s3._complete_multipart_upload = with_checksum_of_object(s3._complete_multipart_upload)
    s3._xml_body = with_checksums_in_lists(s3._xml_body)
