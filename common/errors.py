"""Every error that an app reports to its caller.

::

    ChaliceViewError
    ├── InvalidInput             400  a field, parameter or header is wrong; the message names it
    ├── Unauthorized             401  no caller, or one that cannot be trusted
    ├── NotEntitled              403  the caller is known, and has not paid for this
    ├── NotFound                 404
    ├── Conflict                 409  another request is changing the same thing: try again
    ├── AlreadyBought            409  paying again would buy nothing
    ├── PreconditionFailed       412  If-Match names a version that is no longer current
    ├── PayloadTooLarge          413
    ├── IdempotencyKeyReused     422  the key was used with another body
    └── ServiceUnavailable       503  a service behind this one throttles or cannot be reached

Chalice answers with the status of the raised error and ``{"Code": <class name>, "Message": <text>}``.
"""

from chalice.app import (
    BadRequestError,
    ChaliceViewError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
    UnprocessableEntityError,
)


class InvalidInput(BadRequestError):
    """A field, parameter or header is missing, malformed or out of bounds."""


class Unauthorized(UnauthorizedError):
    """The caller is not known, or the token was not made for this API."""


class NotEntitled(ForbiddenError):
    """The caller has not paid for this, or the payment has ended or was refunded."""


class NotFound(NotFoundError):
    """The thing does not exist, or does not belong to the caller."""


class Conflict(ConflictError):
    """Another request is changing the same thing at the same time."""


class AlreadyBought(ConflictError):
    """The caller already has this."""


class PreconditionFailed(ChaliceViewError):
    """The condition of a request header does not hold (RFC 9110, section 15.5.13)."""

    STATUS_CODE = 412


class PayloadTooLarge(ChaliceViewError):
    """The body is larger than any valid body."""

    STATUS_CODE = 413


class IdempotencyKeyReused(UnprocessableEntityError):
    """The Idempotency-Key was used before with another body (draft-ietf-httpapi-idempotency-key-header)."""


class ServiceUnavailable(ChaliceViewError):
    """A service behind the API throttles or cannot be reached; the same request may succeed later."""

    STATUS_CODE = 503
    RETRY_AFTER = 5
    """Seconds until the caller should try again (RFC 9110, section 10.2.3)."""
