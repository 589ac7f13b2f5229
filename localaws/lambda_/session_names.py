"""Gap: the session of a function with a name of one character has that name, which is too short for STS.

AWS calls such a session `x@lambda_function`.
AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
No longer needed when the ARN of a function named `x` ends with x@lambda_function.
"""

from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

SHORTEST = 2


def with_session_name(credentials: Any) -> Any:
    """Wrap the creation of a function's session."""

    def execution_credentials(config: dict[str, Any]) -> Any:
        name = config.get("FunctionName", "")
        return credentials(config | {"FunctionName": f"{name}@lambda_function"} if len(name) < SHORTEST else config)

    return execution_credentials


def apply() -> None:
    wrapped = with_session_name(lambda_runtime.execution_credentials)
    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = wrapped
