"""A read of each API in the sandbox, for 1, 8 and 32 clients, beside a plain handler in an empty emulator.

The sandbox is that of a clone of the last commit, with no devices. Figures are those of wrk: the time within which half
of the requests, and 99 of 100, are answered.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import boto3

from bench import clones
from bench.emulator import emulator
from bench.row import Row, Unmeasured, turns
from bench.traces import PLAIN, deploy, raise_limit
from sandbox.demo.users import PASSWORD, USERS

_ROUNDS, _SECONDS, _CLIENTS = 3, 2, (1, 8, 32)
_ROUTES = {
    "todo-app": "todos",
    "blog-app": "posts",
    "video-app": "videos",
    "pipeline-app": "devices",
    "receipts-app": "health",
}
_MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}


def rows() -> Iterator[Row]:
    """Yield both times of each API and number of clients. Raises Unmeasured."""
    if not shutil.which("wrk"):
        raise Unmeasured("needs wrk")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "clone")
        clones.clone(root)
        with clones.sandbox(root) as (outputs, _), emulator() as endpoint:
            raise_limit()
            plain, token = deploy(endpoint, "plain", PLAIN), _token(outputs)
            for clients in _CLIENTS:
                urls = [f"{outputs[app]['api']}/{route}" for app, route in _ROUTES.items()]
                for url in (*urls, plain):
                    _start(url, clients, token)
                load = [partial(_load, url, clients, token) for url in (*urls, plain)]
                *apis, peer = turns(_ROUNDS, *load)
                for (app, route), its in zip(_ROUTES.items(), apis, strict=True):
                    what = f"GET /{route} of {app}, {clients} client{'s' if clients > 1 else ''}"
                    for index, share in enumerate(("half", "99 %")):
                        times = ([each[index] for each in found] for found in (its, peer))
                        yield Row(f"{what}: {share} within", next(times), "a plain handler", next(times), "ms")


def _client(outputs: Mapping[str, Any], service: str) -> Any:
    return boto3.client(
        service,
        outputs["region"],
        endpoint_url=outputs["endpoint"],
        aws_access_key_id=outputs["access_key_id"],
        aws_secret_access_key=outputs["secret_access_key"],
    )


def _token(outputs: Mapping[str, Any]) -> str:
    """Return the ID token of a demo user."""
    signed_in = _client(outputs, "cognito-idp").initiate_auth(
        ClientId=outputs["todo-app"]["user_pool_client_id"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": USERS[0], "PASSWORD": PASSWORD},
    )
    return str(signed_in["AuthenticationResult"]["IdToken"])


def _start(url: str, clients: int, token: str) -> None:
    """Send requests at the same time, so that environments start for that many clients. Raises for an error.

    On two cores no request is answered for some seconds while 24 environments start.
    """

    def send(_number: int) -> None:
        urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": token})).close()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, range(3 * clients)))


def _load(url: str, clients: int, token: str) -> tuple[float, float]:
    """Send requests for `_SECONDS`; return the times of half, and of 99 of 100, in ms. Raises for an error."""
    options = ["--latency", "--timeout", "60s", "-H", f"Authorization: {token}"]
    command = ["wrk", "-t1", f"-c{clients}", f"-d{_SECONDS}s", *options, url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if failed := re.search(r"(Socket errors|Non-2xx|\b0 requests in).*", printed):
        raise RuntimeError(f"{url}: {failed[0]}")
    times = [re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)\b", printed) for share in (50, 99)]
    half, most = (float(found[1]) * _MILLISECONDS[found[2]] for found in times if found)
    return half, most
