"""Gap: an event's key with a dot matches no nested pattern, and some invalid patterns get another reason.

AWS matches paths: `a.b` and `b` in `a` are the same one. A detail that is a text has no keys. Of the patterns that AWS
finds too complex, those with many wildcards are accepted here.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern.html
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
No longer needed when the pattern {"detail": {"a": {"b": ["c"]}}} matches the detail {"a.b": "c"}.
"""

import json
from typing import Any

from ministack.services import eventbridge

type Json = dict[str, Any]

AFFIXES = ("prefix", "suffix")


def nested(event: Any) -> Any:
    """Return an object with the keys that have dots as nested objects."""
    if not isinstance(event, dict) or not any("." in key for key in event):
        return event
    found: Json = {}
    for key, value in event.items():
        first, _, rest = key.partition(".")
        merge(found, first, {rest: value} if rest else value)
    return found


def merge(found: Json, key: str, value: Any) -> None:
    """Add a value; two objects become one, other values alternatives."""
    existing = found.get(key)
    if key not in found:
        found[key] = value
    elif isinstance(existing, dict) and isinstance(value, dict):
        found[key] = existing | value
    else:
        found[key] = [existing, value]


def matching_paths(matches: Any) -> Any:
    """Wrap the match of an object, which calls itself for nested objects."""

    def matches_object(event: Any, pattern: Any) -> bool:
        return bool(matches(nested(event), pattern))

    return matches_object


def with_text_detail(convert: Any) -> Any:
    """Wrap the conversion of the event of TestEventPattern: a detail that is a text stays one."""

    def convert_event(event: Json) -> Json:
        detail = event.get("detail")
        converted: Json = convert(event)
        return converted | {"Detail": json.dumps(detail)} if isinstance(detail, str) else converted

    return convert_event


def with_reasons(validate: Any) -> Any:
    """Wrap the check of an operator inside `anything-but`."""

    def validate_nested(operator: str, operand: Any) -> None:
        if operator in AFFIXES and isinstance(operand, dict):
            raise eventbridge._InvalidPattern("Value of anything-but must be an array or single string/number value.")
        if operator in AFFIXES and isinstance(operand, list) and not all(isinstance(each, str) for each in operand):
            raise eventbridge._InvalidPattern("prefix/suffix match pattern must be a string")
        validate(operator, operand)

    return validate_nested


def apply() -> None:
    eventbridge._event_from_test_payload = with_text_detail(eventbridge._event_from_test_payload)
    eventbridge._matches_detail = matching_paths(eventbridge._matches_detail)
    eventbridge._validate_anything_but_nested = with_reasons(eventbridge._validate_anything_but_nested)
