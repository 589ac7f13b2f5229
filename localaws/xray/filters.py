"""X-Ray's filter expressions, the simple part of them: conditions that are joined by AND.

What is missing is refused by its name: OR, parentheses, `edge`, `id`, `group.name`, root causes, and conditions in
braces.
AWS: https://docs.aws.amazon.com/xray/latest/devguide/xray-console-filters.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

type Summary = dict[str, Any]
type Condition = Callable[[Summary], bool]

FLAGS: dict[str, Condition] = {
    "ok": lambda each: not each["HasError"] and not each["HasFault"],
    "error": lambda each: each["HasError"],
    "throttle": lambda each: each["HasThrottle"],
    "fault": lambda each: each["HasFault"],
    "partial": lambda each: each["IsPartial"],
}
VALUES: dict[str, Callable[[Summary], list[Any]]] = {
    "responsetime": lambda each: [each["ResponseTime"]],
    "duration": lambda each: [each["Duration"]],
    "http.status": lambda each: _http(each, "HttpStatus"),
    "http.url": lambda each: _http(each, "HttpURL"),
    "http.method": lambda each: _http(each, "HttpMethod"),
    "http.useragent": lambda each: _http(each, "UserAgent"),
    "http.clientip": lambda each: _http(each, "ClientIp"),
    "user": lambda each: [user["UserName"] for user in each["Users"]],
}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "CONTAINS": lambda value, part: part in value,
    "BEGINSWITH": lambda value, part: value.startswith(part),
    "ENDSWITH": lambda value, part: value.endswith(part),
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>\d+(?:\.\d+)?)|(?P<word>[A-Za-z][\w.]*)|(?P<sign>[<>!]=|\S))"""
)


class InvalidFilter(Exception):
    """The expression is wrong, or localaws does not have a part of it. The message names the part."""


def condition(expression: str) -> Condition:
    """Return the function that tells whether a summary meets the expression. Raises InvalidFilter."""
    tokens = _tokens(expression)
    conditions = []
    while tokens:
        conditions.append(_condition(tokens))
        if tokens and tokens[0] == "AND":
            tokens.pop(0)
            if not tokens:
                raise InvalidFilter("The filter expression ends with AND.")
    return lambda summary: all(each(summary) for each in conditions)


def _tokens(expression: str) -> list[Any]:
    tokens: list[Any] = []
    for found in _TOKEN.finditer(expression):
        if found["text"]:
            tokens.append(("value", re.sub(r"\\(.)", r"\1", found["text"][1:-1])))
        elif found["number"]:
            tokens.append(("value", float(found["number"])))
        else:
            tokens.append(found["word"] or found["sign"])
    return tokens


def _condition(tokens: list[Any]) -> Condition:
    word = tokens.pop(0)
    if word == "!":
        if not tokens:
            raise InvalidFilter("The filter expression ends with !.")
        inner = _condition(tokens)
        return lambda summary: not inner(summary)
    if word in FLAGS:
        return _flag(word, tokens)
    if word == "service":
        return _service(tokens)
    if isinstance(word, str) and (word in VALUES or word.startswith("annotation.")):
        return _comparison(word, tokens)
    raise InvalidFilter(f"localaws does not have `{word}` in filter expressions.")


def _flag(word: str, tokens: list[Any]) -> Condition:
    has = FLAGS[word]
    if tokens[:1] not in (["="], ["!="]):
        return has
    wanted = (tokens[1:2] == ["true"]) == (tokens[0] == "=")
    if tokens[1:2] not in (["true"], ["false"]):
        raise InvalidFilter(f"`{word}` is compared with true or false.")
    del tokens[:2]
    return lambda summary: has(summary) == wanted


def _service(tokens: list[Any]) -> Condition:
    match tokens[:3]:
        case ["(", ("value", str(name)), ")"]:
            del tokens[:3]
            return lambda summary: any(each["Name"] == name for each in summary["ServiceIds"])
    raise InvalidFilter('`service` needs a name, for example service("orders").')


def _comparison(word: str, tokens: list[Any]) -> Condition:
    match tokens[:2]:
        case [str(sign), ("value", wanted)] if sign in COMPARISONS:
            compare = COMPARISONS[sign]
        case [str(sign), ("true" | "false") as flag] if sign in ("=", "!="):
            compare, wanted = COMPARISONS[sign], flag == "true"
        case _:
            raise InvalidFilter(f"`{word}` needs an operator and a value, for example {word} = 1.")
    if sign.isalpha() and not isinstance(wanted, str):
        raise InvalidFilter(f"{sign} needs a text in quotation marks.")
    del tokens[:2]
    read = VALUES.get(word) or (lambda summary: _annotations(summary, word.removeprefix("annotation.")))
    return lambda summary: any(isinstance(v, type(wanted)) and compare(v, wanted) for v in map(_value, read(summary)))


def _value(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _http(summary: Summary, name: str) -> list[Any]:
    return [summary["Http"][name]] if name in summary["Http"] else []


def _annotations(summary: Summary, name: str) -> list[Any]:
    found = summary["Annotations"].get(name, ())
    return [value for each in found for value in each["AnnotationValue"].values()]
