"""The resource for which a request is authorized, where the emulator derives another resource than AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions


def authorize_on(service: str, resource: Callable[[Any, bytes, str, str], str | None]) -> None:
    """Authorize requests of *service* for the ARN that *resource* returns; for None, as before.

    *resource* gets the headers, the body, the Region and the account id.
    """
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(
        requested: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account_id: str
    ) -> str:
        arn = resource(headers, body, region, account_id) if requested == service else None
        return arn or str(extract(requested, method, path, headers, body, query, region, account_id))

    iam_actions.extract_resource_arn = extract_resource_arn
