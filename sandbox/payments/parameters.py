"""The parameters of requests: form fields with nested names such as ``line_items[0][price_data][currency]=eur``.

https://docs.stripe.com/api/checkout/sessions/create, https://docs.stripe.com/api/refunds/create,
https://docs.stripe.com/api/webhook_endpoints/create
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from sandbox.payments.errors import ApiError

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){0,8})")
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(\w+)`")
_PATH = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`")

Cents = Annotated[int, Meta(ge=0, le=99_999_999)]
"""The smallest unit of a currency."""
Currency = Annotated[str, Meta(pattern="^[A-Za-z]{3}$")]
Url = Annotated[str, Meta(pattern="^https?://", max_length=5000)]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]], Meta(max_length=50)
]


class _Parameters(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ProductData(_Parameters, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=250)]
    description: str = ""


class PriceData(_Parameters, frozen=True):
    currency: Currency
    unit_amount: Cents
    product_data: ProductData


class LineItem(_Parameters, frozen=True):
    price_data: PriceData
    quantity: Annotated[int, Meta(ge=1, le=999)] = 1


class PaymentIntentData(_Parameters, frozen=True):
    metadata: Metadata = {}
    description: str | None = None


class NewSession(_Parameters, frozen=True):
    """A checkout of one payment. There are no subscriptions and no set-ups."""

    mode: Literal["payment"]
    line_items: Annotated[list[LineItem], Meta(min_length=1, max_length=100)]
    success_url: Url
    cancel_url: Url | None = None
    client_reference_id: Annotated[str, Meta(max_length=200)] | None = None
    customer_email: str | None = None
    expires_at: int | None = None
    metadata: Metadata = {}
    payment_intent_data: PaymentIntentData = PaymentIntentData()


class NewRefund(_Parameters, frozen=True):
    payment_intent: str = ""
    charge: str = ""
    amount: Annotated[int, Meta(ge=1)] | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: Metadata = {}


class Evidence(_Parameters, frozen=True):
    uncategorized_text: Annotated[str, Meta(max_length=20_000)] = ""


class DisputeChange(_Parameters, frozen=True):
    """Evidence, which is submitted at once: https://docs.stripe.com/api/disputes/update."""

    evidence: Evidence = Evidence()
    submit: bool = True


class NewEndpoint(_Parameters, frozen=True):
    url: Url
    enabled_events: Annotated[list[str], Meta(min_length=1)]
    description: str | None = None
    api_version: str | None = None


class EndpointChange(_Parameters, frozen=True):
    url: Url | None = None
    enabled_events: Annotated[list[str], Meta(min_length=1)] | None = None
    disabled: bool | None = None


class Retry(_Parameters, frozen=True):
    """The endpoint that gets an event again; by default every endpoint that listens to its type."""

    webhook_endpoint: str | None = None


class Nothing(_Parameters, frozen=True):
    pass


class ListParameters(_Parameters, frozen=True):
    """The part of a list: https://docs.stripe.com/api/pagination."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    starting_after: str | None = None
    type: str | None = None
    payment_intent: str | None = None


def parse[T](form: str, cls: type[T]) -> T:
    """Return the *form*, a body or a query string, as a *cls*. Raises ApiError, which names the parameter."""
    try:
        return msgspec.convert(nested(form), cls, strict=False)
    except msgspec.ValidationError as error:
        raise _translated(str(error)) from None


def nested(form: str) -> dict[str, Any]:
    """Return the fields of the *form* by their nested names: ``a[b][0]=c`` is ``{"a": {"b": ["c"]}}``.

    Raises ApiError for an invalid name, and for a name with both a value and inner names.
    """
    root: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        found = _NAME.fullmatch(name)
        if not found:
            raise ApiError(400, f"Invalid parameter name: {name}", param=name)
        level, key = root, found[1]
        for inner in re.findall(r"\[([^\]]*)\]", found[2]):
            level = level.setdefault(key, {})
            if not isinstance(level, dict):
                raise ApiError(400, f"Invalid object: {name}", param=name)
            key = inner or str(len(level))
        if isinstance(level.get(key), dict):
            raise ApiError(400, f"Invalid string: {name}", param=name)
        level[key] = value
    return {name: value if name == "metadata" else _with_arrays(value) for name, value in root.items()}


def _with_arrays(value: Any) -> Any:
    """Turn fields whose keys are all numbers into an array, except in metadata, whose keys are the caller's."""
    if not isinstance(value, dict):
        return value
    filled = {key: inner if key == "metadata" else _with_arrays(inner) for key, inner in value.items()}
    return [filled[key] for key in sorted(filled, key=int)] if all(key.isdecimal() for key in filled) else filled


def _translated(message: str) -> ApiError:
    """Return msgspec's message, which names ``$.line_items[0].quantity``, as the API words it."""
    path = _PATH.search(message)
    steps = re.findall(r"\w+|\.\.\.", path[1]) if path else []
    field = _FIELD.match(message)
    first, *rest = [*steps, field[2]] if field else steps or ["…"]
    param = first + "".join(f"[{step}]" for step in rest)
    if field and field[1] == "missing required":
        return ApiError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)
    if field:
        return ApiError(400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
    reason = message.partition(" - at ")[0]
    return ApiError(400, f"Invalid {param}: {reason}", code="parameter_invalid", param=param)
