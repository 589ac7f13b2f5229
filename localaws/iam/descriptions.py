"""Gap: the description of a role or user has members that AWS leaves out, lacks others, and errors have other texts.

AWS returns no empty `Description`, `MaxSessionDuration` only if it was set or in a later read, and `Tags` and
`RoleLastUsed` only from GetRole. The type of a permissions boundary is `Policy`. CloudFormation does not tag roles.
AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html
AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachedPermissionsBoundary.html
No longer needed when GetRole returns `RoleLastUsed`, and no `Description` of a role without one.
"""

import re
from typing import Any

from ministack.services import iam
from ministack.services.cloudformation import provisioners

EMPTY = "<Description></Description>"
DEFAULT_DURATION = "<MaxSessionDuration>3600</MaxSessionDuration>"
TAGS = re.compile(r"<Tags>.*?</Tags>")
MESSAGES = (
    (re.compile(r"Role (.*) not found\."), r"The role with name \1 cannot be found."),
    (re.compile(r"Policy (\S+) not found\."), r"Policy \1 was not found."),
)


def apply() -> None:
    user_xml, role_xml, error = iam._user_xml, iam._role_xml, iam._error

    def describe_user(name: str, boundary: bool = True) -> str:
        return with_boundary_type(user_xml(name, boundary))

    def describe_role(name: str, boundary: bool = True) -> str:
        text = with_boundary_type(role_xml(name, boundary)).replace(EMPTY, "")
        return text if boundary else TAGS.sub("", text)  # without a boundary: in a list

    def describe_error(status: int, code: str, message: str, ns: str = "iam") -> Any:
        for pattern, text in MESSAGES:
            message = pattern.sub(text, message)
        return error(status, code, message, ns)

    iam._user_xml, iam._role_xml, iam._error = describe_user, describe_role, describe_error
    provisioners._STACK_TAG_PROPERTY.pop("AWS::IAM::Role", None)
    replace("CreateRole", lambda text: text.replace(DEFAULT_DURATION, ""))
    replace("GetRole", lambda text: text.replace("</Role>", "<RoleLastUsed/></Role>"))


def with_boundary_type(text: str) -> str:
    return text.replace("<PermissionsBoundaryType>PermissionsBoundaryPolicy<", "<PermissionsBoundaryType>Policy<")


def replace(action: str, change: Any) -> None:
    """Change the response of *action*."""
    handle = iam._IAM_HANDLERS[action]

    def changed(params: dict[str, Any]) -> Any:
        status, headers, body = handle(params)
        return status, headers, change(body.decode()).encode() if status == 200 else body

    iam._IAM_HANDLERS[action] = changed
