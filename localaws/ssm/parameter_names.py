"""Gap: the parameter `name` is not found as `/name`, and names that are no paths are accepted.

AWS: https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
AWS: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
No longer needed when GetParameter returns the parameter `name` for `/name`.
"""

import re
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import ssm

type Json = dict[str, Any]

PATH = re.compile(r"(?:/[\w.-]+)+|[\w.-]+", re.ASCII)
INVALID = (
    'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of '
    "sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following "
    "3 symbols .-_"
)
NOT_QUALIFIED = "Parameter name must be a fully qualified name."


def name_error(name: str) -> Any:
    """Return the rejection of a name that is neither an ARN nor valid, or None. A selector may follow the name."""
    if name.startswith("arn:") or PATH.fullmatch(name.partition(":")[0]):
        return None
    return error_response_json("ValidationException", INVALID, 400)


def new_name_error(name: str) -> Any:
    if "/" in name and not name.startswith("/"):
        return error_response_json("ValidationException", NOT_QUALIFIED, 400)
    return name_error(name)


def other_spelling(name: str) -> str:
    """Return the name of a parameter at the first level with or without its slash."""
    return name.removeprefix("/") if name.startswith("/") else f"/{name}"


def with_other_spelling(select: Any) -> Any:
    def select_any(name: str, *more: Any, **options: Any) -> Any:
        found = select(name, *more, **options)
        if found[0] or not name or name.startswith("arn:") or name.rfind("/") > 0:
            return found
        parameter, error = select(other_spelling(name), *more, **options)
        return (parameter | {"Name": name.partition(":")[0]}, error) if parameter else found

    return select_any


def apply() -> None:
    put, get = ssm._put_parameter, ssm._get_parameter
    ssm._select_parameter = with_other_spelling(ssm._select_parameter)
    ssm._put_parameter = lambda data: new_name_error(data.get("Name") or "") or put(data)
    ssm._get_parameter = lambda data: name_error(data.get("Name") or "") or get(data)
