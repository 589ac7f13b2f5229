"""Gap: PutTargets accepts input transformers that AWS rejects, and a transformer renders lists and objects differently.

A template that is a JSON object delivers nothing if one of its texts contains a list or an object.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
AWS: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_InputTransformer.html
No longer needed when PutTargets rejects a template with a placeholder that is not in its map.
"""

import json
import logging
import re
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import eventbridge

type Json = dict[str, Any]

PLACEHOLDER = re.compile(r"<([^<>]*)>")
TEXT = re.compile(r'"(?:\\.|[^"\\])*"')
KINDS = ("Input", "InputPath", "InputTransformer")

logger = logging.getLogger(__name__)


class NotJsonError(Exception):
    """A transformed input that would not be JSON."""


def inputs_error(data: Json) -> Any:
    for target in data.get("Targets") or []:
        if sum(kind in target for kind in KINDS) > 1:
            only = f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
            return error_response_json("ValidationException", only, 400)
        transformer = target.get("InputTransformer") or {}
        for name in PLACEHOLDER.findall(transformer.get("InputTemplate") or ""):
            if name not in (transformer.get("InputPathsMap") or {}) and not name.startswith("aws.events."):
                unknown = f"InputTemplate for target {target['Id']} contains invalid placeholder {name}."
                return error_response_json("ValidationException", unknown, 400)
    return None


def rendered(name: str, token: str, replacements: Json, in_string: bool) -> str:
    """Return the value of a placeholder. In a text, an object has neither quotes nor spaces."""
    if name not in replacements:
        return token
    value = replacements[name]
    if name == "aws.events.event":  # the only place where AWS spells the member so
        value = {("detailType" if key == "detail-type" else key): item for key, item in value.items()}
    if isinstance(value, str):
        return value if in_string else json.dumps(value)
    return json.dumps(value, separators=(",", ":")).replace('"', "") if in_string else json.dumps(value)


def with_check(render: Any) -> Any:
    """Raise NotJsonError for a JSON template with a list or object in a text."""

    def render_checked(template: str, replacements: Json) -> Any:
        if template.lstrip().startswith("{"):
            for text in TEXT.findall(template):
                if any(isinstance(replacements.get(name), (dict, list)) for name in PLACEHOLDER.findall(text)):
                    raise NotJsonError(template)
        return render(template, replacements)

    return render_checked


def without_failures(invoke: Any) -> Any:
    def invoke_target(*event: Any) -> None:
        try:
            invoke(*event)
        except NotJsonError as error:
            logger.warning("The input of a target is not JSON: %s", error)

    return invoke_target


def apply() -> None:
    put_targets = eventbridge._put_targets
    eventbridge._put_targets = lambda data: inputs_error(data) or put_targets(data)
    eventbridge._render_placeholder = rendered
    eventbridge._render_input_template = with_check(eventbridge._render_input_template)
    eventbridge._invoke_target = without_failures(eventbridge._invoke_target)
