"""The form of a subscription's filter policy, and how complex it may be.

https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
"""

from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

MAX_KEYS = 5
MAX_COMBINATIONS = 150
MATCHES = frozenset(("anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"))


def validate(policy: dict[str, Any], *, nested: bool) -> None:
    """Raise ValueError if the policy is too complex, or one of its rules has not the form of a rule."""
    rules = list(flat_rules(policy, nested))
    if len(rules) > MAX_KEYS:
        raise ValueError(f"FilterPolicy: Filter policy can not have more than {MAX_KEYS} keys")
    if combinations(policy) > MAX_COMBINATIONS:
        raise ValueError("FilterPolicy: Filter policy is too complex")
    for _, _, values in rules:
        for value in values:
            validate_rule(value)


def combinations(policy: dict[str, Any], depth: int = 1) -> int:
    """Return the number of combinations: keys are multiplied, a nested key counts as often as it is deep, and the
    alternatives of `$or` are added.
    """
    found = 1
    for key, value in policy.items():
        if key == "$or" and isinstance(value, list):
            found *= sum(combinations(alternative, depth) for alternative in value)
        elif isinstance(value, dict):
            found *= combinations(value, depth + 1)
        else:
            found *= len(value) * depth
    return found


def flat_rules(policy: dict[str, Any], nested: bool, depth: int = 1) -> Any:
    """Yield (depth, key, values) of each rule."""
    for key, value in policy.items():
        if isinstance(value, list):
            if key == "$or":
                for alternative in value:
                    yield from flat_rules(alternative, nested, depth)
            elif not value:
                raise ValueError("FilterPolicy: Empty arrays are not allowed")
            else:
                yield depth, key, value
        elif not isinstance(value, dict):
            raise ValueError(f'FilterPolicy: "{key}" must be an object or an array')
        elif nested:
            yield from flat_rules(value, nested, depth + 1)
        else:
            list(flat_rules(value, nested))
            raise ValueError("Filter policy scope MessageAttributes does not support nested filter policy")


def validate_rule(value: Any) -> None:
    if isinstance(value, list):
        raise ValueError("FilterPolicy: Match value must be String, number, true, false, or null")
    if not isinstance(value, dict):
        return
    if len(value) != 1:
        raise ValueError("FilterPolicy: Only one key allowed in match expression")
    ((kind, operand),) = value.items()
    if kind not in MATCHES:
        raise ValueError(f"FilterPolicy: Unrecognized match type {kind}")
    if check := CHECKS.get(kind):
        check(operand)


def validate_exists(operand: Any) -> None:
    if not isinstance(operand, bool):
        raise ValueError("FilterPolicy: exists match pattern must be either true or false.")


def validate_anything_but(operand: Any) -> None:
    for pattern, text in operand.items() if isinstance(operand, dict) else ():
        if pattern != "prefix":
            raise ValueError(f"FilterPolicy: Unsupported anything-but pattern: {pattern}")
        validate_text(pattern, text)


def validate_text(kind: str, operand: Any) -> None:
    if not isinstance(operand, str):
        raise ValueError(f"FilterPolicy: {kind} match pattern must be a string")


def validate_cidr(operand: Any) -> None:
    validate_text("prefix", operand)  # AWS names it so
    address, slash, bits = operand.partition("/")
    if not slash or "/" in bits:
        raise ValueError("FilterPolicy: Malformed CIDR, one '/' required")
    if not bits.isdigit():
        raise ValueError("FilterPolicy: Malformed CIDR, mask bits must be an integer")
    try:
        ip_address(address)
    except ValueError:
        raise ValueError(f"FilterPolicy: Nonstandard IP address: {address}") from None


def validate_numeric(operand: Any) -> None:
    """Raise ValueError unless the operand is a comparison, or the lower and the upper end of a range."""
    terms = list(operand) if isinstance(operand, list) else []
    if not terms or not isinstance(terms[0], str):
        raise ValueError(f"FilterPolicy: Invalid member in numeric match: {terms[0] if terms else ']'}")
    operator = terms[0]
    if operator not in ("=", "<", "<=", ">", ">="):
        raise ValueError(f"FilterPolicy: Unrecognized numeric range operator: {operator}")
    low = number(terms, 1, "equals" if operator == "=" else operator)
    if len(terms) > 2:
        validate_range(terms, operator, low)


def validate_range(terms: list[Any], operator: str, low: float) -> None:
    if operator not in (">", ">="):
        raise ValueError("FilterPolicy: Too many elements in numeric expression")
    if not isinstance(terms[2], str):
        raise ValueError(f"FilterPolicy: Bad value in numeric range: {terms[2]}")
    if terms[2] not in ("<", "<="):
        raise ValueError(f"FilterPolicy: Bad numeric range operator: {terms[2]}")
    high = number(terms, 3, terms[2])
    if low >= high:
        raise ValueError("FilterPolicy: Bottom must be less than top")
    if len(terms) > 4:
        raise ValueError("FilterPolicy: Too many terms in numeric range expression")


def number(terms: list[Any], position: int, operator: str) -> float:
    value = terms[position] if len(terms) > position else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"FilterPolicy: Value of {operator} must be numeric")
    return value


CHECKS: dict[str, Callable[[Any], None]] = {
    "anything-but": validate_anything_but,
    "cidr": validate_cidr,
    "exists": validate_exists,
    "numeric": validate_numeric,
    **{kind: partial(validate_text, kind) for kind in ("equals-ignore-case", "prefix", "suffix", "wildcard")},
}
"""By match type: the check of its operand."""
