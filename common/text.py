"""Patterns of text that people may send us, for msgspec's ``Meta(pattern=…)``.

Neither control characters nor what stands for broken UTF-8 gets in.
"""

_BROKEN = r"\x7f-\x9f\ud800-\udfff\ufffd"

LINE = rf"\A(?=.*\S)[^\x00-\x1f{_BROKEN}]*\Z"
"""One line, with at least one character that is not a space."""

TEXT = rf"\A[^\x00-\x08\x0b\x0c\x0e-\x1f{_BROKEN}]*\Z"
"""Lines, with tabs and line ends."""

FILE_NAME = rf"\A[^/\\\x00-\x1f{_BROKEN}]+\Z"
"""A name without a path."""

MEDIA_TYPE = r"\A[a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+(; ?charset=[a-zA-Z0-9-]+)?\Z"
"""As in RFC 9110, section 8.3.1, with no parameter but a charset."""
