"""The clients of a soak test, for locust: users, readers, an author, buyers, devices and programs that update.

Each writes in the journal what it asked for and what it was told. locust runs this file in an environment of its own,
so it imports no other package than those of ``requirements.in``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import random
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import gevent
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from locust import HttpUser, between

from common.sigv4 import sign
from sandbox.demo.users import PASSWORD, USERS
from sandbox.soak.attempts import acknowledged, carry_out
from sandbox.soak.journal import Journal, Outcome

_TIMEOUT = (5, 40)
"""Seconds for a connection and for an answer. API Gateway answers within 29."""
_AGAIN = 0.2
"""The share of events, subscriptions and readings that are sent again after they were acknowledged."""
_BATCH = 5
_OUTPUTS = Path(os.environ["SOAK_OUTPUTS"])
_known: dict[str, Any] = {}


@cache
def journal() -> Journal:
    return Journal(Path(os.environ["SOAK_JOURNAL"]))


def outputs(app: str) -> dict[str, Any]:
    """Return the outputs of an app. While the sandbox starts again there is no file, and those before it are used."""
    if _OUTPUTS.exists():
        _known.update(json.loads(_OUTPUTS.read_text()))
    found: dict[str, Any] = _known[app]
    return found


def subject() -> str:
    return f"soak-{uuid.uuid4().hex[:12]}"


def chance(share: float) -> bool:
    return random.random() < share  # noqa: S311


class Client(HttpUser):  # type: ignore[misc] # locust is not in the environment of mypy
    """A client that keeps a journal."""

    abstract = True
    host = "http://127.0.0.1"
    wait_time = between(0.5, 2)

    def request(self, method: str, url: str, name: str, **about: Any) -> Any:
        """Send a request, which locust counts under *name*. An answer that does not come has the status 0."""
        return self.client.request(method, url, name=name, timeout=_TIMEOUT, allow_redirects=False, **about)

    def carry_out(
        self,
        what: str,
        subject: str,
        attempt: Callable[[], Any],
        judge: Callable[[Any], Outcome] = acknowledged,
        count: int = 1,
    ) -> Any:
        """Carry out an operation, and return the answer if it happened."""
        return carry_out(journal(), journal().begin(what, subject, count), attempt, judge, gevent.sleep)

    def signed_in(self, app: str, email: str) -> str:
        """Return an ID token, as soon as the user pool gives one."""
        body = {
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": outputs(app)["user_pool_client_id"],
            "AuthParameters": {"USERNAME": email, "PASSWORD": PASSWORD},
        }
        headers = {
            "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
            "Content-Type": "application/x-amz-json-1.1",
        }
        while True:
            answer = self.request("POST", os.environ["AWS_ENDPOINT_URL"], "sign in", json=body, headers=headers)
            if answer.status_code == 200:
                return str(answer.json()["AuthenticationResult"]["IdToken"])
            gevent.sleep(2)


class User(Client):
    """A user of the todo list."""

    weight = 3

    def on_start(self) -> None:
        self.headers = {"Authorization": self.signed_in("todo-app", random.choice(USERS))}  # noqa: S311
        self.todos: list[tuple[str, str]] = []

    def send(self, method: str, path: str, **about: Any) -> Any:
        headers = self.headers | about.pop("headers", {})
        name = f"{method} /{path.split('/')[1]}"
        return self.request(method, outputs("todo-app")["api"] + path, name, headers=headers, **about)

    def add(self) -> None:
        title = subject()
        key = {"Idempotency-Key": title}
        added = self.carry_out(
            "add todo",
            title,
            lambda: self.send("POST", "/todos", json={"title": title}, headers=key),
        )
        if added is not None:
            self.todos.append((title, added.json()["id"]))

    def remove(self) -> None:
        if self.todos:
            title, todo_id = self.todos.pop()
            self.carry_out("remove todo", title, lambda: self.send("DELETE", f"/todos/{todo_id}"))

    def read(self) -> None:
        self.send("GET", "/todos?limit=20")

    tasks: ClassVar = {add: 5, remove: 1, read: 3}


class Reader(Client):
    """A reader of the blog, who subscribes under many addresses."""

    weight = 2

    def subscribe(self) -> None:
        name = subject()
        for _ in range(1 + chance(_AGAIN)):
            self.carry_out(
                "subscribe",
                name,
                lambda: self.request(
                    "POST",
                    outputs("blog-app")["site"] + "/api/subscribers",
                    "POST /subscribers",
                    json={"email": f"{name}@example.com"},
                ),
            )

    def read(self) -> None:
        path = random.choice(("/", "/feed.xml", "/api/posts"))  # noqa: S311
        self.request("GET", outputs("blog-app")["site"] + path, "GET the site")

    tasks: ClassVar = {subscribe: 3, read: 3}


class Author(Client):
    """The author of the blog."""

    fixed_count = 1
    wait_time = between(3, 6)

    def on_start(self) -> None:
        self.slugs: list[str] = []

    def send(self, method: str, path: str, body: Any = None) -> Any:
        blog, content = outputs("blog-app"), json.dumps(body).encode() if body else b""
        key = Credentials(blog["author_access_key_id"], blog["author_secret_access_key"])
        url = blog["api"] + path
        headers = sign(
            key, os.environ["AWS_DEFAULT_REGION"], method, url, {"Content-Type": "application/json"}, content
        )
        return self.request(method, url, f"{method} /posts", data=content, headers=headers)

    def publish(self) -> None:
        slug = subject()
        post = {"slug": slug, "title": slug, "body_markdown": "Written by `make soak`."}
        if self.carry_out("publish post", slug, lambda: self.send("POST", "/posts", post)):
            self.slugs.append(slug)

    def remove(self) -> None:
        if self.slugs:
            slug = self.slugs.pop()
            self.carry_out("remove post", slug, lambda: self.send("DELETE", f"/posts/{slug}"))

    tasks: ClassVar = {publish: 4, remove: 1}


class Buyer(Client):
    """A buyer of the video shop, with the payment provider, whose events may come again."""

    weight = 2

    def on_start(self) -> None:
        self.payments: list[str] = []
        token = self.signed_in("video-app", USERS[0])
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self.headers = {"Authorization": token}
        self.event("checkout.session.completed", subject(), claims["sub"], payment_status="paid")
        self.contents: dict[str, str] = {}

    def event(self, kind: str, payment: str, user: str, **about: Any) -> Any:
        """Tell the shop what happened to the payment of a user for a month, as the provider does."""
        shop, now = outputs("video-app"), int(time.time())
        metadata = {"user": user, "item": "plan:month", "stage": _known["stage"], "title": "A month"}
        session = {"payment_intent": payment, "metadata": metadata, **about}
        body = json.dumps({"id": payment, "type": kind, "created": now, "data": {"object": session}}).encode()
        key = shop["payments_webhook_secret"].encode()
        signature = hmac.new(key, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={now},v1={signature}", "Content-Type": "application/json"}
        return self.request(
            "POST", f"{shop['api']}/payments/webhook", "POST /payments/webhook", data=body, headers=headers
        )

    def pay(self) -> None:
        payment = subject()
        sale = {"amount_total": 990, "currency": "usd", "customer_details": {"email": f"{payment}@example.com"}}
        for _ in range(1 + chance(_AGAIN)):
            if self.carry_out(
                "pay",
                payment,
                lambda: self.event("checkout.session.completed", payment, payment, payment_status="paid", **sale),
            ):
                self.payments.append(payment)

    def refund(self) -> None:
        if self.payments:
            payment = self.payments.pop()
            self.carry_out(
                "refund",
                payment,
                lambda: self.event("charge.refunded", payment, payment, refunded=True),
            )

    def watch(self) -> None:
        shop = outputs("video-app")
        films = self.request("GET", f"{shop['api']}/videos?limit=1", "GET /videos")
        if films.status_code != 200 or not films.json()["items"]:
            return
        url = f"{shop['api']}/videos/{films.json()['items'][0]['id']}/link"
        link = self.request("GET", url, "GET /link", headers=self.headers)
        if link.status_code == 200:
            self.carry_out(
                "download film",
                subject(),
                lambda: self.request("GET", link.json()["url"], "GET a film"),
                self.judge,
            )

    def judge(self, film: Any) -> Outcome:
        """Compare a film with the one that had the same ETag and length."""
        told = f"{film.headers.get('ETag')} {film.headers.get('Content-Length')}"
        got = hashlib.sha256(film.content).hexdigest()
        return Outcome.ACKNOWLEDGED if self.contents.setdefault(told, got) == got else Outcome.BROKEN

    tasks: ClassVar = {pay: 4, refund: 1, watch: 2}


class Device(Client):
    """A gateway of many devices, which sends a few readings of one of them at a time."""

    weight = 2

    def send(self) -> None:
        device, now = subject(), time.time_ns() // 10**6
        readings = [
            {
                "device_id": device,
                "metric": "temperature",
                "value": 20.5,
                "unit": "C",
                "ts": now + number,
                "seq": number,
            }
            for number in range(_BATCH)
        ]
        for _ in range(1 + chance(_AGAIN)):
            self.carry_out("send readings", device, lambda: self.put(device, readings), self.judge, _BATCH)

    def put(self, device: str, readings: list[dict[str, Any]]) -> Any:
        records = [
            {"Data": base64.b64encode(json.dumps(reading).encode()).decode(), "PartitionKey": device}
            for reading in readings
        ]
        body = json.dumps({"StreamName": outputs("pipeline-app")["stream"], "Records": records})
        target = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", os.environ["AWS_ENDPOINT_URL"] + "/", target, body.encode())
        key = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(key, "kinesis", os.environ["AWS_DEFAULT_REGION"]).add_auth(request)
        return self.request("POST", request.url, "PutRecords", data=request.body, headers=dict(request.headers.items()))

    @staticmethod
    def judge(answer: Any) -> Outcome:
        """Kinesis may take a part of the records. To send all of them again does no harm."""
        return Outcome.UNKNOWN if answer.json()["FailedRecordCount"] else Outcome.ACKNOWLEDGED

    tasks: ClassVar = {send: 1}


class Program(Client):
    """A program that looks for an update and downloads the newest one."""

    weight = 1

    def update(self) -> None:
        edge = outputs("updates")["edge"]
        index = self.request("GET", f"{edge}/releases/index.json?channel=stable", "GET the index")
        if index.status_code != 200 or not index.json()["releases"]:
            return
        release = index.json()["releases"][0]
        self.carry_out(
            "download package",
            subject(),
            lambda: self.request("GET", edge + release["url"], "GET a package"),
            lambda answer: (
                Outcome.ACKNOWLEDGED
                if hashlib.sha256(answer.content).hexdigest() == release["sha256"]
                else Outcome.BROKEN
            ),
        )

    tasks: ClassVar = {update: 1}
