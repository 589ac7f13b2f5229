"""The form of a subscription's filter policy, and how complex it may be.

https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
"""

from math import prod
from typing import Any

MAX_KEYS = 5
MAX_COMBINATIONS = 150
MATCHES = frozenset(("anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"))


def validate(policy: dict[str, Any], *, nested: bool) -> None:
    """Raise ValueError if the policy is too complex, or one of its rules has not the form of a rule."""
    rules = list(flat_rules(policy, nested))
    if len(rules) > MAX_KEYS:
        raise ValueError(f"FilterPolicy: Filter policy can not have more than {MAX_KEYS} keys")
    if prod(len(values) * depth for depth, _, values in rules) > MAX_COMBINATIONS:
        raise ValueError("FilterPolicy: Filter policy is too complex")
    for _, _, values in rules:
        for value in values:
            validate_rule(value)


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
    if kind == "exists" and not isinstance(operand, bool):
        raise ValueError("FilterPolicy: exists match pattern must be either true or false.")
    if kind in ("prefix", "suffix", "equals-ignore-case", "wildcard") and not isinstance(operand, str):
        raise ValueError(f"FilterPolicy: {kind} match pattern must be a string")
