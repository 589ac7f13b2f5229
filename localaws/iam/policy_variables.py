"""Gap: a policy's variables, `${cognito-identity.amazonaws.com:sub}` or `${aws:PrincipalTag/x}`, stay text.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
The tags that an identity pool maps from claims are not there: ministack gives them to no session.
No longer needed when a role whose policy names `users/${cognito-identity.amazonaws.com:sub}/*` lets a user of
an identity pool put an object into that folder.
"""

import re
from typing import Any

from ministack.core import iam_evaluator as iam
from ministack.services import sts

VARIABLE = re.compile(r"\$\{([^},]+)(?:,\s*'([^']*)')?\}")
# Stands for a value that is not there, so that the text around it matches nothing.
NOTHING = "\0"


def filled(policy_text: Any, context: Any) -> Any:
    """The text, or all texts of the list or block, with each variable's value of this request."""
    if isinstance(policy_text, list):
        return [filled(item, context) for item in policy_text]
    if isinstance(policy_text, dict):
        return {key: filled(value, context) for key, value in policy_text.items()}
    if not isinstance(policy_text, str):
        return policy_text

    def value_of(variable: re.Match[str]) -> str:
        name, default = variable.groups()
        value = iam._resolve_condition_key(name.strip(), context)
        return value if isinstance(value, str) else default or NOTHING

    return VARIABLE.sub(value_of, policy_text)


def first_match(context: Any, statements: list[Any], effect: str) -> Any:
    for statement in statements:
        if (
            statement.effect == effect
            and iam._action_matches(context.action, statement.actions, statement.not_actions)
            and iam._resource_matches(
                context.resource_arn,
                filled(statement.resources, context),
                filled(statement.not_resources, context),
            )
            and iam._conditions_met(filled(statement.conditions, context), context)
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
