"""The provider over HTTP: the API under /v1, and the page on which a customer pays."""

from __future__ import annotations

import copy
import hmac
import json
import re
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from common import money
from sandbox.page_headers import PageHeaders
from sandbox.payments import API_KEY
from sandbox.payments.account import DECLINED, DISPUTED, INQUIRY, PAYS, REFUND_FAILS, Account, Document
from sandbox.payments.errors import ApiError
from sandbox.payments.parameters import (
    DisputeChange,
    EndpointChange,
    ListParameters,
    NewEndpoint,
    NewRefund,
    NewSession,
    Nothing,
    Retry,
    nested,
    parse,
)
from sandbox.payments.webhooks import RETRY_DELAYS, Webhooks, trace

WEB = Path(__file__).parent / "web"
MAX_BODY = 256 * 1024
"""Bytes."""
KEY_LIFETIME = 86_400
"""Seconds for which an idempotency key is known: https://docs.stripe.com/api/idempotent_requests"""
WEBHOOK_WAIT = 10
"""Seconds that the redirect after a payment waits for the shop's webhook, at most: https://docs.stripe.com/checkout/fulfillment"""

_CARDS = {
    DECLINED: "Pay with a card that is declined",
    DISPUTED: "Pay, then dispute the payment",
    INQUIRY: "Pay, then let the bank ask about the payment",
    REFUND_FAILS: "Pay with a card to which refunds fail",
}
_STATES = {
    "open": {"title": "Pay"},
    "complete": {"title": "Paid", "explanation": "This payment is complete. You can close this page."},
    "expired": {
        "title": "Expired",
        "explanation": "This checkout has expired and nothing was charged. Start again in the shop.",
    },
}
_pages = Environment(loader=FileSystemLoader(WEB), autoescape=True)

type _Answer = Callable[[Request, str], Document]


def site(delays: Sequence[float] = RETRY_DELAYS) -> Starlette:
    """Return a provider with a new account. Its webhooks wait *delays* seconds before each retry."""
    webhooks = Webhooks(delays)
    api = _Api(Account(webhooks.send), webhooks)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await webhooks.close()

    return Starlette(
        middleware=[Middleware(PageHeaders)],
        routes=[
            *api.routes(),
            *_PaymentPage(api.account, webhooks).routes(),
            Mount("/static", StaticFiles(directory=WEB, follow_symlink=True)),
            Route("/{path:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ],
        exception_handlers={ApiError: _error},
        lifespan=lifespan,
    )


class _Api:
    """The API that a shop's server calls with its key."""

    def __init__(self, account: Account, webhooks: Webhooks) -> None:
        self.account, self._webhooks = account, webhooks
        self._answers: dict[str, tuple[float, str, str, Document]] = {}
        """By idempotency key when it was first used, the request, and its response. The oldest comes first."""

    def routes(self) -> list[Route]:
        account, webhooks = self.account, self._webhooks
        return [
            self._post("/v1/checkout/sessions", self._open_session),
            self._get("/v1/checkout/sessions/{id}", lambda it, form: account.session(it.path_params["id"])),
            self._get("/v1/checkout/sessions/{id}/line_items", self._line_items),
            self._post("/v1/checkout/sessions/{id}/expire", self._expire_session),
            self._get("/v1/payment_intents/{id}", lambda it, form: account.intent(it.path_params["id"])),
            self._get(
                "/v1/charges", lambda it, form: _list("/v1/charges", *account.charges(parse(form, ListParameters)))
            ),
            self._get("/v1/charges/{id}", lambda it, form: account.charge(it.path_params["id"])),
            self._post("/v1/refunds", lambda it, form: account.refund(parse(form, NewRefund))),
            self._get(
                "/v1/disputes", lambda it, form: _list("/v1/disputes", *account.disputes(parse(form, ListParameters)))
            ),
            self._get("/v1/disputes/{id}", lambda it, form: account.dispute(it.path_params["id"])),
            self._post(
                "/v1/disputes/{id}",
                lambda it, form: account.change_dispute(it.path_params["id"], parse(form, DisputeChange)),
            ),
            self._post("/v1/disputes/{id}/close", lambda it, form: account.close_dispute(it.path_params["id"])),
            self._get("/v1/events", lambda it, form: _list("/v1/events", *account.events(parse(form, ListParameters)))),
            self._get("/v1/events/{id}", lambda it, form: account.event(it.path_params["id"])),
            self._post("/v1/events/{id}/retry", self._retry),
            self._get("/v1/webhook_endpoints", lambda it, form: _list("/v1/webhook_endpoints", webhooks.endpoints())),
            self._post("/v1/webhook_endpoints", lambda it, form: webhooks.register(parse(form, NewEndpoint))),
            self._get("/v1/webhook_endpoints/{id}", lambda it, form: webhooks.endpoint(it.path_params["id"])),
            self._post("/v1/webhook_endpoints/{id}", self._change_endpoint),
            self._get("/sandbox/traces", lambda it, form: account.traces()),  # for the console; Stripe has no traces
            self._route("DELETE", "/v1/webhook_endpoints/{id}", lambda it, form: webhooks.remove(it.path_params["id"])),
        ]

    def _open_session(self, request: Request, form: str) -> Document:
        pages = f"{str(request.base_url).rstrip('/')}/pay"
        return self.account.open_session(parse(form, NewSession), pages, request.headers.get("x-amzn-trace-id", ""))

    def _line_items(self, request: Request, form: str) -> Document:
        return _list(request.url.path, self.account.line_items(request.path_params["id"]))

    def _expire_session(self, request: Request, form: str) -> Document:
        parse(form, Nothing)
        return self.account.expire(self.account.session(request.path_params["id"]))

    def _change_endpoint(self, request: Request, form: str) -> Document:
        return self._webhooks.change(request.path_params["id"], parse(form, EndpointChange))

    def _retry(self, request: Request, form: str) -> Document:
        """Send an event again, as `stripe events resend` of the Stripe CLI does."""
        event, endpoint = self.account.event(request.path_params["id"]), parse(form, Retry).webhook_endpoint
        if endpoint:
            self._webhooks.send_to(self._webhooks.endpoint(endpoint), event)
        else:
            self._webhooks.send(event)
        return event

    def _get(self, path: str, answer: _Answer) -> Route:
        return self._route("GET", path, answer)

    def _post(self, path: str, answer: _Answer) -> Route:
        return self._route("POST", path, answer)

    def _route(self, method: str, path: str, answer: _Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            _authenticate(request)
            form = await _form(request) if method == "POST" else request.url.query
            key = request.headers.get("idempotency-key") if method == "POST" else None
            if key is None:
                return JSONResponse(answer(request, form))
            return self._once(key, request, form, answer)

        return Route(path, endpoint, methods=[method])

    def _once(self, key: str, request: Request, form: str, answer: _Answer) -> Response:
        """Return the first response to the key, which is kept for `KEY_LIFETIME`. An error is not kept.

        https://docs.stripe.com/api/idempotent_requests
        """
        if not 1 <= len(key) <= 255:
            raise ApiError(400, "Idempotency-Key must have 1 to 255 characters.", kind="idempotency_error")
        requested = request.url.path, json.dumps(nested(form), sort_keys=True)
        now = time.time()
        while self._answers and now - next(iter(self._answers.values()))[0] > KEY_LIFETIME:
            del self._answers[next(iter(self._answers))]
        if key in self._answers:
            _, *before, kept = self._answers[key]
            if tuple(before) != requested:
                message = "Keys for idempotent requests can only be used with the parameters they were first used with."
                raise ApiError(400, message, kind="idempotency_error")
            return JSONResponse(kept, headers={"Idempotent-Replayed": "true"})
        made = copy.deepcopy(answer(request, form))
        self._answers[key] = (now, *requested, made)
        return JSONResponse(made)


class _PaymentPage:
    """The page on which a customer pays: https://docs.stripe.com/payments/checkout."""

    def __init__(self, account: Account, webhooks: Webhooks) -> None:
        self._account, self._webhooks = account, webhooks

    def routes(self) -> list[Route]:
        return [Route("/pay/{id}", self._show), Route("/pay/{id}", self._pay, methods=["POST"])]

    async def _show(self, request: Request) -> Response:
        return self._page(request)

    async def _pay(self, request: Request) -> Response:
        typed: dict[str, str] = {}
        try:
            typed = {name: str(value) for name, value in nested(await _form(request)).items()}
            session = self._account.session(request.path_params["id"])
            trace.set(self._account.trace_of(session))
            self._account.pay(session, self._card(typed))
        except ApiError as error:
            return self._page(request, error, typed)
        await self._webhooks.first_attempts(WEBHOOK_WAIT)
        return RedirectResponse(_filled(session["success_url"], session), 303)

    def _card(self, typed: dict[str, str]) -> str:
        """Return the number of the card. Raises ApiError for what Stripe's form refuses.

        A form without a date and a code is that of a test card's button.
        """
        expiry, code = typed.get("expiry"), typed.get("code")
        if expiry is not None:
            found = re.fullmatch(r"\s*(0?[1-9]|1[0-2])\s*/\s*(?:20)?([0-9]{2})\s*", expiry)
            if not found:
                raise ApiError(402, "Your card's expiration date is not of the form MM / YY.", param="expiry")
            if (2000 + int(found[2]), int(found[1])) < time.gmtime()[:2]:
                raise ApiError(402, "Your card has expired.", code="expired_card", param="expiry")
        if code is not None and not re.fullmatch(r"\s*[0-9]{3,4}\s*", code):
            raise ApiError(402, "Your card's security code does not have 3 or 4 digits.", param="code")
        return re.sub(r"[\s-]", "", typed.get("card", ""))

    def _page(
        self, request: Request, error: ApiError | None = None, typed: Mapping[str, str] = MappingProxyType({})
    ) -> Response:
        """Return the page of a checkout, with the *error* of the last attempt and what was *typed* for it."""
        try:
            session = self._account.session(request.path_params["id"])
        except ApiError as unknown:
            return _html(
                unknown.status,
                "'none'",
                title="No payment here",
                explanation="This address has no payment. Check the link in the shop.",
            )
        shop = urlsplit(session["success_url"])
        return _html(
            error.status if error else 200,
            f"'self' {shop.scheme}://{shop.netloc}",  # browsers apply it to the redirect too
            session=session,
            items=self._account.line_items(session["id"]),
            back=_filled(session["cancel_url"] or session["success_url"], session),
            problem=error,
            typed=typed if "expiry" in typed else _example(),
            cards=_CARDS,
            **_STATES[session["status"]],
        )


def _html(status: int, form_action: str, **values: object) -> Response:
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {form_action}"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(_pages.get_template("pay.html").render(price=money.text, **values), status, headers, "text/html")


def _authenticate(request: Request) -> None:
    """Raise ApiError unless the key is a bearer token or Basic's user: https://docs.stripe.com/api/authentication"""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credential = b64decode(credential, validate=True).decode().partition(":")[0]
        except ValueError:
            credential = ""
    if not credential:
        raise ApiError(401, "You did not provide an API key. You need to provide your API key as a bearer token.")
    if not hmac.compare_digest(credential.encode(), API_KEY.encode()):
        raise ApiError(401, f"Invalid API Key provided: {credential[:8]}****")


async def _form(request: Request) -> str:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise ApiError(413, f"The body is larger than {MAX_BODY} bytes.")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise ApiError(400, "The body is not UTF-8.") from None


def _list(url: str, documents: list[Document], more: bool = False) -> Document:
    return {"object": "list", "url": url, "has_more": more, "data": documents}


def _filled(url: str, session: Document) -> str:
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _example() -> dict[str, str]:
    """Return what the form contains at first: a test card that pays."""
    number = " ".join(re.findall("....", PAYS))
    return {"card": number, "expiry": f"12 / {(time.gmtime().tm_year + 5) % 100:02}", "code": "123"}


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body, error.status)


async def _unknown(request: Request) -> Response:
    raise ApiError(404, f"Unrecognized request URL ({request.method}: {request.url.path}).")
