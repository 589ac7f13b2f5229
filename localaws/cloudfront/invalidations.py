"""Gap: an invalidation is `Completed` as soon as it is made, before any edge has read of it.

AWS: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation_Requests.html
CreateInvalidation answers here once the edges, which look twice a second, have had time to forget what it names.
No longer needed when the emulator's invalidations are `InProgress` first.
"""

import asyncio
from typing import Any

from ministack.services import cloudfront

UNTIL_READ = 1.0


def apply() -> None:
    handle = cloudfront.handle_request

    async def handle_and_wait(method: str, path: str, *request: Any) -> Any:
        answer = await handle(method, path, *request)
        if method == "POST" and cloudfront._INV_RE.match(path) and answer[0] == 201:
            await asyncio.sleep(UNTIL_READ)
        return answer

    cloudfront.handle_request = handle_and_wait
