"""Gap: an invalidation is `Completed` when it is created, before an edge can apply it.

CreateInvalidation wakes the edges, and waits until they have removed the objects.
AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation_Requests.html
No longer needed when CreateInvalidation returns the status `InProgress`.
"""

import asyncio
from typing import Any

from ministack.services import cloudfront

from localaws.changes.calls import CHANGES

REFRESH_WAIT = 1.0
"""Seconds; twice the time after which an edge in the emulator reads invalidations."""


def apply() -> None:
    handle = cloudfront.handle_request

    async def handle_and_wait(method: str, path: str, *request: Any) -> Any:
        answer = await handle(method, path, *request)
        if method == "POST" and cloudfront._INV_RE.match(path) and answer[0] == 201:
            CHANGES["cloudfront"].notify()
            await asyncio.sleep(REFRESH_WAIT)
        return answer

    cloudfront.handle_request = handle_and_wait
