"""Gap: each request parses all policies of its caller again, which takes longer than the request itself needs.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
No longer needed when two requests of a role parse each of its policies once.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ministack.core import iam_evaluator

_KEPT = 1000
"""How many documents are kept parsed."""


def parsed_once(parse: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """Wrap the parser of policies: a document that is text is parsed once. Nobody changes what it returns."""
    parse_text = lru_cache(_KEPT)(parse)
    return lambda document: (parse_text if isinstance(document, str) else parse)(document)


def apply() -> None:
    iam_evaluator.parse_policy_document = parsed_once(iam_evaluator.parse_policy_document)
