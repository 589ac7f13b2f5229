"""Counts what is there at the end of a soak test, as users and operators see it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from deploy.account import client
from sandbox.console.console import mails
from sandbox.console.event_sources import site_data
from sandbox.demo.users import USERS, id_token
from sandbox.soak.books import Account, Found, balance
from sandbox.soak.journal import Operation, Outcome

PREFIX = "soak-"
QUIET = 120
"""Seconds without a change after which nothing more is expected."""
_INTERVAL = 5


class Audit:
    """Counts in the sandbox with these *outputs* what the clients of the *operations* caused."""

    def __init__(self, outputs: Mapping[str, Any], operations: Sequence[Operation]) -> None:
        self._outputs, self._operations = outputs, operations
        self._http = httpx.Client(timeout=60)

    def accounts(self, wait: Callable[[float], None] = time.sleep) -> list[Account]:
        """Return the accounts as soon as they balance, or have not changed for `QUIET` seconds."""
        found, since = self.found(), time.monotonic()
        while not all(account.balances for account in balance(self._operations, found)):
            if time.monotonic() - since > QUIET:
                break
            wait(_INTERVAL)
            if (now := self.found()) != found:
                found, since = now, time.monotonic()
        return balance(self._operations, found)

    def found(self) -> Found:
        """Return by kind and subject how many effects there are."""
        sent = mails(self._outputs["endpoint"])
        return {
            "todos": Counter(self._todos()),
            "posts": Counter(self._posts()),
            "pages of posts": Counter(self._pages()),
            "welcome mails": recipients(sent, self._outputs["blog-app"]["sender"]),
            "entitlements": Counter(self._entitlements()),
            "receipts": recipients(sent, self._outputs["receipts-app"]["sender"]),
            "readings": self._readings(),
            "downloads": Counter(
                each.subject
                for each in self._operations
                if each.what.startswith("download") and each.outcome is Outcome.ACKNOWLEDGED
            ),
        }

    def _todos(self) -> Iterator[str]:
        todo = self._outputs["todo-app"]
        for user in USERS:
            token = {"Authorization": id_token(todo["user_pool_client_id"], user)}
            yield from _own(item["title"] for item in self._items(f"{todo['api']}/todos", token))

    def _posts(self) -> Iterator[str]:
        return _own(item["slug"] for item in self._items(f"{self._outputs['blog-app']['api']}/posts"))

    def _pages(self) -> Iterator[str]:
        pages = client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._outputs["blog-app"]["site_bucket"], Prefix=f"posts/{PREFIX}"):
            for found in page.get("Contents", []):
                if found["Key"].endswith("/index.html"):
                    yield found["Key"].split("/")[1]

    def _entitlements(self) -> Iterator[str]:
        """Yield the user of each payment that counts. Each user of the test paid once."""
        for page in client("dynamodb").get_paginator("scan").paginate(TableName=self._outputs["video-app"]["table"]):
            for item in page["Items"]:
                for name, value in item.items():
                    if name.startswith("payment:") and "paid_at" in value["M"] and "refunded_at" not in value["M"]:
                        yield from _own([item["user"]["S"]])

    def _readings(self) -> Counter[str]:
        """Return by device the readings in the hourly reports of the days on which they were sent."""
        counts: Counter[str] = Counter()
        for day in sorted({_day(each.began) for each in self._operations}):
            for row in self._rows(day):
                if row["device_id"].startswith(PREFIX):
                    counts[row["device_id"]] += row["count"]
        return counts

    def _rows(self, day: str) -> Iterator[dict[str, Any]]:
        url, query = f"{self._outputs['pipeline-app']['api']}/reports/hourly", {"period": day}
        while True:
            answer = self._http.get(url, params=query)
            if answer.status_code == 404:  # there is no report yet
                return
            page = answer.raise_for_status().json()
            yield from page["rows"]
            if not page.get("cursor"):
                return
            query["cursor"] = page["cursor"]

    def _items(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        query = {"limit": "100"}
        while True:
            page = self._http.get(url, params=query, headers=headers).raise_for_status().json()
            yield from page["items"]
            if not page["cursor"]:
                return
            query["cursor"] = page["cursor"]


def recipients(sent: Sequence[Mapping[str, Any]], sender: str) -> Counter[str]:
    """Return how many mails of *sender* each subject got."""
    return Counter(
        _own(address.partition("@")[0] for mail in sent if sender in mail["Source"] for address in mail["To"])
    )


def failures(endpoint: str) -> list[str]:
    """Return in a line for each cause what the queues of failures hold, and why."""
    return causes(site_data(endpoint, shown=None)["queues"])


def causes(queues: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each queue, function and reason."""
    counts: Counter[tuple[str, str]] = Counter()
    for queue in queues:
        for message in queue["messages"]:
            error = (message["error"] or {}).get("message", "")
            counts[queue["name"], f"{message['function']}: {message['reason']} {error}".rstrip()] += 1
    return [f"{queue}: {count} of {why}" for (queue, why), count in sorted(counts.items())]


def _own(names: Any) -> Iterator[str]:
    return (name for name in names if name.startswith(PREFIX))


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
