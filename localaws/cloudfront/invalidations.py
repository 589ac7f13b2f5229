"""Gap: an invalidation is `Completed` when it is created, before an edge can apply it.

CreateInvalidation waits until the edges, which refresh twice a second, have removed the objects.
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation_Requests.html
No longer needed when CreateInvalidation returns the status `InProgress`.
"""

import asyncio
from typing import Any

from ministack.services import cloudfront

REFRESH_WAIT = 1.0
"""Seconds; twice the refresh interval of an edge."""


def apply() -> None:
    handle = cloudfront.handle_request

    async def handle_and_wait(method: str, path: str, *request: Any) -> Any:
        answer = await handle(method, path, *request)
        if method == "POST" and cloudfront._INV_RE.match(path) and answer[0] == 201:
            await asyncio.sleep(REFRESH_WAIT)
        return answer

    cloudfront.handle_request = handle_and_wait
