"""Which hosts the emulator has, which web pages may call it, and what it tells their browsers (CORS).

An app decides itself which pages may read its answers: by the CORS configuration of its bucket, or the responses of its
API, function URL, load balancer or distribution. For everything else ministack allows every page. Here the answer names
the page that asked, which is an allowed one: `allowed_pages.py` refuses the others.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from ministack import app
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from localaws import allowed_pages, control

CALL = "origins"
ANY_PAGE = (b"access-control-allow-origin", b"*")

AWS = re.compile(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|cloudfront\.net|on\.aws|api\.aws)", re.IGNORECASE)
"""The host names of AWS. Only AWS decides what they resolve to."""


def has_host(host: str) -> bool:
    """Return whether the emulator answers for the host: this machine, a name of AWS, or the custom domain of an API."""
    if allowed_pages.is_local(host) or AWS.fullmatch(host):
        return True
    return app._get_module("apigateway_v1").find_domain_scope(host.lower()) is not None


class NamedOrigin:
    """The emulator *emulator*, whose own answers allow only the page that asks to read them."""

    def __init__(self, emulator: ASGIApp) -> None:
        self._emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope.get("headers", [])}
        origin = headers.get(b"origin")

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start" and not is_deployed(scope):
                answered = [(name.lower(), value) for name, value in message["headers"]]
                if ANY_PAGE in answered:
                    answered[answered.index(ANY_PAGE)] = (ANY_PAGE[0], origin)
                    message["headers"] = [*answered, (b"vary", b"Origin")]
            await send(message)

        await self._emulator(scope, receive, send_named if origin and scope["type"] == "http" else send)


def is_deployed(scope: Scope) -> bool:
    """Return whether something deployed answers, which decides itself what pages may read."""
    path = scope["path"]
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "")
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return (
        app._parse_execute_api_url(host, path) is not None
        or app._parse_lambda_url(host, path) is not None
        or app._resolve_custom_domain_request(host, path) is not None
        or app._parse_cloudfront_dataplane_host(host) is not None
        or app._is_potential_alb_request(host, path)
        or (
            app._s3_cors_target(host, path) is not None
            and app.detect_service(scope["method"], path, headers, query) == "s3"
        )
    )


def install() -> None:
    """Check the requests of pages. The call `POST /_localaws/origins?add=ORIGIN` allows one more origin."""
    origins = allowed_pages.origins()

    def add(request: control.Request) -> control.Response:
        origins.update(request.query.get("add", []))
        return control.answer(200, {"origins": sorted(origins)})

    control.CALLS["POST", CALL] = add
    app.app = allowed_pages.AllowedPages(NamedOrigin(app.app), origins, has_host)
