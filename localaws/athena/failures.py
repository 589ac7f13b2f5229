"""How a statement ends when it does not succeed, in Athena's words."""

from __future__ import annotations


class Malformed(Exception):
    """StartQueryExecution refuses the statement: an InvalidRequestException with the code MALFORMED_QUERY."""


class Failed(Exception):
    """The query ends FAILED; the text is its StateChangeReason."""


class Cancelled(Exception):
    """The query ends CANCELLED, by its user or by the workgroup's limit; the text is its StateChangeReason."""
