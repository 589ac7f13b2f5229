"""Gap: IAM and STS accept policies, ARNs and session names that AWS rejects, and GetUser always describes root.

A trust policy must be JSON. An attached policy must exist; the emulator has few of AWS's own policies, so every name of
these is accepted.
AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html
AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetUser.html
AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
No longer needed when AttachRolePolicy of a policy that does not exist answers NoSuchEntity.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qs

from ministack.core.iam_evaluator import CredentialResolutionError
from ministack.services import iam, sts

type Params = dict[str, Any]

SESSION_NAME = re.compile(r"[\w+=,.@-]*", re.ASCII)


def trust_error(document: str | None) -> Any:
    try:
        json.loads(document or "")
    except ValueError:
        return iam._error(400, "MalformedPolicyDocument", "This policy contains invalid Json", ns="iam")
    return None


def attached_error(params: Params) -> Any:
    arn = iam._p(params, "PolicyArn")
    if len(arn.split(":")) < 6:
        return iam._error(400, "ValidationError", "Invalid ARN:  Could not be parsed!", ns="iam")
    if iam._policy_exists(arn) or arn.startswith("arn:aws:iam::aws:policy/"):
        return None
    return iam._error(404, "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", ns="iam")


CHECKS = {
    "CreateRole": lambda params: trust_error(iam._p(params, "AssumeRolePolicyDocument")),
    "UpdateAssumeRolePolicy": lambda params: trust_error(iam._p(params, "PolicyDocument")),
    "AttachRolePolicy": attached_error,
    "AttachUserPolicy": attached_error,
    "AttachGroupPolicy": attached_error,
}


def checked(handle: Any, error: Any) -> Any:
    return lambda params: error(params) or handle(params)


def with_caller(handle_request: Any) -> Any:
    """Let GetUser without a name describe the user who calls."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Params) -> Any:
        params = query | parse_qs(body.decode(errors="replace"))
        if iam._p(params, "Action") == "GetUser" and not iam._p(params, "UserName"):
            caller = sts._caller_identity(headers, query)
            if not isinstance(caller, CredentialResolutionError):
                if caller["isTemporary"]:
                    message = "Must specify userName when calling with non-User credentials"
                    return iam._error(400, "ValidationError", message, ns="iam")
                if caller["principalType"] == "User":
                    query = query | {"UserName": [caller["principalName"]]}
        return await handle_request(method, path, headers, body, query)

    return handle


def with_session_name(assumed_role_arn: Any) -> Any:
    def assumed(role_arn: str, session_name: str) -> Any:
        if not SESSION_NAME.fullmatch(session_name or ""):
            constraint = f"Member must satisfy regular expression pattern: {SESSION_NAME.pattern}"
            failed = f"Value '{session_name}' at 'roleSessionName' failed to satisfy constraint: {constraint}"
            return None, iam._error(400, "ValidationError", f"1 validation error detected: {failed}", ns="sts")
        return assumed_role_arn(role_arn, session_name)

    return assumed


def without_packed_size(handle_request: Any) -> Any:
    """Leave out `PackedPolicySize`, which AWS returns only for a session with policies or tags."""

    async def handle(*request: Any) -> Any:
        status, headers, body = await handle_request(*request)
        return status, headers, body.replace(b"<PackedPolicySize>0</PackedPolicySize>", b"")

    return handle


def apply() -> None:
    for action, error in CHECKS.items():
        iam._IAM_HANDLERS[action] = checked(iam._IAM_HANDLERS[action], error)
    iam.handle_request = with_caller(iam.handle_request)
    sts._invalid_role_arn = lambda arn: iam._error(400, "ValidationError", f"{arn} is invalid", ns="sts")
    sts._assumed_role_arn = with_session_name(sts._assumed_role_arn)
    sts.handle_request = without_packed_size(sts.handle_request)
