"""REST for Chalice apps: typed input, entity tags, correlation ids, and one log line for each request."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from urllib.parse import unquote

import msgspec
from chalice.app import Chalice, CORSConfig, Request, Response

from common import local, logs, sentences
from common.errors import InvalidInput, PayloadTooLarge, ServiceUnavailable

MAX_BODY = 2 * 1024 * 1024
"""Bytes. Larger than any valid body, where JSON may write a character as twelve bytes; smaller than Lambda's 6 MB."""

MAX_PATH_PARAMETER = 200
"""Characters, as many as our longest id has. In UTF-8 they fit into a key of DynamoDB, which has 1024 bytes, and so do
they with a prefix of ours. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

MAX_QUERY_PARAMETER = 2000
"""Characters. The longest is a cursor: the base64 of a key of DynamoDB."""

MAX_ENTITY_TAGS = 100
"""Entity tags in If-Match: DynamoDB compares with at most 100 versions (operands of IN)."""

CLOSED_ROUTES = "CLOSED_ROUTES"
"""The variable of a function with the routes that it does not serve for now: ``POST /photos;POST /subscribers``."""

_CLOSED_FOR = 300
"""Seconds after which a caller of a closed route should try again."""

_SHARED = "public, max-age=0, s-maxage=30, stale-while-revalidate=60, stale-if-error=86400"
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data"]
"""Media types that an HTML form can post."""

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
    """Give *app* CORS on every route, JSON logs, correlation ids, decoded path parameters, and token verification
    under `chalice local`.
    """
    app.api.cors = _CORS
    logs.configure(app.log)
    app.register_middleware(_logged(app), "http")
    app.register_middleware(_refuse_closed_routes, "http")
    app.register_middleware(_decode_path_parameters, "http")
    local.install(_CORS)


def _logged(app: Chalice) -> Callable[[Request, Callable[[Request], Response]], Response]:
    def middleware(request: Request, get_response: Callable[[Request], Response]) -> Response:
        """Write one log line for each request."""
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


def _refuse_closed_routes(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Answer 503 for a route that `make close` has closed, before anything else is done for the request."""
    route = f"{request.method} {request.context.get('resourcePath')}"
    if route not in os.environ.get(CLOSED_ROUTES, "").split(";"):
        return get_response(request)
    text = f"{route} is closed for now; try again in {_CLOSED_FOR // 60} minutes"
    headers: _Headers = {**_CORS.get_access_control_headers(), "Retry-After": str(_CLOSED_FOR)}
    return Response({"Code": ServiceUnavailable.__name__, "Message": text}, headers, ServiceUnavailable.STATUS_CODE)


def _decode_path_parameters(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Decode the path parameters in place, once, before Chalice passes them to the view function.

    API Gateway and `chalice local` pass them percent-encoded (`pump%201`), and Chalice does not decode them. Nothing
    has an id that is longer than `MAX_PATH_PARAMETER`.
    """
    parameters = request.uri_params or {}
    parameters.update({name: unquote(value) for name, value in parameters.items()})
    for name, value in parameters.items():
        if len(value) > MAX_PATH_PARAMETER:
            text = f"{name}: longer than {MAX_PATH_PARAMETER} characters, so it is not the id of anything"
            # Outside of a view function Chalice does not turn an error into its response.
            return Response({"Code": "NotFound", "Message": text}, {**_CORS.get_access_control_headers()}, 404)
    return get_response(request)


def request(app: Chalice) -> Request:
    """Return the current request."""
    assert app.current_request is not None
    return app.current_request


def raw_body(app: Chalice) -> bytes:
    """Return the body as it was sent. Raises PayloadTooLarge."""
    raw = request(app).raw_body
    assert isinstance(raw, bytes)  # Chalice encodes a body that arrives as text
    if len(raw) > MAX_BODY:
        raise PayloadTooLarge(f"the body has {len(raw)} bytes, the limit is {MAX_BODY}")
    return raw


def body[T](app: Chalice, cls: type[T]) -> T:
    """Return the JSON body as *cls*.

    Raises PayloadTooLarge, or InvalidInput naming the field that is wrong, missing or unknown.
    """
    try:
        return msgspec.json.decode(raw_body(app), type=cls)
    except msgspec.ValidationError as error:
        raise InvalidInput(sentences.of(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error


def query[T](app: Chalice, cls: type[T]) -> T:
    """Return the query parameters as *cls*, without unknown ones. Raises InvalidInput naming the parameter."""
    parameters = dict(request(app).query_params or {})
    for name, value in parameters.items():
        if len(value) > MAX_QUERY_PARAMETER:
            raise InvalidInput(f"{name[:50]}: longer than {MAX_QUERY_PARAMETER} characters")
    try:
        return msgspec.convert(parameters, type=cls, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(sentences.of(error)) from error


def idempotency_key(app: Chalice) -> str | None:
    """Return the Idempotency-Key header (1 to 255 printable ASCII characters) if present. Raises InvalidInput."""
    key = request(app).headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(r"[!-~]{1,255}", key):
        raise InvalidInput("Idempotency-Key must be 1 to 255 printable ASCII characters without spaces")
    return key


class Answer[T](Response):
    """The answer to a read: 200 with a T, or 304."""


class Created[T](Response):
    """The answer to a creation: 201 with a T."""


class Changed[T](Response):
    """The answer to a change: 200 with the new T."""


class NoStore[T](Response):
    """An answer that no cache may store: 200 with a T."""


class Accepted(Response):
    """The answer to a request that is carried out later: 202."""


class SeeOther(Response):
    """The answer to a person who opened an address that is not a page: 303 to the page."""


class NoContent(Response):
    """The answer to a removal: 204."""


def answer[T](app: Chalice, value: T, etag: str | None = None, shared: bool = False) -> Answer[T]:
    """Answer a read: 200 with *value*, or 304 when If-None-Match has its entity tag (RFC 9110, section 13.1.2).

    *etag* is the opaque part of the tag; without it the tag is a hash of the content. Shared caches such as CloudFront
    may store an answer that is *shared*, the same for every caller.
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
    """Answer a creation: 201 with *value*, its location and its entity tag.

    *location* is relative to the request's URL (RFC 9110, section 10.2.2): the app does not know its stage's path.
    """
    headers: _Headers = {"Location": location} if location else {}
    if etag:
        headers["ETag"] = f'"{etag}"'
    return Created(msgspec.json.encode(value).decode(), _JSON | headers, 201)


def changed[T](value: T, etag: str) -> Changed[T]:
    """Answer a change: 200 with the new *value* and its entity tag."""
    return Changed(msgspec.json.encode(value).decode(), _JSON | {"ETag": f'"{etag}"'}, 200)


def accepted() -> Accepted:
    """Answer a request that is carried out later: 202."""
    return Accepted("{}", {**_JSON}, 202)


def see_other(url: str) -> SeeOther:
    """Answer 303 with the address of a page, which no cache may store (RFC 9110, section 15.4.4)."""
    return SeeOther("", _JSON | {"Location": url, "Cache-Control": "no-store"}, 303)


def no_content() -> NoContent:
    """Answer a removal: 204."""
    return NoContent("", {**_JSON}, 204)


def viewer_address(app: Chalice) -> str:
    """Return the IP address of the caller, or of the viewer if the request came through CloudFront.

    Behind CloudFront, API Gateway sees CloudFront's address, and the viewer's is the last in X-Forwarded-For. A client
    that calls the API directly can send that header too, so the address is not proven:
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#RequestCustomIPAddresses
    """
    connected = str(request(app).context.get("identity", {}).get("sourceIp", ""))
    addresses = [address.strip() for address in request(app).headers.get("X-Forwarded-For", "").split(",")]
    if addresses[-1] == connected:  # API Gateway appends the address that it sees
        addresses.pop()
    return (addresses[-1] if addresses else "") or connected


def if_match(app: Chalice) -> Collection[str] | None:
    """Return the entity tags in If-Match without quotes, or None when any version matches. Raises InvalidInput.

    Weak tags never match (RFC 9110, section 13.1.1), so they are not returned.
    """
    sent = request(app).headers.get("If-Match")
    if sent is None or sent.strip() == "*":
        return None
    tags = _entity_tags(sent, weak=False)
    if len(tags) > MAX_ENTITY_TAGS:
        raise InvalidInput(f"If-Match: more than {MAX_ENTITY_TAGS} entity tags")
    return [tag.strip('"') for tag in tags]


def _entity_tags(header: str, weak: bool = True) -> list[str]:
    found = re.findall(r'(W/)?("[^"]*")', header)
    return [tag for prefix, tag in found if weak or not prefix]
