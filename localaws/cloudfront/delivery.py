"""The last step of an answer: conditions, ranges, and the bytes on their way to the viewer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import Send

from localaws.cloudfront.body import Body
from localaws.cloudfront.conditions import failed_precondition, range_applies
from localaws.cloudfront.key import Request
from localaws.cloudfront.origins import OriginResponse
from localaws.cloudfront.pages import VIA, request_id
from localaws.cloudfront.ranges import BOUNDARY, CLOSE, NotSatisfiable, Span, content_range, part_header, spans
from localaws.cloudfront.segments import Segments

type Chunks = AsyncIterator[bytes | memoryview]


@dataclass
class Answer:
    """What a viewer gets, whole: of the cache, on its way from the origin, or made here."""

    status: int
    headers: MutableHeaders
    source: Body | Segments | OriginResponse | bytes
    x_cache: str
    origin_status: int = 0


async def deliver(request: Request, answer: Answer, send: Send) -> int:
    """Send what of the answer the request asks for; return the number of bytes."""
    status, chunks = _asked_for(request, answer)
    headers = answer.headers
    headers["x-cache"], headers["via"], headers["x-amz-cf-id"] = answer.x_cache, VIA, request_id()
    await send({"type": "http.response.start", "status": status, "headers": headers.raw})
    sent = 0
    if chunks is None or request.method == "HEAD":
        if isinstance(answer.source, OriginResponse):
            await answer.source.close()
    else:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += len(chunk)
    await send({"type": "http.response.body", "body": b""})
    return sent


def _asked_for(request: Request, answer: Answer) -> tuple[int, Chunks | None]:
    headers, source = answer.headers, answer.source
    if answer.status == 200 and request.method in ("GET", "HEAD"):
        if failed := failed_precondition(request.headers, headers):
            for name in ("content-length", "content-type", "content-encoding"):
                del headers[name]
            return failed, None
        if (
            isinstance(source, Body | Segments)
            and "range" in request.headers
            and range_applies(request.headers, headers)
        ):
            return _ranges(request.headers["range"], headers, source)
    if answer.status == 304:
        del headers["content-length"]
    return answer.status, _whole(headers, source)


def _whole(headers: MutableHeaders, source: Body | Segments | OriginResponse | bytes) -> Chunks:
    if isinstance(source, OriginResponse):
        return aiter(source)
    if isinstance(source, Body | Segments):
        if source.length is not None:
            headers["content-length"] = str(source.length)
        return source.read(0, source.length)
    headers["content-length"] = str(len(source))
    return _once(source)


def _ranges(asked: str, headers: MutableHeaders, body: Body | Segments) -> tuple[int, Chunks | None]:
    """Answer with the ranges; while the length is not known, and for ranges that do not hold, with the whole."""
    length = body.length
    if length is None:
        return 200, _whole(headers, body)
    try:
        found = spans(asked, length)
    except NotSatisfiable:
        headers["content-range"], headers["content-length"] = f"bytes */{length}", "0"
        return 416, None
    if found is None:
        return 200, _whole(headers, body)
    if len(found) == 1:
        (first, after) = found[0]
        headers["content-range"] = content_range(found[0], length)
        headers["content-length"] = str(after - first)
        return 206, body.read(first, after)
    heads = [part_header(span, length, headers.get("content-type", "application/octet-stream")) for span in found]
    headers["content-type"] = f"multipart/byteranges; boundary={BOUNDARY}"
    headers["content-length"] = str(
        sum(len(head) + after - first for head, (first, after) in zip(heads, found, strict=True)) + len(CLOSE)
    )
    return 206, _parts(heads, found, body)


async def _parts(heads: list[bytes], found: list[Span], body: Body | Segments) -> Chunks:
    for head, (first, after) in zip(heads, found, strict=True):
        yield head
        async for view in body.read(first, after):
            yield view
    yield CLOSE


async def _once(data: bytes) -> Chunks:
    if data:
        yield data
