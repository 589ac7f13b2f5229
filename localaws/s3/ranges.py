"""Gap: S3 refuses a range that is not valid, and leaves the checksum out of an answer with the whole object.

A server ignores a Range header that is not valid, and S3 one with several ranges: the answer is the whole object.
RFC 9110, 14.2: https://www.rfc-editor.org/rfc/rfc9110#section-14.2
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
No longer needed when GetObject with the range bytes=1-0 returns the object.
"""

import re
from typing import Any

from ministack.services import s3

from localaws.s3.checksums import checksum_headers

type Headers = dict[str, str]

RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


def is_valid(text: str) -> bool:
    found = RANGE.fullmatch(text)
    return found is not None and not (found[2] and int(found[2]) < int(found[1]))


def with_valid_range(get: Any) -> Any:
    """Wrap GetObject."""

    def get_object(bucket: str, key: str, headers: Headers, query: Any = None) -> Any:
        if not is_valid(headers.get("range", "")):
            headers = {name: value for name, value in headers.items() if name != "range"}
        status, answer, content = get(bucket, key, headers, query)
        if status == 206 and "range" in headers and headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            record = s3._buckets[bucket]["objects"].get(key)
            if record and len(content) == record["size"]:
                answer |= checksum_headers(record)
        return status, answer, content

    return get_object


def apply() -> None:
    s3._get_object = with_valid_range(s3._get_object)
