"""Gap: policy variables such as `${cognito-identity.amazonaws.com:sub}` and `${aws:PrincipalTag/x}` are not replaced.

Principal tags that an identity pool maps from claims have no value, because ministack does not add them to sessions.
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
No longer needed when a user of an identity pool, whose role allows `users/${cognito-identity.amazonaws.com:sub}/*`,
can put an object into that folder.
"""

import re
from typing import Any

from ministack.core import iam_evaluator as iam
from ministack.services import sts

VARIABLE = re.compile(r"\$\{([^},]+)(?:,\s*'([^']*)')?\}")
# Replaces a variable that has no value. No resource or condition value contains it, so the statement does not match.
NO_VALUE = "\0"


def replace_variables(policy_text: Any, context: Any) -> Any:
    """Return a policy string, list or block with its variables replaced by their values in the request."""
    if isinstance(policy_text, list):
        return [replace_variables(item, context) for item in policy_text]
    if isinstance(policy_text, dict):
        return {key: replace_variables(value, context) for key, value in policy_text.items()}
    if not isinstance(policy_text, str):
        return policy_text

    def value_of(variable: re.Match[str]) -> str:
        name, default = variable.groups()
        value = iam._resolve_condition_key(name.strip(), context)
        return value if isinstance(value, str) else default or NO_VALUE

    return VARIABLE.sub(value_of, policy_text)


def first_match(context: Any, statements: list[Any], effect: str) -> Any:
    for statement in statements:
        if (
            statement.effect == effect
            and iam._action_matches(context.action, statement.actions, statement.not_actions)
            and iam._resource_matches(
                context.resource_arn,
                replace_variables(statement.resources, context),
                replace_variables(statement.not_resources, context),
            )
            and iam._conditions_met(replace_variables(statement.conditions, context), context)
        ):
            return statement
    return None


def apply() -> None:
    principal_keys = iam._principal_keys

    def principal_keys_with_identity(credential: Any) -> dict[str, Any]:
        keys: dict[str, Any] = principal_keys(credential)
        session = sts._sessions.get(credential.access_key_id) or {}
        if session.get("_identity_id"):
            keys["cognito-identity.amazonaws.com:sub"] = session["_identity_id"]
            keys["cognito-identity.amazonaws.com:aud"] = session["_identity_pool_id"]
        return keys

    iam._principal_keys = principal_keys_with_identity
    iam._first_match = first_match
