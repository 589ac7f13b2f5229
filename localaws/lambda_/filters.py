"""Event filtering: which records match a mapping's FilterCriteria.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
A record passes if at least one pattern matches. A JSON pattern for the `data` of Kinesis or the `body` of SQS matches
only JSON, and a plain-string pattern matches only text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Pattern = dict[str, Any]
CONTENTS = ("data", "body")


class _Missing:
    """The value of an absent field, as opposed to `null`."""


MISSING = _Missing()


@dataclass(frozen=True)
class Filters:
    """The patterns of a mapping. Without patterns, every record passes."""

    patterns: tuple[Pattern, ...] = ()

    @classmethod
    def of(cls, criteria: dict[str, Any]) -> Filters:
        """Return the filters of a mapping's FilterCriteria."""
        return cls(tuple(parse(item["Pattern"]) for item in criteria.get("Filters", [])))

    def accept(self, event: dict[str, Any]) -> bool:
        """Return whether the record or message passes."""
        if not self.patterns:
            return True
        if "kinesis" in event:
            data = base64.b64decode(event["kinesis"]["data"]).decode(errors="replace")
            event = event | event["kinesis"] | {"data": data}
        return any(_passes(pattern, event) for pattern in self.patterns)


def parse(text: str) -> Pattern:
    """Parse a filter pattern. Raise ValueError if it is malformed."""
    pattern = json.loads(text)
    _check(pattern)
    return dict(pattern)


def _check(pattern: Any) -> None:
    if not isinstance(pattern, dict) or not pattern:
        raise ValueError("a pattern must be a JSON object with at least one key")
    for name, rules in pattern.items():
        if name == "$or" or isinstance(rules, dict):
            for branch in rules if name == "$or" else [rules]:
                _check(branch)
        else:
            _check_rules(name, rules)


def _check_rules(name: str, rules: Any) -> None:
    if not isinstance(rules, list) or not rules:
        raise ValueError(f"{name} must be a list of rules, and have at least one")
    for rule in rules:
        if isinstance(rule, dict) and (len(rule) != 1 or not rule.keys() <= {*OPERATORS, "exists"}):
            raise ValueError(f"unrecognized match type {', '.join(rule)}")


def _passes(pattern: Pattern, record: dict[str, Any]) -> bool:
    for name in CONTENTS:
        if name in pattern and name in record:
            try:
                content = json.loads(record[name])
            except ValueError:
                content = MISSING
            is_json = isinstance(content, dict | list)
            if is_json != isinstance(pattern[name], dict):
                return False
            record = record | {name: content if is_json else record[name]}
    return _matches(pattern, record)


def _matches(pattern: Pattern, value: Any) -> bool:
    if isinstance(value, list):
        return any(_matches(pattern, item) for item in value)
    return all(_field_matches(name, rules, value) for name, rules in pattern.items())


def _field_matches(name: str, rules: Any, value: Any) -> bool:
    if name == "$or":
        return any(_matches(branch, value) for branch in rules)
    found = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    if isinstance(rules, dict):
        return _matches(rules, found)
    return any(_allows(rule, found) for rule in rules)


def _allows(rule: Any, found: Any) -> bool:
    values = found if isinstance(found, list) else [found]
    if isinstance(rule, dict):
        ((operator, operand),) = rule.items()
        if operator == "exists":  # supports leaf nodes only
            return isinstance(found, _Missing | dict) != bool(operand)
        return any(OPERATORS[operator](operand, value) for value in values if value is not MISSING)
    return any(_equal(rule, value) for value in values)


def _equal(expected: Any, value: Any) -> bool:
    # True equals 1 in Python, but not in JSON.
    return isinstance(expected, bool) == isinstance(value, bool) and bool(expected == value)


def _affix(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def applies(operand: Any, value: Any) -> bool:
        if not isinstance(value, str):
            return False
        if isinstance(operand, dict):
            return test(value.casefold(), operand["equals-ignore-case"].casefold())
        return test(value, operand)

    return applies


def _anything_but(operand: Any, value: Any) -> bool:
    if isinstance(operand, dict):
        return not _allows(operand, value)
    return not any(_equal(other, value) for other in (operand if isinstance(operand, list) else [operand]))


COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


def _numeric(operand: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(COMPARISONS[comparison](value, bound) for comparison, bound in pairs)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "prefix": _affix(str.startswith),
    "suffix": _affix(str.endswith),
    "equals-ignore-case": lambda operand, value: isinstance(value, str) and value.casefold() == operand.casefold(),
    "anything-but": _anything_but,
    "numeric": _numeric,
}
