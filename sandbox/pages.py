"""`python -m sandbox.pages ID=PORT …`: serve distributions whose pages reload in the browser once they are published.

A page that a browser opens gets one more script from this server. The edge, its cache and the bucket have none of it,
and every other request gets the answer of the edge. The script comes from the page's own origin, which the policy of
the page allows.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localaws.cloudfront import __main__ as cloudfront

SCRIPT, PUBLISHED = "/_sandbox/reload.js", "/_sandbox/published"

_CODE = f"""\
// Reloads the page once its site was published. Only the sandbox has this script. A hidden page keeps no connection.
const loaded = document.currentScript.dataset.published;
let events;
function follow() {{
  events?.close();
  if (document.hidden) return;
  events = new EventSource("{PUBLISHED}");
  events.onmessage = (event) => {{ if (event.data !== loaded) location.reload(); }};
}}
document.addEventListener("visibilitychange", follow);
follow();
"""


class Pages:
    """The ASGI application *site*, whose pages reload after each call of `publish`."""

    def __init__(self, site: ASGIApp) -> None:
        self._site = site
        self._version = time.time_ns()  # a page of an earlier start reloads, too
        self._changed = asyncio.Event()
        self._stopped = False

    def publish(self, paths: Sequence[str]) -> None:
        """Reload the open pages, if the main page is among the invalidated *paths*, as it is for each site."""
        if "/" in paths or "/*" in paths:
            self._version += 1
            self._wake()

    def stop(self) -> None:
        """End the connections of the open pages."""
        self._stopped = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._site(scope, receive, send)
        elif scope["path"] == SCRIPT:
            await Response(_CODE, media_type="text/javascript")(scope, receive, send)
        elif scope["path"] == PUBLISHED:
            await StreamingResponse(self._versions(), media_type="text/event-stream")(scope, receive, send)
        elif Request(scope).headers.get("sec-fetch-dest") == "document":
            await self._send_page(scope, receive, send)
        else:
            await self._site(scope, receive, send)

    async def _versions(self) -> AsyncIterator[str]:
        """Yield an event with the version of the pages, and another one after each change."""
        while not self._stopped:
            changed = self._changed
            yield f"data: {self._version}\n\n"
            await changed.wait()

    async def _send_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer to a browser that opens a page. If it is one, it gets the script."""
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
        tag = f'<script src="{SCRIPT}" data-published="{self._version}"></script>'.encode()
        parts: list[bytes] = []
        start: Message = {}

        async def send_with_script(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif start and message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    body = b"".join(parts).replace(b"</head>", tag + b"</head>", 1)
                    MutableHeaders(scope=start)["content-length"] = str(len(body))
                    await send(start)
                    await send({"type": "http.response.body", "body": body})
            else:
                await send(message)

        await self._site({**scope, "headers": headers}, receive, send_with_script)


def _is_page(start: Message) -> bool:
    kind = Headers(raw=start["headers"]).get("content-type", "")
    return start["status"] == 200 and kind.startswith("text/html")


async def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM or SIGINT."""
    servers, sites = [], []
    for distribution, port in cloudfront.edges(arguments):
        pages = Pages(distribution)
        distribution.on_invalidation = pages.publish
        servers.append(cloudfront.server(distribution, port, pages))
        sites.append(pages)

    def stop() -> None:
        for each in sites:
            each.stop()

    await cloudfront.serve(servers, stop)


if __name__ == "__main__":
    cloudfront.run(main(sys.argv[1:]))
