"""Gap: an error of Lambda's API lacks its `Type`, and names its message differently from the service's model.

Each exception of the model has the members that its shape declares: `Type` is `User` or `Service`, and the text is
`message` or `Message`.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html#API_GetEventSourceMapping_Errors
No longer needed when GetFunction of a missing function returns an error with the member `Type`.
"""

import functools
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore.model import ServiceModel
from ministack.services import lambda_svc

type Answer = tuple[int, dict[str, str], bytes]


@functools.cache
def service_model() -> ServiceModel:
    """Return the model of Lambda's API."""
    return botocore.session.get_session().get_service_model("lambda")


@functools.cache
def _members(code: str) -> frozenset[str]:
    """Return the names of the members that the exception *code* has; none if the model does not know it."""
    shapes = {shape.name: shape for shape in service_model().error_shapes}
    return frozenset(shapes[code].members) if code in shapes else frozenset()


def with_members_of_the_model(respond: Callable[..., Answer]) -> Callable[..., Answer]:
    """Wrap the emulator's function that builds an error response."""

    def error(code: str, message: str, status: int = 400, extra: dict[str, Any] | None = None) -> Answer:
        members = _members(code)
        given = {"Type": "Service" if status >= 500 else "User"} if "Type" in members else {}
        key = "Message" if "Message" in members else "message"
        return respond(code, message, status, given | (extra or {}), message_key=key, content_type="application/json")

    return error


def apply() -> None:
    lambda_svc.error_response_json = with_members_of_the_model(lambda_svc.error_response_json)
