"""The simulations behind docs/scale.md give what the closed forms say."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from bench.scale.caches import Cache, hits, polled, requests
from bench.scale.concurrency import arrivals, erlang_b, play
from bench.scale.popularity import even, zipf
from bench.scale.shards import shard_of, shares, starts


def test_shards_have_the_hash_key_ranges_of_aws() -> None:
    """Those of a stream of three shards, as `describe-stream` shows them on AWS."""
    assert starts(3) == [0, 113427455640312821154458202477256070485, 226854911280625642308916404954512140970]


@pytest.mark.parametrize(
    ("key", "shard"),
    [
        pytest.param("a", 0, id="its MD5 is 0cc1…"),
        pytest.param("c", 1, id="its MD5 is 4a8a…"),
        pytest.param("b", 2, id="its MD5 is 92eb…"),
        pytest.param("", 3, id="its MD5 is d41d…"),
    ],
)
def test_the_shard_is_that_of_the_md5_of_the_partition_key(key: str, shard: int) -> None:
    assert shard_of(key, 4) == shard


@pytest.mark.parametrize("devices", [even(200), zipf(200)], ids=["even", "Zipf"])
def test_the_shares_of_shards_vary_as_those_of_balls_in_bins(devices: list[float]) -> None:
    """The variance is that of independent devices: the sum of their squared shares times (1 / n) (1 - 1 / n)."""
    shards = 8
    found = [share for seed in range(300) for share in shares(devices, shards, random.Random(seed))]

    assert fmean(found) == pytest.approx(1 / shards)
    variance = fmean((share - 1 / shards) ** 2 for share in found)
    assert variance == pytest.approx(sum(share**2 for share in devices) / shards * (1 - 1 / shards), rel=0.05)


def test_by_zipfs_law_the_first_gets_twice_what_the_second_gets() -> None:
    shares = zipf(3)

    assert shares == pytest.approx([6 / 11, 3 / 11, 2 / 11])


@pytest.mark.parametrize(("rate", "ttl"), [(1, 30), (20, 30), (50, 5)])
def test_a_cache_answers_what_the_formula_says(rate: float, ttl: float) -> None:
    objects, cache = zipf(100), Cache(ttl)
    for now, wanted in requests(objects, rate, 40_000, random.Random(1)):
        cache.get(now, wanted)

    assert cache.ratio == pytest.approx(hits((rate * share for share in objects), ttl), abs=0.01)


@pytest.mark.parametrize(("interval", "part"), [(10, 5 / 6), (30, 1 / 2), (60, 0), (300, 0), (7, 8 / 9)])
def test_a_client_that_polls_finds_what_it_fetched_before(interval: int, part: float) -> None:
    cache = Cache(60)
    for poll in range(900):
        cache.get(poll * interval, 0)

    assert polled(interval, 60) == pytest.approx(part)
    assert cache.ratio == pytest.approx(part, abs=0.01)


@pytest.mark.parametrize(("servers", "load", "part"), [(1, 1, 1 / 2), (2, 1, 1 / 5), (10, 5, 0.018385)])
def test_erlangs_formula(servers: int, load: float, part: float) -> None:
    assert erlang_b(servers, load) == pytest.approx(part, rel=1e-4)


def test_without_a_limit_as_many_run_at_once_as_littles_law_says() -> None:
    chance = random.Random(1)
    outcome = play(arrivals(200, 40_000, chance), 0.1, 10**6, chance)

    assert outcome.refused == []
    assert fmean(outcome.found) == pytest.approx(200 * 0.1, rel=0.02)


@pytest.mark.parametrize(("limit", "rate"), [(10, 50), (10, 100), (40, 300)])
def test_lambda_refuses_what_erlangs_formula_says(limit: int, rate: int) -> None:
    chance = random.Random(2)
    outcome = play(arrivals(rate, 40_000, chance), 0.1, limit, chance)

    assert outcome.part_refused() == pytest.approx(erlang_b(limit, rate * 0.1), abs=0.01)


def test_of_a_burst_as_many_are_refused_as_have_no_environment() -> None:
    chance = random.Random(3)
    outcome = play(arrivals(0.1, 4_000, chance, burst=20), 0.001, 10, chance)

    assert outcome.part_refused() == pytest.approx(1 / 2, abs=0.001)


def test_lambda_makes_a_thousand_environments_at_once_and_a_hundred_more_in_each_second() -> None:
    chance = random.Random(4)
    outcome = play((second / 1000 for second in range(5_000)), 60, 10_000, chance, cold=60, warm=0)

    assert outcome.made == pytest.approx(1000 + 5 * 100, abs=1)


def test_a_new_environment_is_busy_until_it_has_started() -> None:
    assert play([0, 0.5, 1.5], 1e-6, 10, random.Random(5), cold=1, warm=0).found == [0, 1, 1]
