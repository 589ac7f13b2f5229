"""Unit tests of the stage cache: expiry, size limits and eviction."""

from localaws.apigateway.response_cache import MAX_RESPONSE_BYTES, Response, StageCache

PAGE = Response(200, {"Content-Type": "application/json"}, b"[]")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def response_of_size(size: int) -> Response:
    return Response(200, {}, b"x" * size)


def test_a_response_expires_after_its_time_to_live() -> None:
    clock = Clock()
    cache = StageCache(1000, clock)
    cache.put("key", PAGE, ttl=60)
    clock.now = 59.9
    assert cache.get("key") == PAGE
    clock.now = 60
    assert cache.get("key") is None


def test_the_default_time_to_live_is_five_minutes() -> None:
    clock = Clock()
    cache = StageCache(1000, clock)
    cache.put("key", PAGE)
    clock.now = 299
    assert cache.get("key") == PAGE
    clock.now = 300
    assert cache.get("key") is None


def test_the_maximum_time_to_live_is_an_hour() -> None:
    clock = Clock()
    cache = StageCache(1000, clock)
    cache.put("key", PAGE, ttl=86_400)
    clock.now = 3600
    assert cache.get("key") is None


def test_a_time_to_live_of_zero_caches_nothing() -> None:
    cache = StageCache(1000, Clock())
    cache.put("key", PAGE, ttl=0)
    assert cache.get("key") is None


def test_keys_that_differ_in_one_value_are_different_entries() -> None:
    cache = StageCache(1000, Clock())
    cache.put(("GET", "todos", ("page", "1")), PAGE)
    assert cache.get(("GET", "todos", ("page", "2"))) is None


def test_a_new_response_replaces_the_old_one_and_restarts_its_time_to_live() -> None:
    clock = Clock()
    cache = StageCache(1000, clock)
    cache.put("key", PAGE, ttl=60)
    clock.now = 50
    cache.put("key", response_of_size(7), ttl=60)
    clock.now = 100
    assert cache.get("key") == response_of_size(7)


def test_a_response_over_one_mebibyte_is_not_cached() -> None:
    cache = StageCache(10 * MAX_RESPONSE_BYTES, Clock())
    cache.put("largest", response_of_size(MAX_RESPONSE_BYTES))
    cache.put("too large", response_of_size(MAX_RESPONSE_BYTES + 1))
    assert cache.get("largest")
    assert cache.get("too large") is None


def test_a_full_cache_evicts_the_least_recently_used_response() -> None:
    cache = StageCache(20, Clock())
    cache.put("first", response_of_size(10))
    cache.put("second", response_of_size(10))
    cache.get("first")
    cache.put("third", response_of_size(10))
    assert cache.get("second") is None
    assert cache.get("first")
    assert cache.get("third")


def test_replaced_expired_and_flushed_responses_free_their_space() -> None:
    clock = Clock()
    cache = StageCache(20, clock)
    for _ in range(3):
        cache.put("replaced", response_of_size(10), ttl=60)
    cache.put("kept", response_of_size(10), ttl=600)
    assert cache.get("replaced")
    clock.now = 60
    assert cache.get("replaced") is None
    cache.put("in its place", response_of_size(10))
    assert cache.get("kept")
    cache.flush()
    assert cache.get("kept") is None
    cache.put("one", response_of_size(10))
    cache.put("two", response_of_size(10))
    assert cache.get("one")
