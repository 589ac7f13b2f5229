"""Tries on the local AWS what the tables of shards and of concurrency say: a trial beside each computed value.

The local AWS has the limits of a new account, and those of shards. Its functions start, run and end in real time, so
what is refused is compared with the formula for the durations that they had.
"""

from __future__ import annotations

import io
import json
import random
import tempfile
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.scale.concurrency import NEW, arrivals, erlang_b
from bench.scale.shards import RECORDS, shard_of
from localaws import serve

_DEVICES, _SHARDS, _BATCH = 1_000, 4, 500
_REQUESTS, _RATE, _DURATION = 400, 33, 0.3
_SLOW = f"import time\ndef handler(event, context):\n    time.sleep({_DURATION})\n"


def show() -> None:
    """Print what was computed and what was tried."""
    with tempfile.TemporaryDirectory() as folder, serve.emulator(Path(folder), grant_requests=False) as url:
        account = _Account(url)
        print("\n| trial | computed | tried |\n|---|--:|--:|")
        share, tried = account.hottest_shard()
        print(f"| share of the hottest of {_SHARDS} shards, {_DEVICES:,} devices | {share:.1%} | {tried:.1%} |")
        seconds, taken = account.records_at_once()
        computed = f"{min(3 * _BATCH, RECORDS * (1 + seconds)):,.0f}"
        print(f"| records of {3 * _BATCH:,} that a shard takes in {seconds:.2f} s | at most {computed} | {taken:,} |")
        load, part, tried = account.refused()
        print(f"| refused with {NEW} executions, {load:.1f} at once on average | {part:.0%} | {tried:.0%} |")


class _Account:
    """A new account of the local AWS at *url*."""

    def __init__(self, url: str) -> None:
        self._url = url

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            "us-east-1",
            endpoint_url=self._url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 # the root key of an emulator alone
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=3 * NEW),
        )

    def _stream(self, shards: int) -> tuple[Any, str]:
        kinesis, name = self._client("kinesis"), f"shards-{shards}"
        kinesis.create_stream(StreamName=name, ShardCount=shards)
        kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
        return kinesis, name

    def hottest_shard(self) -> tuple[float, float]:
        """Return the share of the hottest shard as computed, and as the stream put one record of each device."""
        kinesis, name = self._stream(_SHARDS)
        keys = [f"thing/device-{number}" for number in range(_DEVICES)]
        found: Counter[str] = Counter()
        for first in range(0, _DEVICES, _BATCH):
            batch = [{"Data": b"x", "PartitionKey": key} for key in keys[first : first + _BATCH]]
            found.update(each["ShardId"] for each in kinesis.put_records(StreamName=name, Records=batch)["Records"])
        computed = Counter(shard_of(key, _SHARDS) for key in keys)
        return max(computed.values()) / _DEVICES, max(found.values()) / _DEVICES

    def records_at_once(self) -> tuple[float, int]:
        """Send three batches at the same time; return the seconds that this takes, and how many records a shard took.

        What it takes is 1,000 at once, and 1,000 more in each second.
        """
        kinesis, name = self._stream(1)
        batch = [{"Data": b"x", "PartitionKey": "x"}] * _BATCH

        def put(_: int) -> int:
            return _BATCH - int(kinesis.put_records(StreamName=name, Records=batch)["FailedRecordCount"])

        with ThreadPoolExecutor(3) as pool:
            began = time.monotonic()
            taken = sum(pool.map(put, range(3)))
        return time.monotonic() - began, taken

    def refused(self) -> tuple[float, float, float]:
        """Return how many requests ran at once on average, and which part was refused, as computed and as tried."""
        lambda_ = self._function()
        durations: list[float] = []

        def invoke(at: float) -> bool:
            time.sleep(max(0, began + at - time.monotonic()))
            sent = time.monotonic()
            try:
                lambda_.invoke(FunctionName="slow")["Payload"].read()
            except ClientError:
                return True
            durations.append(time.monotonic() - sent)
            return False

        with ThreadPoolExecutor(NEW) as pool:  # so that all environments are there
            began = time.monotonic()
            list(pool.map(invoke, [0.0] * NEW))
            durations.clear()
        with ThreadPoolExecutor(3 * NEW) as pool:
            began = time.monotonic()
            chance = random.Random(1)  # noqa: S311
            outcomes = list(pool.map(invoke, arrivals(_RATE, _REQUESTS, chance)))
        load = _RATE * fmean(durations)
        return load, erlang_b(NEW, load), sum(outcomes) / len(outcomes)

    def _function(self) -> Any:
        lambda_, code = self._client("lambda"), io.BytesIO()
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = self._client("iam").create_role(RoleName="slow", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", _SLOW)
        settings = {"Runtime": "python3.13", "Handler": "app.handler", "Timeout": 10}
        lambda_.create_function(FunctionName="slow", Role=role, Code={"ZipFile": code.getvalue()}, **settings)
        lambda_.get_waiter("function_active_v2").wait(FunctionName="slow", WaiterConfig={"Delay": 1})
        return lambda_
