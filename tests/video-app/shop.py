"""The whole domain with stores in memory and a clock under the test's control."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from memory import MemoryContent, MemoryEntitlements, MemoryPayments, MemoryVideos

from chalicelib.checkout import Checkout, Checkouts, Order
from chalicelib.entitlements import Entitlements
from chalicelib.library import Library
from chalicelib.links import Links
from chalicelib.payments import Paid, Payments, Refunded
from chalicelib.videos import Catalogue, NewFile, NewVideo, Publishing, Uploaded, UploadedFile, parts

FILES = [NewFile("video.mp4", 30), NewFile("poster.jpg", 5), NewFile("hls/index.m3u8", 7), NewFile("hls/0.m4s", 20)]


class Clock:
    """Stands still, and moves by `advance`."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)

    @property
    def seconds(self) -> int:
        return int(self.now.timestamp())


class Signer:
    """Returns its arguments instead of a signature."""

    def url(self, url: str, expires: int, *, source: str | None = None) -> str:
        return f"{url}?expires={expires}&source={source}"

    def cookies(self, resource: str, expires: int) -> dict[str, str]:
        return {
            "CloudFront-Policy": f"{resource}|{expires}",
            "CloudFront-Signature": "s",
            "CloudFront-Key-Pair-Id": "k",
        }


class Provider:
    """Accepts and records every order. ``others`` are payments of another shop."""

    def __init__(self) -> None:
        self.orders: list[tuple[Order, str | None]] = []
        self.others: set[str] = set()

    def checkout(self, order: Order, idempotency_key: str | None) -> Checkout:
        self.orders.append((order, idempotency_key))
        return Checkout(f"cs_{len(self.orders)}", f"https://pay.example/cs_{len(self.orders)}")

    def is_of_another_shop(self, payment: str) -> bool:
        return payment in self.others


class Shop:
    """The whole domain with stores in memory."""

    def __init__(self) -> None:
        self.clock, self.provider, self.content = Clock(), Provider(), MemoryContent()
        self.video_store, self.ledger, self.store = MemoryVideos(), MemoryPayments(), MemoryEntitlements()
        self.catalogue = Catalogue(self.video_store)
        self.publishing = Publishing(self.video_store, self.content, self.clock)
        self.payments = Payments(self.ledger, self.store, self.provider)
        self.entitlements = Entitlements(self.store, self.clock)
        self.library = Library(self.entitlements, self.store, self.video_store)
        prices: Any = {"month": 990, "year": 9900}
        site = "https://videos.example"
        self.checkouts = Checkouts(self.provider, self.catalogue, self.entitlements, prices, "eur", site)
        self.links = Links(self.catalogue, self.entitlements, Signer, site, 300, self.clock)

    def publish(self, files: list[NewFile] = FILES) -> str:
        draft = self.publishing.add(NewVideo("The ferry", 60, 299, "eur", files))
        self.publishing.publish(draft.id, uploaded(files))
        self.clock.advance(seconds=1)
        return draft.id

    def pay(self, item: str, user: str = "ann", payment: str = "pi_1") -> None:
        self.payments.apply(Paid(payment, user, item, self.clock.seconds))

    def refund(self, payment: str = "pi_1", user: str | None = None, item: str | None = None) -> None:
        self.payments.apply(Refunded(payment, self.clock.seconds, user, item))


def uploaded(files: list[NewFile] = FILES) -> Uploaded:
    return Uploaded([UploadedFile(file.name, [str(size) for size in parts(file.size)]) for file in files])
