"""The last step of a request: evaluate conditions and ranges, and send the response to the viewer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import Send

from localaws.cloudfront.body import Body
from localaws.cloudfront.conditions import failed_precondition, range_applies
from localaws.cloudfront.key import ViewerRequest
from localaws.cloudfront.origins import OriginResponse
from localaws.cloudfront.pages import VIA, request_id
from localaws.cloudfront.ranges import (
    BOUNDARY,
    CLOSING_BOUNDARY,
    NotSatisfiable,
    Span,
    content_range,
    part_header,
    spans,
)
from localaws.cloudfront.segments import Segments

type Chunks = AsyncIterator[bytes | memoryview]


@dataclass
class ViewerResponse:
    """A full response for a viewer, before conditions and ranges are applied.

    *source* is a cached body, an object in segments, a response that streams from the origin, or generated content.
    *origin_status* is 0 for a generated response.
    """

    status: int
    headers: MutableHeaders
    source: Body | Segments | OriginResponse | bytes
    x_cache: str
    origin_status: int = 0


async def deliver(request: ViewerRequest, response: ViewerResponse, send: Send) -> int:
    """Send the requested part of the response. Return the number of body bytes."""
    status, chunks = _select_content(request, response)
    headers = response.headers
    headers["x-cache"], headers["via"], headers["x-amz-cf-id"] = response.x_cache, VIA, request_id()
    await send({"type": "http.response.start", "status": status, "headers": headers.raw})
    sent, more = 0, True
    if chunks is None or request.method == "HEAD":
        if isinstance(response.source, OriginResponse):
            await response.source.close()
    else:
        if not _is_here(response.source):  # the head does not wait for the body
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        async for chunk in chunks:
            sent += len(chunk)
            more = headers.get("content-length") != str(sent)
            await send({"type": "http.response.body", "body": chunk, "more_body": more})
    if more:
        await send({"type": "http.response.body", "body": b""})
    return sent


def _is_here(source: Body | Segments | OriginResponse | bytes) -> bool:
    return isinstance(source, bytes) or (isinstance(source, Body) and source.complete)


def _select_content(request: ViewerRequest, response: ViewerResponse) -> tuple[int, Chunks | None]:
    headers, source = response.headers, response.source
    if response.status == 200 and request.method in ("GET", "HEAD"):
        if failed := failed_precondition(request.headers, headers):
            for name in ("content-length", "content-type", "content-encoding"):
                del headers[name]
            return failed, None
        if (
            isinstance(source, Body | Segments)
            and "range" in request.headers
            and range_applies(request.headers, headers)
        ):
            return _range_content(request.headers["range"], headers, source)
    if response.status == 304:
        del headers["content-length"]
    return response.status, _full_content(headers, source)


def _full_content(headers: MutableHeaders, source: Body | Segments | OriginResponse | bytes) -> Chunks:
    if isinstance(source, OriginResponse):
        return aiter(source)
    if isinstance(source, Body | Segments):
        if source.length is not None:
            headers["content-length"] = str(source.length)
        return source.read(0, source.length)
    headers["content-length"] = str(len(source))
    return _once(source)


def _range_content(requested: str, headers: MutableHeaders, body: Body | Segments) -> tuple[int, Chunks | None]:
    """Return status and content of a range request.

    The full object is sent with 200 if the ranges are invalid, or if the length is not known yet.
    """
    length = body.length
    if length is None:
        return 200, _full_content(headers, body)
    try:
        found = spans(requested, length)
    except NotSatisfiable:
        headers["content-range"], headers["content-length"] = f"bytes */{length}", "0"
        return 416, None
    if found is None:
        return 200, _full_content(headers, body)
    if len(found) == 1:
        (first, after) = found[0]
        headers["content-range"] = content_range(found[0], length)
        headers["content-length"] = str(after - first)
        return 206, body.read(first, after)
    heads = [part_header(span, length, headers.get("content-type", "application/octet-stream")) for span in found]
    headers["content-type"] = f"multipart/byteranges; boundary={BOUNDARY}"
    headers["content-length"] = str(
        sum(len(head) + after - first for head, (first, after) in zip(heads, found, strict=True))
        + len(CLOSING_BOUNDARY)
    )
    return 206, _parts(heads, found, body)


async def _parts(heads: list[bytes], found: list[Span], body: Body | Segments) -> Chunks:
    for head, (first, after) in zip(heads, found, strict=True):
        yield head
        async for view in body.read(first, after):
            yield view
    yield CLOSING_BOUNDARY


async def _once(data: bytes) -> Chunks:
    if data:
        yield data
