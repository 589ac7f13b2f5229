"""Gap: a filter policy of a message body does not look into arrays of objects, and takes a dot for a part of a name.

A key of the policy with dots is the path of a nested property. A property in an array of objects matches if one of them
does.
AWS: https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html
AWS: https://docs.aws.amazon.com/sns/latest/dg/and-or-logic.html
No longer needed when a message with `{"a": [{"b": "c"}]}` matches the filter policy `{"a": {"b": ["c"]}}` of its body.
"""

import json
from collections.abc import Iterator
from typing import Any

from ministack.services import sns


def values_at(body: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield the values at a path of a JSON value; a name may itself contain dots."""
    if isinstance(body, list):
        for item in body:
            yield from values_at(item, path)
    elif not path:
        yield body
    elif isinstance(body, dict):
        for length in range(1, len(path) + 1):
            name = ".".join(path[:length])
            if name in body:
                yield from values_at(body[name], path[length:])


def matches(policy: dict[str, Any], body: dict[str, Any], before: tuple[str, ...] = ()) -> bool:
    """Return whether the body matches each key of the filter policy; *before* is the path of the policy."""
    for key, rules in policy.items():
        if key == "$or" and sns._is_or_operator(rules):
            if not any(matches(one, body, before) for one in rules):
                return False
            continue
        path = (*before, *key.split("."))
        if isinstance(rules, dict):
            if not matches(rules, body, path):
                return False
            continue
        found = list(values_at(body, path))
        if not sns._key_matches(rules if isinstance(rules, list) else [rules], bool(found), found, bool(body)):
            return False
    return True


def with_paths(matches_policy: Any) -> Any:
    def matches_filter_policy(subscription: dict[str, Any], attributes: Any, message: str = "") -> Any:
        stored = subscription["attributes"]
        if not stored.get("FilterPolicy") or stored.get("FilterPolicyScope") != "MessageBody":
            return matches_policy(subscription, attributes, message)
        try:
            body = json.loads(message)
        except ValueError:
            return False
        return isinstance(body, dict) and matches(json.loads(stored["FilterPolicy"]), body)

    return matches_filter_policy


def apply() -> None:
    sns._matches_filter_policy = with_paths(sns._matches_filter_policy)
