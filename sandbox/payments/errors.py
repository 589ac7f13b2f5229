"""What the API answers when it refuses: https://docs.stripe.com/api/errors."""

from __future__ import annotations


class Refused(Exception):
    """A request is refused with *status* and an error object."""

    def __init__(
        self, status: int, message: str, *, code: str = "", param: str = "", kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.status = status
        error = {"type": kind, "message": message, "code": code, "param": param}
        self.body = {"error": {name: value for name, value in error.items() if value}}


def missing(kind: str, identifier: str) -> Refused:
    """Return the refusal of an *identifier* that no object of *kind* has."""
    return Refused(404, f"No such {kind}: '{identifier}'", code="resource_missing", param="id")
