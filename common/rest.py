"""REST as all the apps speak it: typed input, entity tags, correlation ids and one log line a request."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection, Mapping

import msgspec
from chalice.app import Chalice, CORSConfig, Request, Response

from common import local, logs
from common.errors import InvalidInput, PayloadTooLarge, ServiceUnavailable

MAX_BODY = 2 * 1024 * 1024
"""Bytes. Above the largest valid body, of a character of which JSON may make twelve bytes; below Lambda's 6 MB."""

_SHARED = "public, max-age=0, s-maxage=30, stale-while-revalidate=60, stale-if-error=86400"
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data"]
"""Media types of what an HTML form posts."""

type _Headers = dict[str, str | list[str]]
_JSON: _Headers = {"Content-Type": "application/json"}
_CORRELATION_ID = "X-Correlation-Id"
_CORS = CORSConfig(
    allow_origin="*",
    allow_headers=[_CORRELATION_ID, "Idempotency-Key", "If-Match", "If-None-Match"],
    expose_headers=[_CORRELATION_ID, "ETag", "Location", "Retry-After"],
    max_age=600,
)


def configure(app: Chalice) -> None:
    """Give *app* CORS on every route, JSON logs, correlation ids, and a `chalice local` that verifies tokens."""
    app.api.cors = _CORS
    logs.configure(app.log)
    app.register_middleware(_logged(app), "http")
    local.install(_CORS)


def _logged(app: Chalice) -> Callable[[Request, Callable[[Request], Response]], Response]:
    def middleware(request: Request, get_response: Callable[[Request], Response]) -> Response:
        """Log one line a request."""
        started = time.perf_counter()
        correlation_id = logs.correlate(request.headers.get(_CORRELATION_ID))
        response = get_response(request)
        response.headers.setdefault(_CORRELATION_ID, correlation_id)
        if response.status_code == ServiceUnavailable.STATUS_CODE:
            response.headers.setdefault("Retry-After", str(ServiceUnavailable.RETRY_AFTER))
        line = {
            "method": request.method,
            "route": request.context.get("resourcePath"),
            "status": response.status_code,
            "ms": round((time.perf_counter() - started) * 1000, 1),
            "request_id": request.context.get("requestId"),
        }
        app.log.info("request", extra=line)
        return response

    return middleware


def request(app: Chalice) -> Request:
    """Return the request under way."""
    assert app.current_request is not None
    return app.current_request


def raw_body(app: Chalice) -> bytes:
    """Return the body as it came. Raises PayloadTooLarge."""
    raw = request(app).raw_body
    assert isinstance(raw, bytes)  # Chalice has encoded what came as text
    if len(raw) > MAX_BODY:
        raise PayloadTooLarge(f"the body has {len(raw)} bytes, at most {MAX_BODY} are taken")
    return raw


def body[T](app: Chalice, cls: type[T]) -> T:
    """Return the JSON body as *cls*.

    Raises PayloadTooLarge, or InvalidInput naming the field that is wrong, missing or unknown.
    """
    try:
        return msgspec.json.decode(raw_body(app), type=cls)
    except msgspec.ValidationError as error:
        raise InvalidInput(_sentence(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error


def query[T](app: Chalice, cls: type[T]) -> T:
    """Return the query string as *cls*; unknown parameters are ignored. Raises InvalidInput naming the parameter."""
    parameters = dict(request(app).query_params or {})
    try:
        return msgspec.convert(parameters, type=cls, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(_sentence(error)) from error


def _sentence(error: msgspec.ValidationError) -> str:
    """msgspec says ``Expected `str`, got `int` - at `$.title```; callers know no ``$``."""
    return re.sub(r" - at `\$\.?([^`]*)`", lambda at: f" - at `{at[1] or 'body'}`", str(error))


def idempotency_key(app: Chalice) -> str | None:
    """Return the Idempotency-Key header (1 to 255 printable ASCII characters), if sent. Raises InvalidInput."""
    key = request(app).headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(r"[!-~]{1,255}", key):
        raise InvalidInput("Idempotency-Key must be 1 to 255 printable ASCII characters without spaces")
    return key


class Answer[T](Response):
    """A read: 200 with a T, or 304."""


class Created[T](Response):
    """A creation: 201 with a T."""


class Changed[T](Response):
    """A change: 200 with a T as it is now."""


class NoStore[T](Response):
    """A read that no cache may store: 200 with a T."""


class Accepted(Response):
    """What will be done later: 202."""


class NoContent(Response):
    """A removal: 204."""


def answer[T](app: Chalice, value: T, etag: str | None = None, shared: bool = False) -> Answer[T]:
    """Answer a read: 200 with *value*, or 304 when If-None-Match holds its entity tag (RFC 9110, section 13.1.2).

    *etag* is the opaque part of the tag; without it the tag is made from the content. What is *shared*, the same
    for everybody, may be kept by the edge.
    """
    content = msgspec.json.encode(value)
    tag = f'"{etag or hashlib.sha256(content).hexdigest()[:32]}"'
    headers: _Headers = {"ETag": tag, "Cache-Control": _SHARED if shared else "private, no-cache"}
    known = request(app).headers.get("If-None-Match", "")
    if known.strip() == "*" or tag in _entity_tags(known):
        return Answer("", _JSON | headers, 304)
    return Answer(content.decode(), _JSON | headers, 200)


def no_store[T](value: T, cookies: Mapping[str, str] | None = None, path: str = "/") -> NoStore[T]:
    """Answer 200 with *value*, which no cache may store, for example a signed link.

    Sets *cookies* for all URLs below *path*. Scripts cannot read them, other sites' requests do not carry them, and
    the browser drops them at the end of its session.
    """
    headers: _Headers = {"Cache-Control": "no-store"}
    if cookies:
        scope = f"Path={path}; Secure; HttpOnly; SameSite=Lax"
        headers["Set-Cookie"] = [f"{name}={content}; {scope}" for name, content in cookies.items()]
    return NoStore(msgspec.json.encode(value).decode(), _JSON | headers, 200)


def created[T](value: T, location: str | None = None, etag: str | None = None) -> Created[T]:
    """Answer a creation: 201 with *value*, where it is and which version.

    *location* is relative to the request's URL (RFC 9110, section 10.2.2): the app does not know its stage's path.
    """
    headers: _Headers = {"Location": location} if location else {}
    if etag:
        headers["ETag"] = f'"{etag}"'
    return Created(msgspec.json.encode(value).decode(), _JSON | headers, 201)


def changed[T](value: T, etag: str) -> Changed[T]:
    """Answer a change: 200 with *value* as it is now and its entity tag."""
    return Changed(msgspec.json.encode(value).decode(), _JSON | {"ETag": f'"{etag}"'}, 200)


def accepted() -> Accepted:
    """Answer what will be done later: 202."""
    return Accepted("{}", {**_JSON}, 202)


def no_content() -> NoContent:
    """Answer a removal: 204."""
    return NoContent("", {**_JSON}, 204)


def viewer_address(app: Chalice) -> str:
    """Return the IP address of the caller, or of the viewer in front of CloudFront.

    API Gateway sees who connects to it, CloudFront, which names its own caller at the end of X-Forwarded-For. A caller
    of the API itself may send that header too, so the address is only what the caller says of itself:
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#RequestCustomIPAddresses
    """
    connected = str(request(app).context.get("identity", {}).get("sourceIp", ""))
    addresses = [address.strip() for address in request(app).headers.get("X-Forwarded-For", "").split(",")]
    if addresses[-1] == connected:  # API Gateway has added what it saw
        addresses.pop()
    return (addresses[-1] if addresses else "") or connected


def if_match(app: Chalice) -> Collection[str] | None:
    """Return the entity tags of If-Match without quotes, or None when any version will do.

    Weak tags never match (RFC 9110, section 13.1.1), so they are left out.
    """
    sent = request(app).headers.get("If-Match")
    if sent is None or sent.strip() == "*":
        return None
    return [tag.strip('"') for tag in _entity_tags(sent, weak=False)]


def _entity_tags(header: str, weak: bool = True) -> list[str]:
    found = re.findall(r'(W/)?("[^"]*")', header)
    return [tag for prefix, tag in found if weak or not prefix]
