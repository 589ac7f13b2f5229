"""The control call that takes a Region away or brings it back, and what the emulator does meanwhile.

`POST /_localaws/regions?down=REGION` and `?up=REGION` answer as `GET /_localaws/regions`: ``{"down": [REGION, ...]}``.
While a Region is down,

* the emulator closes the connection of each request of the Region, without an answer. All Regions share one port, so it
  can only do so once it has read to which Region a request is signed, or in which its API or its bucket is. A request
  that is already being answered goes on to its end;
* its schedules do not fire, and its asynchronous invocations wait;
* global tables keep the writes from and to its replica, and apply them when it is up: `replication.py`.

`us-east-1` has the control planes of IAM and CloudFront, so these are down with it, as on AWS. What CloudFront serves
goes on: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core import responses, router
from ministack.services import apigateway_v1, eventbridge, s3
from starlette.types import ASGIApp, Receive, Scope, Send

from localaws import control, exchange
from localaws.lambda_ import asynchronous_invocations

CALL = "regions"
NAME = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
LOOK_INTERVAL = 0.2
"""Seconds between two looks of an invocation that waits for its Region."""

DOWN: set[str] = set()
"""The Regions that are down."""

ON_UP: list[Callable[[], None]] = []
"""What is called after a Region has come back."""


def show(request: control.Request) -> control.Response:
    return control.answer(200, {"down": sorted(DOWN)})


def change(request: control.Request) -> control.Response:
    down, up = (set(request.query.get(name, [])) for name in ("down", "up"))
    for region in sorted(down | up):
        if not NAME.fullmatch(region):
            return control.answer(400, {"message": f"{region!r} is not the name of a Region, such as eu-west-1"})
    DOWN.difference_update(up)
    DOWN.update(down)
    if up:
        _tell()
    return show(request)


def _tell() -> None:
    for call in ON_UP:
        call()


class Guard:
    """The emulator *emulator*, which does not answer for a Region that is down."""

    def __init__(self, emulator: ASGIApp) -> None:
        self._emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if DOWN and scope["type"] == "http" and _region(scope) in DOWN:
            exchange.drop()
            return
        await self._emulator(scope, receive, send)


def _region(scope: Scope) -> str | None:
    """Return the Region of a request, or None if it names none."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "")
    if called := app._parse_execute_api_url(host, scope["path"]):
        found = apigateway_v1.find_api_scope(called[0])
        return str(found[1]) if found else None
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if signed := router.extract_signed_region(headers, query):
        return str(signed)
    target = None if scope["path"].startswith(control.PREFIXES) else app._s3_cors_target(host, scope["path"])
    return s3.bucket_region(target[0]) if target else None


def waiting(execute: Any) -> Any:
    """Wrap an asynchronous invocation: it begins when its Region is up."""

    def run(invocation: Any) -> None:
        while responses.get_region() in DOWN:
            time.sleep(LOOK_INTERVAL)
        execute(invocation)

    return run


def firing(invoke: Any) -> Any:
    """Wrap the invocation of a rule's target: no rule of a Region that is down invokes any."""

    def invoke_target(*arguments: Any) -> Any:
        return None if responses.get_region() in DOWN else invoke(*arguments)

    return invoke_target


def saving(save_all: Any) -> Any:
    """Wrap the saving of the state at the end: the next start has all Regions, with what their tables wait for."""

    def save(services: Any) -> None:
        DOWN.clear()
        _tell()
        save_all(services)

    return save


def install() -> None:
    """Let the emulator take Regions away."""
    control.CALLS["GET", CALL] = show
    control.CALLS["POST", CALL] = change
    app.app = Guard(app.app)
    app.save_all = saving(app.save_all)
    eventbridge._invoke_target = firing(eventbridge._invoke_target)
    asynchronous_invocations.Invocation.run = waiting(asynchronous_invocations.Invocation.run)  # type: ignore[method-assign]
