"""Exceptions for statements that do not succeed. Their texts are those of Athena."""

from __future__ import annotations


class Malformed(Exception):
    """The statement is invalid: StartQueryExecution fails with InvalidRequestException, error code MALFORMED_QUERY."""


class Failed(Exception):
    """The query fails with state FAILED. The text is its StateChangeReason."""


class Cancelled(Exception):
    """The user or the scan limit of the workgroup cancels the query. The text is its StateChangeReason."""
