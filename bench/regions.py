"""The home of MyBlog is refused in the middle of reads and subscriptions, and comes back: docs/two-regions.md.

It releases the app to two Regions of a local AWS of its own. A short outage ends before the standby sends mails. In a
long one the clock is turned, so that it does. At the end the mails and the items of both Regions are counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from deploy import apps, stacks
from localaws.clock.client import turned as turn_clock
from localaws.ports import find_free_port
from localaws.regions.client import Change
from localaws.regions.client import turned as turn_region
from localaws.testing import until, verify_identity
from sandbox import account
from sandbox.console.console import mails
from sandbox.settings import REGION as HOME
from sandbox.settings import REPLICA_REGION as STANDBY
from sandbox.settings import ROOT

APP, STAGE, SENDER = "blog-app", "regions", "hello@blog.example"
POSTS, READS, SUBSCRIPTIONS, LATE = 20, 2_000, 200, 50
READERS, WRITERS, TRIES = 8, 2, 10

OVERDUE = 80 * 60
"""Seconds after which the standby has sent a mail that the home has not."""

SWEEPS = 20 * 60
"""Seconds in which each Region looks again for mails to send."""


def run() -> None:
    """Print the figures as rows of a table."""
    with tempfile.TemporaryDirectory() as folder, _aws(Path(folder)) as endpoint:
        account.prepare()
        parameters = [f"Sender={SENDER}", "SubscriptionsPerSecond=500"]
        _python("deploy", "release", APP, STAGE, *parameters, "--regions", f"{HOME},{STANDBY}")
        try:
            verify_identity(endpoint, SENDER)
            with _edge() as url:
                for what, figure in _Outages(endpoint, url).figures():
                    print(f"| {what} | {figure} |")
        finally:
            _python("deploy", "delete", STAGE, "--force")


@contextlib.contextmanager
def _aws(folder: Path) -> Iterator[str]:
    """Run a local AWS with two Regions, and point this process to it; the value is its address."""
    where, ports = f"--folder={folder}", [f"--{use}={find_free_port()}" for use in ("port", "dax-port", "mqtt-port")]
    _python("localaws", "up", where, *ports, f"--region={HOME}", f"--region={STANDBY}", "--grant-requests")
    try:
        os.environ.update(re.findall(r"export (\w+)='(.*)'", _python("localaws", "env", where)))
        yield os.environ["AWS_ENDPOINT_URL"]
    finally:
        _python("localaws", "down", where)


@contextlib.contextmanager
def _edge() -> Iterator[str]:
    """Serve the distribution; the value is its address."""
    distribution = stacks.outputs(apps.stack(APP, STAGE, "edge"))["DistributionId"]
    port = find_free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "localaws.cloudfront", f"{distribution}={port}"], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class _Read:
    down: bool
    """Whether the home was down."""
    path: str
    status: int
    body: str
    """Of an answer that is not 200."""
    seconds: float


class _Outages:
    """The two outages, and what the clients saw."""

    def __init__(self, endpoint: str, url: str) -> None:
        self._endpoint = endpoint
        self._edge = httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=READERS + WRITERS))
        self._down = False
        self._reads: list[_Read] = []
        self._taken: Counter[str] = Counter()
        """Subscriptions by the Region that took them."""
        self._refused: Counter[str] = Counter()
        """Answers after which a person tried again."""
        self._outputs = {region: _outputs(region) for region in (HOME, STANDBY)}
        secret = boto3.client("secretsmanager").get_secret_value(SecretId=f"{APP}-{STAGE}-author")["SecretString"]
        key = json.loads(secret)
        self._author = Credentials(key["access_key_id"], key["secret_access_key"])

    def figures(self) -> Iterator[tuple[str, object]]:
        for number in range(POSTS):
            self._post(HOME, f"post-{number}")
        until(lambda: self._published(HOME) == self._published(STANDBY) == POSTS)
        until(lambda: self._edge.get("/api/health").status_code == 200)

        self._short_outage()
        self._mails_to(SUBSCRIPTIONS)
        before = self._mails()
        self._long_outage()
        late = self._mails() - before
        turn_clock(self._endpoint, SWEEPS)
        time.sleep(30)  # a Region that would send a second mail does it now

        during = [read for read in self._reads if read.down]
        sent, items = Counter(self._mails().values()), {region: self._items(region) for region in (HOME, STANDBY)}
        yield "reads", f"{len(self._reads):,}"
        yield "reads while the home was down", f"{len(during):,}"
        yield "answers to readers that were not 200", sum(read.status != 200 for read in self._reads)
        for read in self._reads:
            if read.status != 200:
                print(read, file=sys.stderr)
        yield "slowest read while the home was down", f"{max(read.seconds for read in during):.1f} s"
        yield "slowest read before", f"{max(read.seconds for read in self._reads if not read.down):.1f} s"
        yield "subscriptions that the home took", self._taken[HOME]
        yield "subscriptions that the standby took", self._taken[STANDBY]
        yield "answers after which a person had to try again", dict(self._refused) or 0
        for region in (HOME, STANDBY):
            yield f"subscribers in {region} at the end", sum('"subscriber"' in item for item in items[region])
        yield "subscribers with one mail", sent[1]
        yield "subscribers with more than one mail", sum(number for count, number in sent.items() if count > 1)
        yield "mails of the standby, after an hour without the home", late.total()
        yield "posts in the pages of both Regions", self._published(HOME)
        yield "items that differ between the Regions at the end", len(items[HOME] ^ items[STANDBY])

    def _short_outage(self) -> None:
        """Take the home away when half of the reads are answered, and bring it back when all are."""
        with ThreadPoolExecutor(READERS) as readers, ThreadPoolExecutor(WRITERS) as writers:
            reads = [readers.submit(self._read, number) for number in range(READS)]
            for number in range(SUBSCRIPTIONS // 2):
                writers.submit(self._subscribe, number)
            reads[READS // 2].result()
            self._turn("down")
            rest = [writers.submit(self._subscribe, number) for number in range(SUBSCRIPTIONS // 2, SUBSCRIPTIONS)]
            self._post(STANDBY, "written-during-the-outage")
            for future in (*reads, *rest):
                future.result()
        self._turn("up")

    def _long_outage(self) -> None:
        """Take the home away until the standby has sent the mails."""
        self._turn("down")
        for number in range(SUBSCRIPTIONS, SUBSCRIPTIONS + LATE):
            self._subscribe(number)
        turn_clock(self._endpoint, OVERDUE)
        self._mails_to(SUBSCRIPTIONS + LATE)
        self._turn("up")
        self._post(HOME, "written-after-all")  # its record is in the stream behind all that the home has missed
        until(lambda: self._published(HOME) == self._published(STANDBY) == POSTS + 2)

    def _turn(self, change: Change) -> None:
        turn_region(self._endpoint, change, HOME)
        self._down = change == "down"

    def _read(self, number: int) -> None:
        """Read a page, which the edge may have, or a list of the API, which it has not."""
        path = f"/posts/post-{number % POSTS}/" if number % 2 else f"/api/posts?tag=tag-{number}"
        down, began = self._down, time.monotonic()
        answer = self._edge.get(path)
        status, body = answer.status_code, answer.text
        self._reads.append(_Read(down, path, status, "" if status == 200 else body, time.monotonic() - began))

    def _subscribe(self, number: int) -> None:
        """Do what the script of the pages does, and as a person try again when it says so."""
        for _ in range(TRIES):
            for region, path in ((HOME, "/api/subscribers"), (STANDBY, "/standby/api/subscribers")):
                answer = self._edge.post(path, json={"email": f"reader-{number}@example.com"})
                if answer.status_code == 202:
                    self._taken[region] += 1
                    return
                if answer.status_code < 500:
                    break
            self._refused[str(answer.status_code)] += 1
            time.sleep(1)
        raise RuntimeError(f"nobody took a subscription: {answer.status_code} {answer.text[:200]}")

    def _post(self, region: str, slug: str) -> None:
        """Write a post at the API of a Region, as its author."""
        url = f"{self._endpoint}/_aws/execute-api/{self._outputs[region]['RestAPIId']}/api/posts"
        body = json.dumps({"slug": slug, "title": slug, "body_markdown": "A post."})
        request = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/json"})
        SigV4Auth(self._author, "execute-api", region).add_auth(request)
        httpx.post(url, content=body, headers=dict(request.headers), timeout=60).raise_for_status()

    def _published(self, region: str) -> int:
        """Return how many posts have a page in a Region."""
        bucket = self._outputs[region]["SiteBucket"]
        return int(boto3.client("s3", region).list_objects_v2(Bucket=bucket, Prefix="posts/")["KeyCount"])

    def _items(self, region: str) -> set[str]:
        """Return the items of both tables in a Region, as JSON."""
        pages = boto3.client("dynamodb", region).get_paginator("scan")
        tables = [self._outputs[HOME][name] for name in ("Table", "SubscribersTable")]
        found = [item for table in tables for page in pages.paginate(TableName=table) for item in page["Items"]]
        return {json.dumps(item, sort_keys=True, default=str) for item in found}

    def _mails(self) -> Counter[str]:
        """Return the mails of each subscriber."""
        return Counter(to for mail in mails(self._endpoint) for to in mail["To"] if to.startswith("reader-"))

    def _mails_to(self, subscribers: int) -> None:
        """Wait until so many subscribers have a mail."""
        until(lambda: len(self._mails()) >= subscribers, 300)


def _outputs(region: str) -> dict[str, str]:
    found = [stacks.outputs(apps.stack(APP, STAGE, kind), region=region) for kind in ("resources", "app")]
    return found[0] | found[1]


def _python(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
