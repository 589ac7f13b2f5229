"""How hot the hottest shard of a Kinesis stream gets.

A shard has a range of hash keys, and a record goes to the shard of the MD5 of its partition key. Shards of a new stream
have ranges of the same size. A shard takes 1,000 records or 1 MB in a second:
https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from hashlib import md5
from statistics import median

from bench.scale.popularity import even, zipf

RECORDS = 1000
"""Records that a shard takes in a second."""

_HASH_KEYS = 2**128
_FLEETS = 15
"""Fleets with other names, of which the tables have the median."""


@cache
def starts(shards: int) -> list[int]:
    """Return the first hash key of each of *shards*."""
    return [shard * _HASH_KEYS // shards for shard in range(shards)]


def shard_of(partition_key: str, shards: int) -> int:
    """Return the number of the shard, from 0, that gets the records of *partition_key*."""
    hash_key = int.from_bytes(md5(partition_key.encode(), usedforsecurity=False).digest())
    return bisect_right(starts(shards), hash_key) - 1


def shares(devices: Sequence[float], shards: int, fleet: random.Random) -> list[float]:
    """Return the share of the records that each shard gets from *devices*, of which each has a share of the records.

    *fleet* names the devices. The partition key is that of the IoT rule in pipeline-app/resources.yaml.
    """
    found = [0.0] * shards
    for share in devices:
        found[shard_of(f"thing/device-{fleet.getrandbits(48):012x}", shards)] += share
    return found


def hottest(devices: Sequence[float], shards: int) -> float:
    """Return the share of the hottest shard: the median of some fleets."""
    return median(max(shares(devices, shards, random.Random(seed))) for seed in range(_FLEETS))  # noqa: S311


def show() -> None:
    """Print the share of the hottest shard, and the rate at which it is full."""
    print(
        "\n| devices | readings | shards | hottest shard | times an even share | full at readings/s | of all shards |"
    )
    print(f"|--:|---{'|--:' * 5}|")
    for count in (100, 1_000, 10_000):
        for name, devices in (("even", even(count)), ("Zipf", zipf(count))):
            for shards in (4, 16, 64):
                share = hottest(devices, shards)
                full = RECORDS / share
                part = full / (shards * RECORDS)
                print(
                    f"| {count:,} | {name} | {shards} | {share:.1%} | {share * shards:.1f} | {full:,.0f} | {part:.0%} |"
                )
