"""The store of subscribers in memory, tested by the same contract as the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from chalicelib.subscribers import Subscriber, WelcomeMail

type Item = Subscriber | WelcomeMail
type Key = tuple[type[Item], str]
type Written = Callable[[Key, Item | None, Item | None], None]


class MemorySubscribers:
    """*written* is called with each change: key, old and new item."""

    def __init__(self, written: Written = lambda key, old, new: None) -> None:
        self.subscribers: dict[str, Subscriber] = {}
        self.mails: dict[str, WelcomeMail] = {}
        self._written = written

    def add(self, subscriber: Subscriber) -> None:
        if subscriber.id not in self.subscribers:
            self._put(subscriber)

    def read(self, subscriber_id: str) -> tuple[Subscriber | None, WelcomeMail | None]:
        return self.subscribers.get(subscriber_id), self.mails.get(subscriber_id)

    def remove(self, subscriber_id: str) -> None:
        subscriber = self.subscribers.get(subscriber_id)
        if subscriber and subscriber.status == "subscribed":
            self._written((Subscriber, subscriber_id), self.subscribers.pop(subscriber_id), None)

    def suppress(self, subscriber: Subscriber) -> None:
        self._put(replace(self.subscribers.get(subscriber.id, subscriber), status="suppressed"))

    def waiting(self, since: int, until: int) -> Iterator[str]:
        sent = {mail.id for mail in self.mails.values() if mail.sent_at is not None}
        found = [s for s in self.subscribers.values() if since <= s.subscribed_at <= until and s.id not in sent]
        return iter([s.id for s in sorted(found, key=lambda s: s.subscribed_at)])

    def replace_mail(self, mail: WelcomeMail, attempts: int) -> bool:
        stored = self.mails.get(mail.id)
        if stored is None and attempts:
            return False
        if stored and (stored.attempts != attempts or stored.sent_at is not None):
            return False
        self._put(mail)
        return True

    def settle_mail(self, subscriber_id: str, subscribed_at: int, message_id: str, now: int) -> None:
        mail = self.mails.get(subscriber_id)
        if mail and mail.subscribed_at == subscribed_at and mail.sent_at is None:
            self._put(replace(mail, sent_at=now, message_id=message_id))

    def forget_mail(self, subscriber_id: str, subscribed_at: int) -> None:
        mail = self.mails.get(subscriber_id)
        if mail and mail.subscribed_at <= subscribed_at:
            self._written((WelcomeMail, subscriber_id), self.mails.pop(subscriber_id), None)

    def _put(self, item: Item) -> None:
        items = self._items(type(item))
        old, items[item.id] = items.get(item.id), item
        self._written((type(item), item.id), old, item)

    def replicate(self, key: Key, item: Item | None) -> Item | None:
        """Store what another Region has written, and return the old item."""
        items = self._items(key[0])
        old = items.pop(key[1], None)
        if item is not None:
            items[key[1]] = item
        return old

    def _items(self, kind: type[Item]) -> dict[str, Item]:
        return self.subscribers if kind is Subscriber else self.mails  # type: ignore[return-value]
