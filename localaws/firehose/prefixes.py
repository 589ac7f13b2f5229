"""The keys of S3 objects: the expressions of a prefix, and the suffix.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html
Firehose appends yyyy/MM/dd/HH/ to a prefix without a timestamp expression.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

HOUR = "!{timestamp:yyyy/MM/dd/HH/}"
RANDOM_LENGTH = 11

_EXPRESSION = re.compile(r"!\{(\w+):([^}]*)\}")
_TIME_PART = re.compile(r"'([^']*)'|(y+|M+|d+|D+|H+|m+|s+)|([A-Za-z])")
_DIRECTIVES = {"y": "%Y", "M": "%m", "d": "%d", "D": "%j", "H": "%H", "m": "%M", "s": "%S"}
_NAMED = {"yy": "%y", "MMM": "%b", "MMMM": "%B"}


def with_partition_keys(prefix: str, keys: Mapping[str, str]) -> str:
    """Return the prefix with its partition keys replaced. Raise KeyError if a key is missing or empty."""

    def value(expression: re.Match[str]) -> str:
        namespace, name = expression.groups()
        if namespace != "partitionKeyFromLambda":
            return expression[0]
        if not keys.get(name):
            raise KeyError(name)
        return keys[name]

    return _EXPRESSION.sub(value, prefix)


def evaluate(prefix: str, moment: datetime, error_type: str = "") -> str:
    """Return the prefix with its timestamp, random-string and error-output-type expressions replaced.

    Raises ValueError for an unknown expression.
    """

    def value(expression: re.Match[str]) -> str:
        match expression.groups():
            case "timestamp", pattern:
                return format_time(moment, pattern)
            case "firehose", "random-string":
                return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(RANDOM_LENGTH))
            case "firehose", "error-output-type":
                return error_type
        raise ValueError(f"unknown expression {expression[0]}")

    return _EXPRESSION.sub(value, prefix if "!{timestamp:" in prefix else prefix + HOUR)


def error_prefix(prefix: str, error_prefix: str) -> str:
    """Return the ErrorOutputPrefix. By default, errors go to a folder under the prefix."""
    return error_prefix or prefix + "!{firehose:error-output-type}/"


def suffix(stream: str, version: str, moment: datetime, extension: str) -> str:
    """Return the part of an object's key after the prefix."""
    return f"{stream}-{version}-{moment:%Y-%m-%d-%H-%M-%S}-{uuid4()}{extension}"


def format_time(moment: datetime, pattern: str) -> str:
    """Format *moment* by a pattern of Java's DateTimeFormatter. Supports numbers and names of months.

    Raises ValueError for other pattern letters.
    """

    def part(found: re.Match[str]) -> str:
        literal, letters, unknown = found.groups()
        if literal is not None:
            return literal or "'"
        if unknown:
            raise ValueError(f"unknown pattern letter {unknown} in {pattern}")
        if letters in _NAMED:
            return moment.strftime(_NAMED[letters])
        return str(int(moment.strftime(_DIRECTIVES[letters[0]]))).zfill(len(letters))

    return _TIME_PART.sub(part, pattern)
