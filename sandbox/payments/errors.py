"""The API's errors: https://docs.stripe.com/api/errors."""

from __future__ import annotations


class ApiError(Exception):
    """A response with *status* and an error object."""

    def __init__(
        self, status: int, message: str, *, code: str = "", param: str = "", kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.status = status
        error = {"type": kind, "message": message, "code": code, "param": param}
        self.body = {"error": {name: value for name, value in error.items() if value}}


def missing(kind: str, identifier: str) -> ApiError:
    """Return the error for an *identifier* that no object of *kind* has."""
    return ApiError(404, f"No such {kind}: '{identifier}'", code="resource_missing", param="id")
