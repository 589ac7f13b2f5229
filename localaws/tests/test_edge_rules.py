"""Unit tests of the edge's rules: lifetimes, cache keys, ranges, conditions and storage, with a fake clock."""

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import httpcore
import pytest
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message

from localaws.cloudfront.__main__ import server
from localaws.cloudfront.body import BLOCK, Body
from localaws.cloudfront.cache import Cache, Entry, cache_tags
from localaws.cloudfront.conditions import failed_precondition, range_applies
from localaws.cloudfront.delivery import ViewerResponse, deliver
from localaws.cloudfront.distribution import CachePolicy, Names, normalized
from localaws.cloudfront.freshness import Lifetime, lifetime
from localaws.cloudfront.key import CacheKey, ViewerRequest, cache_key, encodings, query_string
from localaws.cloudfront.objects import HIT, MISS, REFRESH_HIT, Objects, Rules
from localaws.cloudfront.origins import OriginResponse
from localaws.cloudfront.ranges import NotSatisfiable, spans

NOW = 1_767_225_600.0  # Thu, 01 Jan 2026 00:00:00 GMT
IN_100_S = "Thu, 01 Jan 2026 00:01:40 GMT"
NO_MINIMUM = CachePolicy(0, 300, 1000)
MINIMUM = CachePolicy(60, 300, 1000)
NO_CACHE = CachePolicy(0, 0, 0)


@pytest.mark.parametrize(
    ("headers", "no_minimum", "minimum"),
    [
        ({}, 300, 300),
        ({"cache-control": "max-age=100"}, 100, 100),
        ({"cache-control": "max-age=30"}, 30, 60),
        ({"cache-control": "max-age=5000"}, 1000, 1000),
        ({"cache-control": "max-age=100, s-maxage=200"}, 200, 200),
        ({"cache-control": "max-age=100, s-maxage=0"}, 0, 60),
        ({"cache-control": "max-age=100", "age": "40"}, 60, 60),
        ({"cache-control": "max-age=200", "expires": IN_100_S}, 200, 200),
        ({"expires": IN_100_S}, 100, 100),
        ({"expires": "0"}, 0, 60),
        ({"cache-control": "public"}, 300, 300),
        ({"cache-control": "no-cache"}, 0, 60),
        ({"cache-control": "no-store, max-age=100"}, 0, 60),
        ({"cache-control": "private"}, 0, 60),
        ({"vary": "*"}, 0, 60),
    ],
)
def test_lifetime_by_headers_and_ttls(headers: dict[str, str], no_minimum: float, minimum: float) -> None:
    assert lifetime(200, Headers(headers), NO_MINIMUM, 10, NOW).fresh == no_minimum
    assert lifetime(200, Headers(headers), MINIMUM, 10, NOW).fresh == minimum
    assert lifetime(200, Headers(headers), NO_CACHE, 10, NOW).storable is False


@pytest.mark.parametrize(
    ("status", "control", "fresh"),
    [
        (404, "", 10),
        (404, "max-age=100", 100),
        (404, "max-age=5", 10),
        (404, "max-age=5000", 1000),
        (404, "no-store", 0),
        (503, "no-store", 10),
        (403, "", 0),
        (403, "max-age=100", 100),
        (416, "max-age=100", 0),
        (401, "max-age=100", 0),
    ],
)
def test_errors_are_cached_for_at_least_the_error_caching_minimum_ttl(status: int, control: str, fresh: float) -> None:
    assert lifetime(status, Headers({"cache-control": control}), NO_MINIMUM, 10, NOW).fresh == fresh


def test_errors_are_cached_even_if_caching_is_disabled() -> None:
    assert lifetime(404, Headers(), NO_CACHE, 10, NOW).fresh == 10


@pytest.mark.parametrize(
    ("control", "while_revalidate", "if_error"),
    [
        ("max-age=1", 0, math.inf),
        ("max-age=1, stale-while-revalidate=60, stale-if-error=600", 60, 600),
        ("max-age=1, stale-while-revalidate=9999, stale-if-error=9999", 1000, 1000),
        ("max-age=1, stale-if-error=0", 0, 0),
    ],
)
def test_stale_directives_are_limited_by_the_maximum_ttl(
    control: str, while_revalidate: float, if_error: float
) -> None:
    life = lifetime(200, Headers({"cache-control": control}), NO_MINIMUM, 10, NOW)
    assert (life.while_revalidate, life.if_error) == (while_revalidate, if_error)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-99", [(0, 100)]),
        ("bytes=900-", [(900, 1000)]),
        ("bytes=-100", [(900, 1000)]),
        ("bytes=-5000", [(0, 1000)]),
        ("bytes=990-5000", [(990, 1000)]),
        ("bytes=0-9,100-199,-1", [(0, 10), (100, 200), (999, 1000)]),
        ("bytes=0-9,10-19", [(0, 10), (10, 20)]),
        ("bytes=0-9,5000-", [(0, 10)]),
        ("bytes=300-400,100-200", None),
        ("bytes=100-200,150-250", None),
        ("bytes=0-950,-100", None),
        ("bytes=200-100", None),
        ("bytes=0-9,x", None),
        ("items=0-9", None),
        ("", None),
    ],
)
def test_only_ascending_ranges_without_overlap_are_served(header: str, expected: list[tuple[int, int]] | None) -> None:
    assert spans(header, 1000) == expected


def test_ranges_beyond_the_end_cannot_be_satisfied() -> None:
    with pytest.raises(NotSatisfiable):
        spans("bytes=1000-1001,2000-", 1000)


@pytest.mark.parametrize(
    ("request_headers", "status"),
    [
        ({"if-none-match": '"a"'}, 304),
        ({"if-none-match": 'W/"a"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"b"'}, None),
        ({"if-none-match": '"b"', "if-modified-since": IN_100_S}, None),
        ({"if-modified-since": IN_100_S}, 304),
        ({"if-modified-since": "Wed, 31 Dec 2025 00:00:00 GMT"}, None),
        ({"if-modified-since": "no date"}, None),
        ({"if-match": '"a"'}, None),
        ({"if-match": '"b"'}, 412),
        ({"if-unmodified-since": "Wed, 31 Dec 2025 00:00:00 GMT"}, 412),
    ],
)
def test_conditions_are_evaluated_against_the_stored_object(
    request_headers: dict[str, str], status: int | None
) -> None:
    stored = Headers({"etag": '"a"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT"})
    assert failed_precondition(Headers(request_headers), stored) == status


@pytest.mark.parametrize(
    ("condition", "stored", "applies"),
    [('"a"', '"a"', True), ('"a"', '"b"', False), ('W/"a"', 'W/"a"', False), ('"a"', 'W/"a"', False)],
)
def test_if_range_of_another_version_gets_the_full_object(condition: str, stored: str, applies: bool) -> None:
    assert range_applies(Headers({"if-range": condition}), Headers({"etag": stored})) is applies


@pytest.mark.parametrize(
    ("accepted", "gzip", "brotli", "normalized"),
    [
        ("gzip, deflate, br", True, True, "br,gzip"),
        ("gzip, deflate, br", True, False, "gzip"),
        ("br;q=0, gzip", True, True, "gzip"),
        ("deflate", True, True, ""),
        ("gzip", False, False, ""),
    ],
)
def test_accept_encoding_is_normalized(accepted: str, gzip: bool, brotli: bool, normalized: str) -> None:
    assert encodings(accepted, gzip, brotli) == normalized


def _request(query: str = "", method: str = "GET", **headers: str) -> ViewerRequest:
    return ViewerRequest(method, "/a", query, Headers(headers), "127.0.0.1")


def test_the_cache_key_has_only_the_values_of_the_cache_policy() -> None:
    policy = CachePolicy(
        0,
        1,
        1,
        headers=Names("whitelist", frozenset({"accept-language"})),
        cookies=Names("whitelist", frozenset({"theme"})),
        query_strings=Names("allExcept", frozenset({"utm"})),
    )
    key = cache_key(_request("a=1&utm=2&b=3", cookie="id=7; theme=dark", host="x", **{"accept-language": "de"}), policy)
    assert key == CacheKey("GET", "/a", "a=1&b=3", ("de",), "theme=dark", "")
    assert cache_key(_request("a=1&b=3", "HEAD", cookie="theme=dark", **{"accept-language": "de"}), policy) == key
    assert cache_key(_request("a=1&b=3", cookie="theme=dark"), policy) != key


def test_a_parameter_is_matched_by_its_decoded_name() -> None:
    assert query_string("%61=1&c=2", Names("whitelist", frozenset({"a"}))) == "%61=1"


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/a/b.css", "/a/b.css"),
        ("/public/../premium/film", "/premium/film"),
        ("/public/%2e%2e/%70remium/film", "/premium/film"),
        ("/public/%3F/../../premium/film", "/premium/film"),
        ("//premium/film", "/premium/film"),
        ("/premium/./", "/premium/"),
        ("/%20", "/ "),
        ("/..", "/"),
    ],
)
def test_path_patterns_match_the_normalized_path(path: str, seen: str) -> None:
    assert normalized(path) == seen


def _entry(path: str = "/a", query: str = "", size: int = 10, tags: str = "") -> Entry:
    key = CacheKey("GET", path, query, (), "", "")
    return Entry(key, 200, Headers(), Body(size), Lifetime(60), NOW, {}, cache_tags(tags))


@pytest.mark.parametrize(
    ("item", "matches"),
    [
        ("/images/a.jpg", True),
        ("images/a.jpg", True),
        ("/images/*", True),
        ("/*", True),
        ("*", True),
        ("/images/a", False),
        ("/Images/a.jpg", False),
        ("#news", True),
        ("#NEWS", True),
        ("#new*", False),
    ],
)
def test_an_invalidation_matches_paths_prefixes_and_tags(item: str, matches: bool) -> None:
    assert _entry("/images/a.jpg", tags="x, News").matches(item) is matches


def test_a_path_with_a_query_string_is_another_path() -> None:
    entry = _entry(query="v=1")
    assert not entry.matches("/a")
    assert entry.matches("/a?v=1")
    assert entry.matches("/a*")


def test_a_full_cache_evicts_the_least_recently_used_object() -> None:
    cache = Cache(25)
    first, second, third = _entry("/1"), _entry("/2"), _entry("/3")
    cache.put(first)
    cache.put(second)
    assert cache.get(first.key) is first
    cache.put(third)
    assert [cache.get(entry.key) for entry in (first, second, third)] == [first, None, third]


def _run[T](test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(test())


def test_readers_get_bytes_while_they_arrive() -> None:
    async def read() -> None:
        body, data = Body(), bytes(range(256)) * (BLOCK // 128)
        late = asyncio.create_task(_joined(body, 0, None))
        body.write(data[: BLOCK + 7])
        assert await _joined(body, BLOCK - 3, BLOCK + 3) == data[BLOCK - 3 : BLOCK + 3]
        body.write(data[BLOCK + 7 :])
        body.finish()
        assert await late == data
        assert body.length == len(data)

    _run(read)


async def _joined(body: Body, first: int, after: int | None) -> bytes:
    return b"".join([bytes(view) async for view in body.read(first, after)])


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


class Site:
    """An origin with one object, its cache, and a clock."""

    def __init__(self, policy: CachePolicy = NO_MINIMUM, **headers: str) -> None:
        self.clock = Clock()
        self.objects = Objects(Cache(1_000_000), self.clock)
        self.rules = Rules(policy, True, lambda _: 10, "cache-tag")
        self.status = 200
        self.headers = {"content-length": "2", **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.requests: list[dict[str, str]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self, validators: Any) -> OriginResponse:
        self.requests.append(dict(validators))
        await self.open.wait()
        status = 304 if self.status == 200 and validators.get("if-none-match") == self.headers.get("etag") else 200
        status = status if self.status == 200 and validators else self.status
        return OriginResponse(status, MutableHeaders(self.headers), httpcore.Response(status, content=b"ok"))

    async def get(self) -> str:
        key = CacheKey("GET", "/a", "", (), "", "")
        return (await self.objects.get(key, self.rules, self.fetch)).x_cache


def test_an_expired_object_is_revalidated() -> None:
    async def scenario() -> None:
        site = Site(etag='"1"', cache_control="max-age=60")
        assert [await site.get(), await site.get()] == [MISS, HIT]
        site.clock.now += 61
        assert [await site.get(), await site.get()] == [REFRESH_HIT, HIT]
        assert site.requests == [{}, {"if-none-match": '"1"'}]
        site.headers["etag"] = '"2"'
        site.clock.now += 61
        assert [await site.get(), await site.get()] == [MISS, HIT]

    _run(scenario)


def test_a_stale_object_is_served_on_an_error_and_limits_requests_to_the_origin() -> None:
    async def scenario() -> None:
        site = Site(etag='"1"', cache_control="max-age=60, stale-if-error=600")
        await site.get()
        site.status = 503
        site.clock.now += 61
        assert [await site.get(), await site.get()] == [REFRESH_HIT, HIT]
        assert len(site.requests) == 2
        site.clock.now += 11
        await site.get()
        assert len(site.requests) == 3
        site.clock.now += 600
        assert await site.get() == MISS

    _run(scenario)


def test_a_stale_object_is_served_at_once_during_revalidation() -> None:
    async def scenario() -> None:
        site = Site(etag='"1"', cache_control="max-age=60, stale-while-revalidate=60")
        await site.get()
        site.clock.now += 61
        site.open.clear()
        assert [await site.get(), await site.get()] == [REFRESH_HIT, REFRESH_HIT]
        site.open.set()
        await asyncio.sleep(0.01)
        assert await site.get() == HIT
        assert len(site.requests) == 2

    _run(scenario)


def test_concurrent_misses_are_collapsed_unless_the_response_is_private() -> None:
    async def scenario(control: str = "max-age=60") -> int:
        site = Site(cache_control=control)
        await asyncio.gather(*(site.get() for _ in range(20)))
        return len(site.requests)

    assert _run(scenario) == 1
    assert _run(lambda: scenario("private")) == 20
    assert _run(lambda: scenario("no-store")) == 20


@pytest.mark.parametrize(("items", "results", "requests"), [(["/a"], [MISS, MISS], 2), ([], [MISS, HIT], 1)])
def test_a_pending_response_is_not_cached_after_an_invalidation(
    items: list[str], results: list[str], requests: int
) -> None:
    async def scenario() -> None:
        site = Site(cache_control="max-age=60")
        site.open.clear()
        before = asyncio.create_task(site.get())
        await asyncio.sleep(0)
        site.objects.invalidate(items)
        after = asyncio.create_task(site.get())
        await asyncio.sleep(0)
        site.open.set()
        assert [await before, await after, await site.get()] == [*results, HIT]
        assert len(site.requests) == requests

    _run(scenario)


def delivered(source: Body | bytes, *, method: str = "GET") -> list[tuple[bytes, bool]]:
    """Return each part of the body that a viewer is sent, and whether more follow."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)
        if len(messages) == 2 and isinstance(source, Body) and not source.complete:
            source.write(b"late")
            source.finish()

    response = ViewerResponse(200, MutableHeaders(), source, HIT, 200)
    asyncio.run(deliver(ViewerRequest(method, "/a", "", Headers(), "127.0.0.1"), response, send))
    return [(bytes(message["body"]), message.get("more_body", False)) for message in messages[1:]]


def test_a_body_that_is_here_is_sent_as_the_last_part() -> None:
    body = Body(4)
    body.write(b"here")
    body.finish()

    assert delivered(body) == [(b"here", False)]
    assert delivered(b"made") == [(b"made", False)]
    assert delivered(b"") == [(b"", False)]
    assert delivered(Body(0), method="HEAD") == [(b"", False)]


def test_the_head_is_sent_before_a_body_that_is_not_here_yet() -> None:
    assert delivered(Body(4)) == [(b"", True), (b"late", False)]
    assert delivered(Body()) == [(b"", True), (b"late", True), (b"", False)]


def test_a_server_waits_until_it_should_exit(free_port: Callable[[], int]) -> None:
    class Distribution:
        def has_host(self, host: str) -> bool:
            return True

    looks: list[int] = []
    serving = server(Distribution(), free_port())  # type: ignore[arg-type]
    look = serving.on_tick

    async def counted(counter: int) -> bool:
        looks.append(counter)
        return await look(counter)

    serving.on_tick = counted  # type: ignore[method-assign]

    async def serve_a_while() -> None:
        running = asyncio.create_task(serving.serve())
        while not looks:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        threading.Thread(target=lambda: setattr(serving, "should_exit", True)).start()
        await running

    asyncio.run(serve_a_while())

    assert looks == [0]
