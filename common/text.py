"""Patterns of text that callers may send, for msgspec's ``Meta(pattern=…)``.

They refuse control characters and broken UTF-8.
"""

_BROKEN = r"\x7f-\x9f\ud800-\udfff\ufffd"

LINE = rf"\A(?=.*\S)[^\x00-\x1f{_BROKEN}]*\Z"
"""One line with at least one character that is not a space."""

TEXT = rf"\A[^\x00-\x08\x0b\x0c\x0e-\x1f{_BROKEN}]*\Z"
"""Any number of lines; tabs are allowed."""

FILE_NAME = rf"\A(?!.*\$\{{filename\}})[^/\\\x00-\x1f{_BROKEN}]+\Z"
"""A file name without a path.

In a form, S3 replaces ``${filename}`` by the name of the file that is sent. So it would make a signed upload of one key
an upload of any key: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

MEDIA_TYPE = r"\A[a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+(; ?charset=[a-zA-Z0-9-]+)?\Z"
"""A media type (RFC 9110, section 8.3.1) without parameters except a charset."""
