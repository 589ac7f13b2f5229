"""Videos, those that a user has bought, and payments."""

from __future__ import annotations

import uuid
from typing import Any

from bench import tables
from bench.growth.subject import Aws, Operation, Subject


def subjects(aws: Aws) -> list[Subject]:
    from chalicelib.entitlement_table import EntitlementTable
    from chalicelib.entitlements import Entitlements
    from chalicelib.library import Library
    from chalicelib.payment_table import PaymentTable
    from chalicelib.payments import Paid, Payments, Sale
    from chalicelib.video_table import VideoTable
    from chalicelib.videos import Catalogue, VideoQuery

    client = aws.client("dynamodb")
    names = [tables.create(client, "video-app", resource) for resource in ("Videos", "Entitlements", "Payments")]
    videos, store, ledger = (
        VideoTable(client, names[0]),
        EntitlementTable(client, names[1]),
        PaymentTable(client, names[2]),
    )
    library = Library(Entitlements(store), store, videos)

    def grow(before: int, size: int) -> None:
        tables.fill(client, names[0], map(_video, range(before, size)))
        bought = ({"user": "ann", "item": f"video:{_id(n)}", "payment:x": _PAYMENT} for n in range(before, size))
        tables.fill(client, names[1], bought)

    def pay(before: int, size: int) -> None:
        payments = ({**_PAYMENT, "id": f"p{n}", "user": "bob", "item": "plan:month"} for n in range(before, size))
        tables.fill(client, names[2], payments)

    sale = Sale("A film", 300, "usd", "ann@example.com")
    paid = Paid("new", "ann", f"video:{_id(20_000)}", 1_900_000_000, sale, 300)

    def unpaid() -> None:
        client.delete_item(TableName=names[2], Key={"id": {"S": "new"}})
        client.delete_item(TableName=names[1], Key={"user": {"S": "ann"}, "item": {"S": paid.item}})

    page = Operation("a page of 5 videos", lambda: Catalogue(videos).list(VideoQuery(limit=5)))
    shelf = Operation("a page of 5 of the library", lambda: library.list("ann", VideoQuery(limit=5)))
    note = Operation("a purchase is noted", lambda: Payments(ledger, store, _NoProvider()).apply(paid), undo=unpaid)
    return [Subject("videos, which the user bought", grow, (page, shelf)), Subject("payments", pay, (note,))]


class _NoProvider:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the provider is asked for {name}")


def _id(n: int) -> str:
    return str(uuid.UUID(int=n))


def _video(n: int) -> dict[str, Any]:
    shown = {"title": f"Film {n}", "description": "A film", "duration": 60, "price": 300, "currency": "usd"}
    moment = f"2030-01-01T00:00:{n / 1000:06.3f}Z"
    return {**shown, "id": _id(n), "status": "published", "poster": "/p.jpg", "published_at": moment}


_PAYMENT = {"id": "x", "version": 1, "paid_at": 1_900_000_000, "amount": 300}
