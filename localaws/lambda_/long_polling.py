"""Long polling of GetRecords: a request with the header `x-localaws-wait` waits up to that many seconds for records.

ReceiveMessage does so on AWS; GetRecords does not. Only the pollers of localaws send the header.
"""

import asyncio
import json
import time
from typing import Any

from localaws.lambda_.clients import WAIT_HEADER

POLL_INTERVAL = 0.01  # seconds; limits how often a waiting GetRecords reads while many records arrive


class ArrivalSignal:
    """A signal to all waiting GetRecords requests that an event source has new records."""

    def __init__(self) -> None:
        self.next = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    def notify_from_thread(self) -> None:
        if self.loop:
            self.loop.call_soon_threadsafe(self.notify)

    def notify(self) -> None:
        self.next.set()
        self.next = asyncio.Event()

    def with_long_polling(self, handle_request: Any) -> Any:
        """Wrap a service's request handler: GetRecords with the header waits until it has records."""

        async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            self.loop = asyncio.get_running_loop()
            deadline = time.monotonic() + float(headers.get(WAIT_HEADER, 0))
            while True:
                arrival = self.next
                answer = await handle_request(method, path, headers, body, query)
                left = deadline - time.monotonic()
                if left <= 0 or answer[0] != 200 or json.loads(answer[2]).get("Records") != []:
                    return answer
                try:
                    await asyncio.wait_for(arrival.wait(), left)
                    await asyncio.sleep(POLL_INTERVAL)
                except TimeoutError:
                    deadline = 0

        return handle
