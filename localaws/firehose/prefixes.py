"""The names of objects: what the expressions in a prefix stand for, and what follows it.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html
A prefix that says nothing of time gets the hour at its end.
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


def with_keys(prefix: str, keys: Mapping[str, str]) -> str:
    """Return the prefix with the partition keys in place; raise KeyError if one is missing or empty."""

    def value(expression: re.Match[str]) -> str:
        namespace, name = expression.groups()
        if namespace != "partitionKeyFromLambda":
            return expression[0]
        if not keys.get(name):
            raise KeyError(name)
        return keys[name]

    return _EXPRESSION.sub(value, prefix)


def evaluated(prefix: str, moment: datetime, error_type: str = "") -> str:
    """Return the prefix with time, random string and error type in place."""

    def value(expression: re.Match[str]) -> str:
        match expression.groups():
            case "timestamp", pattern:
                return formatted(moment, pattern)
            case "firehose", "random-string":
                return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(RANDOM_LENGTH))
            case "firehose", "error-output-type":
                return error_type
        raise ValueError(f"{expression[0]} means nothing")

    return _EXPRESSION.sub(value, prefix if "!{timestamp:" in prefix else prefix + HOUR)


def error_prefix(prefix: str, error_prefix: str) -> str:
    """Return the prefix of errors, which without one of their own go beside the others."""
    return error_prefix or prefix + "!{firehose:error-output-type}/"


def suffix(stream: str, version: str, moment: datetime, extension: str) -> str:
    """Return the last part of an object's name."""
    return f"{stream}-{version}-{moment:%Y-%m-%d-%H-%M-%S}-{uuid4()}{extension}"


def formatted(moment: datetime, pattern: str) -> str:
    """Return the moment in a pattern of Java's DateTimeFormatter, as far as it has numbers and names of months."""

    def part(found: re.Match[str]) -> str:
        literal, letters, unknown = found.groups()
        if literal is not None:
            return literal or "'"
        if unknown:
            raise ValueError(f"{unknown} in {pattern} means nothing")
        if letters in _NAMED:
            return moment.strftime(_NAMED[letters])
        return str(int(moment.strftime(_DIRECTIVES[letters[0]]))).zfill(len(letters))

    return _TIME_PART.sub(part, pattern)
