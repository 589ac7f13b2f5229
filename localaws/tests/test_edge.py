"""The edge over HTTP: deployed distributions with S3, API Gateway and a custom origin that counts its requests."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import brotli  # type: ignore[import-untyped]
import httpx
import pytest
from botocore.exceptions import ClientError
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from localaws.cloudfront.__main__ import server
from localaws.cloudfront.edge import Edge, edge
from localaws.testing import eventually

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"
EVERY_METHOD = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]

type Send = Callable[[http.server.BaseHTTPRequestHandler], None]


class Clock:
    """The current time plus the seconds that a test adds."""

    passed = 0.0

    def __call__(self) -> float:
        return time.time() + self.passed


class CountingOrigin(http.server.ThreadingHTTPServer):
    """An HTTP server with a response for each path. It counts its requests."""

    request_queue_size = 1024

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers: dict[str, Send] = {}
        self.requests: Counter[str] = Counter()
        self.seen: dict[str, Any] = {}
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_port

    def put(self, path: str, body: bytes = b"hello", status: int = 200, **headers: str) -> str:
        def send(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in ({"content_length": str(len(body))} | headers).items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(body)

        self.answers[path] = send
        return path

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: CountingOrigin
    timeout = 5

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests[path] += 1
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen[path] = {**{name.lower(): value for name, value in self.headers.items()}, "_": self.path}
        self.server.seen[path]["_body"] = body
        self.server.answers[path](self)

    do_GET = do_HEAD = do_POST = do_OPTIONS = _answer

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Site:
    """A distribution, served by an edge."""

    url: str
    id: str
    clock: Clock
    client: httpx.Client
    invalidated: threading.Event
    """Is set when the edge has removed the objects of an invalidation."""

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def invalidate(self, *items: str) -> None:
        self.invalidated.clear()
        boto3.client("cloudfront").create_invalidation(
            DistributionId=self.id,
            InvalidationBatch={
                "Paths": {"Quantity": len(items), "Items": list(items)},
                "CallerReference": str(time.time()),
            },
        )
        assert self.invalidated.wait(90)


@pytest.fixture(scope="module", autouse=True)
def _endpoint(emulator: str) -> Iterator[None]:
    os.environ["AWS_ENDPOINT_URL"] = emulator
    yield
    del os.environ["AWS_ENDPOINT_URL"]


@pytest.fixture(scope="module")
def origin() -> Iterator[CountingOrigin]:
    origin = CountingOrigin()
    yield origin
    origin.stop()


@pytest.fixture(scope="module")
def deploy(free_port: Callable[[], int]) -> Iterator[Callable[[dict[str, Any]], Site]]:
    """A function that deploys a distribution and serves it."""
    stops = []

    def deploy_and_serve(config: dict[str, Any]) -> Site:
        made = boto3.client("cloudfront").create_distribution(DistributionConfig=config)["Distribution"]
        clock, port, invalidated = Clock(), free_port(), threading.Event()
        distribution = edge(made["Id"], clock=clock)
        distribution.on_invalidation = lambda items: invalidated.set()
        serving = server(distribution, port)
        thread = threading.Thread(target=serving.run)
        thread.start()
        while not serving.started:
            time.sleep(0.01)
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}")
        stops.append((serving, thread, client))
        return Site(f"http://127.0.0.1:{port}", made["Id"], clock, client, invalidated)

    yield deploy_and_serve
    for serving, thread, client in stops:
        client.close()
        serving.should_exit = True
        thread.join()


def _listed(items: list[Any]) -> dict[str, Any]:
    return {"Quantity": len(items), "Items": items}


def _behavior(origin: str = "web", policy: str = CACHING_OPTIMIZED, **more: Any) -> dict[str, Any]:
    return {"TargetOriginId": origin, "ViewerProtocolPolicy": "redirect-to-https", "CachePolicyId": policy} | more


def _http_origin(port: int, domain: str = "127.0.0.1", read_timeout: int = 10, **more: Any) -> dict[str, Any]:
    custom = {
        "HTTPPort": port,
        "HTTPSPort": 443,
        "OriginProtocolPolicy": "http-only",
        "OriginReadTimeout": read_timeout,
    }
    headers = _listed([{"HeaderName": "X-Origin-Secret", "HeaderValue": "s3cret"}])
    common = {"Id": "web", "DomainName": domain, "ConnectionAttempts": 1}
    return common | {"CustomOriginConfig": custom, "CustomHeaders": headers} | more


def _config(origins: list[Any], default: dict[str, Any], behaviors: tuple[Any, ...] = (), **more: Any) -> Any:
    return {
        "CallerReference": str(time.time()),
        "Comment": "",
        "Enabled": True,
        "Origins": _listed(origins),
        "DefaultCacheBehavior": default,
        "CacheBehaviors": _listed(list(behaviors)),
    } | more


def _policy(name: str, ttl: tuple[int, int, int] = (0, 60, 600), **key: Any) -> str:
    parameters = {
        "EnableAcceptEncodingGzip": True,
        "EnableAcceptEncodingBrotli": True,
        "HeadersConfig": {"HeaderBehavior": "none"},
        "CookiesConfig": {"CookieBehavior": "none"},
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
    }
    config = dict(zip(("MinTTL", "DefaultTTL", "MaxTTL"), ttl, strict=True))
    answer = boto3.client("cloudfront").create_cache_policy(
        CachePolicyConfig=config | {"Name": name, "ParametersInCacheKeyAndForwardedToOrigin": parameters | key}
    )
    return str(answer["CachePolicy"]["Id"])


def _function(name: str, code: str) -> str:
    cloudfront = boto3.client("cloudfront")
    made = cloudfront.create_function(
        Name=name, FunctionConfig={"Comment": "", "Runtime": "cloudfront-js-2.0"}, FunctionCode=code.encode()
    )
    cloudfront.publish_function(Name=name, IfMatch=made["ETag"])
    return str(made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"])


@pytest.fixture(scope="module")
def site(origin: CountingOrigin, deploy: Callable[[dict[str, Any]], Site]) -> Site:
    """A distribution of the counting origin, with behaviors for all tests."""
    by_query = _policy(
        "by-query", QueryStringsConfig={"QueryStringBehavior": "whitelist", "QueryStrings": _listed(["v"])}
    )
    cors = boto3.client("cloudfront").create_response_headers_policy(
        ResponseHeadersPolicyConfig={
            "Name": "cors",
            "CorsConfig": {
                "AccessControlAllowOrigins": _listed(["https://*.example.com"]),
                "AccessControlAllowHeaders": _listed(["*"]),
                "AccessControlAllowMethods": _listed(["GET"]),
                "AccessControlAllowCredentials": False,
                "OriginOverride": True,
            },
            "CustomHeadersConfig": _listed([{"Header": "X-Custom", "Value": "edge", "Override": True}]),
            "RemoveHeadersConfig": _listed([{"Header": "X-Powered-By"}]),
        }
    )["ResponseHeadersPolicy"]["Id"]
    stamp = (
        "async function handler(event) { event.response.headers['x-stamp'] = {value: 'on'}; return event.response; }"
    )
    rewrite = """function handler(event) {
        if (event.request.uri === '/fn/teapot') return {statusCode: 418, headers: {'x-made': {value: 'here'}}};
        event.request.uri = '/rewritten';
        return event.request;
    }"""
    functions = [
        {"EventType": "viewer-request", "FunctionARN": _function("rewrite", rewrite)},
        {"EventType": "viewer-response", "FunctionARN": _function("stamp", stamp)},
    ]
    api = _behavior(
        policy=CACHING_DISABLED,
        PathPattern="/api/*",
        OriginRequestPolicyId=ALL_VIEWER_EXCEPT_HOST,
        AllowedMethods=_listed(EVERY_METHOD) | {"CachedMethods": _listed(["GET", "HEAD"])},
    )
    return deploy(
        _config(
            [_http_origin(origin.port)],
            _behavior(Compress=True, ResponseHeadersPolicyId=SECURITY_HEADERS),
            (
                api,
                _behavior(policy=by_query, PathPattern="/query/*"),
                api | {"PathPattern": "/write/*", "OriginRequestPolicyId": ""},
                _behavior(PathPattern="/cors/*", ResponseHeadersPolicyId=cors),
                _behavior(PathPattern="/fn/*", FunctionAssociations=_listed(functions)),
                _behavior(policy=_policy("short"), PathPattern="/short/*"),
            ),
            CustomErrorResponses=_listed(
                [
                    {"ErrorCode": 404, "ResponsePagePath": "/404.html", "ResponseCode": "404", "ErrorCachingMinTTL": 5},
                    {"ErrorCode": 503, "ErrorCachingMinTTL": 0},
                ]
            ),
            CacheTagConfig={"HeaderName": "x-cache-tag"},
            Aliases=_listed(["www.example.com", "*.films.example.com"]),
        )
    )


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:4500", 200),
        ("[::1]:4500", 200),
        ("site.localhost", 200),
        ("WWW.example.com", 200),
        ("a.films.example.com:443", 200),
        ("films.example.com", 403),
        ("a.b.films.example.com", 403),
        ("other.example.com", 403),
        ("d111111abcdef8.cloudfront.net", 403),
    ],
)
def test_a_distribution_answers_for_its_domains_only(
    site: Site, origin: CountingOrigin, host: str, status: int
) -> None:
    path = origin.put("/hosts")

    assert site.get(path, host=host).status_code == status


def test_a_distribution_answers_for_its_own_domain(site: Site, origin: CountingOrigin) -> None:
    domain = boto3.client("cloudfront").get_distribution(Id=site.id)["Distribution"]["DomainName"]

    assert site.get(origin.put("/own"), host=domain).status_code == 200


def test_the_endpoint_answers_for_the_domain_of_a_distribution(
    site: Site, origin: CountingOrigin, emulator: str
) -> None:
    domain = boto3.client("cloudfront").get_distribution(Id=site.id)["Distribution"]["DomainName"]
    path = origin.put("/by-host")

    first, second = (httpx.get(f"{emulator}{path}", headers={"Host": domain}) for _ in range(2))

    assert (first.status_code, first.headers["x-cache"]) == (200, "Miss from cloudfront")
    assert (second.headers["x-cache"], second.headers["age"]) == ("Hit from cloudfront", "0")
    assert second.headers["via"].endswith(".cloudfront.net (CloudFront)")


def test_the_second_read_is_a_hit_with_an_age(site: Site, origin: CountingOrigin) -> None:
    path = origin.put("/plain", etag='"1"', set_cookie="id=1", vary="Accept-Encoding, User-Agent")
    first, second = site.get(path), site.get(path)
    assert [first.headers["x-cache"], second.headers["x-cache"]] == ["Miss from cloudfront", "Hit from cloudfront"]
    assert "age" not in first.headers
    assert second.headers["age"] == "0"
    assert second.headers["via"].endswith(".cloudfront.net (CloudFront)")
    assert first.headers["x-amz-cf-id"] != second.headers["x-amz-cf-id"]
    assert second.headers["vary"] == "Accept-Encoding"
    assert "set-cookie" not in second.headers
    assert second.headers["x-content-type-options"] == "nosniff"
    assert origin.requests[path] == 1
    assert origin.seen[path]["user-agent"] == "Amazon CloudFront"
    assert origin.seen[path]["x-origin-secret"] == "s3cret"
    assert origin.seen[path]["host"] == f"127.0.0.1:{origin.port}"


def test_head_and_conditions_are_answered_from_the_cache(site: Site, origin: CountingOrigin) -> None:
    path = origin.put("/head", b"12345", etag='"1"')
    head = site.client.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "5", b"")
    same = site.get(path, if_none_match='"1"', **{"If-None-Match": '"1"'})
    assert (same.status_code, same.content, same.headers["x-cache"]) == (304, b"", "Hit from cloudfront")
    assert origin.requests[path] == 1


def test_500_concurrent_cold_reads_send_one_request_to_the_origin_and_stream(
    site: Site, origin: CountingOrigin
) -> None:
    begun, rest = b"x" * 100_000, b"y" * 100_000
    may_continue = threading.Event()

    def slowly(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "200000")
        handler.end_headers()
        handler.wfile.write(begun)
        assert may_continue.wait(90)
        handler.wfile.write(rest)

    origin.answers["/package"] = slowly
    flowing = 0

    async def read() -> bytes:
        nonlocal flowing
        reader, writer = await asyncio.open_connection("127.0.0.1", int(site.url.rpartition(":")[2]))
        writer.write(b"GET /package HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        got = await reader.readexactly(len(begun))
        flowing += 1
        if flowing == 500:  # all viewers have the first half, and the origin has sent no more
            may_continue.set()
        got += await reader.readexactly(len(rest))
        writer.close()
        return got

    async def read_all() -> list[bytes]:
        return await asyncio.gather(*(read() for _ in range(500)))

    assert all(got == begun + rest for got in asyncio.run(read_all()))
    assert origin.requests["/package"] == 1


def test_ranges_come_from_one_stored_object(site: Site, origin: CountingOrigin) -> None:
    body = bytes(range(256)) * 10
    path = origin.put("/ranges", body, etag='"v1"', content_type="application/octet-stream")
    one = site.get(path, Range="bytes=10-19")
    assert (one.status_code, one.content) == (206, body[10:20])
    assert "range" not in origin.seen[path]  # the edge requests the full object
    assert one.headers["content-range"] == "bytes 10-19/2560"
    several = site.get(path, Range="bytes=0-9,100-109,-5")
    assert several.status_code == 206
    boundary = several.headers["content-type"].removeprefix("multipart/byteranges; boundary=").encode()
    parts = [part.partition(b"\r\n\r\n")[2][:-2] for part in several.content.split(b"--" + boundary)[1:-1]]
    assert parts == [body[:10], body[100:110], body[-5:]]
    for whole in ("bytes=100-109,0-9", "bytes=0-9,5-20", "bytes=9-0"):
        assert (site.get(path, Range=whole).status_code, site.get(path, Range=whole).content) == (200, body)
    beyond = site.get(path, Range="bytes=9999-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */2560")
    assert site.get(path, Range="bytes=0-9", **{"If-Range": '"v1"'}).status_code == 206
    assert site.get(path, Range="bytes=0-9", **{"If-Range": '"v0"'}).content == body
    assert origin.requests[path] == 1


def test_text_is_compressed_once_per_encoding(site: Site, origin: CountingOrigin) -> None:
    text = b"the same words again and again " * 100
    path = origin.put("/text", text, content_type="text/css; charset=utf-8", etag='"1"')
    for accepted, encoding, decode in (
        ("gzip, br", "br", brotli.decompress),
        ("gzip", "gzip", gzip.decompress),
    ):
        for x_cache in ("Miss from cloudfront", "Hit from cloudfront"):
            with site.client.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
                assert decode(b"".join(answer.iter_raw())) == text
            assert answer.headers["content-encoding"] == encoding
            assert answer.headers["x-cache"] == x_cache
            assert (answer.headers["etag"], answer.headers["vary"]) == ('W/"1"', "Accept-Encoding")
    plain = site.get(path, **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    small = origin.put("/small.css", b"tiny", content_type="text/css")
    assert "content-encoding" not in site.get(small).headers


def test_only_the_query_strings_of_the_policy_are_in_the_key_and_forwarded(site: Site, origin: CountingOrigin) -> None:
    path = origin.put("/query/a")
    caches = [site.get(f"{path}?{query}").headers["x-cache"][:4] for query in ("v=1&u=1", "v=1&u=2", "v=2&u=1")]
    assert caches == ["Miss", "Hit ", "Miss"]
    assert origin.seen[path]["_"] == "/query/a?v=2"


def test_invalidation_by_path_wildcard_and_tag(site: Site, origin: CountingOrigin) -> None:
    paths = ["/inv/a", "/inv/b", "/other/c", "/tagged"]
    for path in paths:
        origin.put(path, x_cache_tag="product:1, Featured" if path == "/tagged" else "")
        site.get(path)
    for items, missed in ((["/other/c"], ["/other/c"]), (["/inv/*", "#featured"], ["/inv/a", "/inv/b", "/tagged"])):
        site.invalidate(*items)
        assert [path for path in paths if site.get(path).headers["x-cache"].startswith("Miss")] == missed


def test_errors_are_cached_for_their_minimum_ttl_with_their_custom_page(site: Site, origin: CountingOrigin) -> None:
    origin.put("/404.html", b"<h1>nothing here</h1>")
    path = origin.put("/absent", b"no", 404)
    for _ in range(2):
        answer = site.get(path)
        assert (answer.status_code, answer.content) == (404, b"<h1>nothing here</h1>")
        assert answer.headers["x-cache"] == "Error from cloudfront"
    assert origin.requests[path] == 1
    site.clock.passed += 6
    site.get(path)
    assert origin.requests[path] == 2


def test_stale_objects_are_served_when_the_origin_is_down(
    deploy: Callable[[dict[str, Any]], Site],
) -> None:
    origin = CountingOrigin()
    site = deploy(_config([_http_origin(origin.port)], _behavior()))
    origin.put("/index", b"index", cache_control="max-age=5, stale-if-error=600", etag='"1"')
    origin.put("/strict", b"strict", cache_control="max-age=5, stale-if-error=0")
    assert [site.get(path).status_code for path in ("/index", "/strict")] == [200, 200]
    origin.stop()
    site.clock.passed += 6
    stale = site.get("/index")
    assert (stale.status_code, stale.content) == (200, b"index")
    assert stale.headers["x-cache"] == "RefreshHit from cloudfront"
    assert int(stale.headers["age"]) >= 6
    gone = site.get("/strict")
    assert (gone.status_code, gone.headers["x-cache"]) == (502, "Error from cloudfront")
    assert b"The request could not be satisfied" in gone.content


def _group(*statuses: int) -> dict[str, Any]:
    members = _listed([{"OriginId": "web"}, {"OriginId": "second"}])
    return {"Id": "group", "FailoverCriteria": {"StatusCodes": _listed(list(statuses))}, "Members": members}


@pytest.fixture(scope="module")
def second() -> Iterator[CountingOrigin]:
    origin = CountingOrigin()
    yield origin
    origin.stop()


@pytest.fixture(scope="module")
def group_site(
    origin: CountingOrigin, second: CountingOrigin, deploy: Callable[[dict[str, Any]], Site], free_port: Any
) -> Site:
    """A distribution with origin groups, whose first origins answer, refuse connections below /gone, or are slow."""
    unreachable, slow = _http_origin(free_port(), Id="gone"), _http_origin(origin.port, read_timeout=1, Id="slow")
    other = _http_origin(second.port, Id="second")
    groups = [_group(500, 503, 504)]
    for first in ("gone", "slow"):
        members = _listed([{"OriginId": first}, {"OriginId": "second"}])
        groups.append(_group(500, 503, 504) | {"Id": f"{first}-group", "Members": members})
    groups.append(groups[1] | {"Id": "strict-group", "FailoverCriteria": {"StatusCodes": _listed([500])}})
    methods = {"AllowedMethods": _listed(["GET", "HEAD", "OPTIONS"])}
    behaviors = [_behavior(f"{name}-group", PathPattern=f"/{name}/*", **methods) for name in ("gone", "slow", "strict")]
    origins = [_http_origin(origin.port), other, unreachable, slow]
    return deploy(_config(origins, _behavior("group", **methods), tuple(behaviors), OriginGroups=_listed(groups)))


def test_an_origin_group_asks_its_second_origin_after_the_statuses_of_its_criteria(
    group_site: Site, origin: CountingOrigin, second: CountingOrigin
) -> None:
    for status, expected in ((200, b"first"), (500, b"second"), (404, b"first"), (502, b"first")):
        path = second.put(origin.put(f"/group-{status}", b"first", status), b"second")

        answer = group_site.get(path)

        assert answer.content == expected, status
        assert second.requests[path] == (expected == b"second")
    assert group_site.get("/group-500").headers["x-cache"] == "Hit from cloudfront"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_an_origin_group_fails_over_when_its_first_origin_refuses_connections(
    group_site: Site, second: CountingOrigin, method: str
) -> None:
    path = second.put(f"/gone/{method}", b"second")

    assert group_site.client.request(method, path).status_code == 200


def test_an_origin_group_fails_over_when_its_first_origin_is_too_slow(
    group_site: Site, origin: CountingOrigin, second: CountingOrigin
) -> None:
    released = threading.Event()
    origin.answers["/slow/a"] = lambda handler: released.wait(90) and None
    second.put("/slow/a", b"second")

    assert group_site.get("/slow/a").content == b"second"
    released.set()


def test_an_origin_group_without_503_does_not_fail_over_when_connections_are_refused(
    group_site: Site, second: CountingOrigin
) -> None:
    assert group_site.get(second.put("/strict/a")).status_code == 502


def test_an_origin_group_takes_no_writes(emulator: str) -> None:
    """AWS refuses such a distribution, made by the API or by a template."""
    origins = [_http_origin(80), _http_origin(81, Id="second")]
    behavior = _behavior("group", AllowedMethods=_listed(EVERY_METHOD))
    config = _config(origins, behavior, OriginGroups=_listed([_group(500)]))
    with pytest.raises(ClientError, match="AllowedMethods cannot include POST, PUT, PATCH, or DELETE"):
        boto3.client("cloudfront").create_distribution(DistributionConfig=config)

    in_template = config | {
        "Origins": [
            {"Id": name, "DomainName": "a.example", "CustomOriginConfig": {"OriginProtocolPolicy": "http-only"}}
            for name in ("web", "second")
        ],
        "DefaultCacheBehavior": behavior | {"AllowedMethods": EVERY_METHOD},
    }
    del in_template["CallerReference"], in_template["CacheBehaviors"]
    edge_resource = {"Type": "AWS::CloudFront::Distribution", "Properties": {"DistributionConfig": in_template}}
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(StackName="writes", TemplateBody=json.dumps({"Resources": {"Edge": edge_resource}}))

    def reasons() -> str:
        return str(
            [
                e.get("ResourceStatusReason")
                for e in cloudformation.describe_stack_events(StackName="writes")["StackEvents"]
            ]
        )

    assert eventually(lambda: "AllowedMethods cannot include POST" in reasons())


def test_an_origin_timeout_is_a_504(origin: CountingOrigin, deploy: Callable[[dict[str, Any]], Site]) -> None:
    site = deploy(_config([_http_origin(origin.port, read_timeout=1)], _behavior()))
    origin.answers["/silent"] = lambda _: time.sleep(1.5)
    assert site.get("/silent").status_code == 504


def test_an_incomplete_response_fails_for_the_viewer_and_is_not_cached(site: Site, origin: CountingOrigin) -> None:
    path = origin.put("/broken", b"half", content_length="8")
    with pytest.raises(httpx.RemoteProtocolError):
        site.get(path)
    origin.put("/broken", b"complete")
    assert site.get(path).content == b"complete"


def test_uncached_requests_are_forwarded_with_body_and_authorization(site: Site, origin: CountingOrigin) -> None:
    path = origin.put("/api/orders", set_cookie="id=1")
    answer = site.client.post(f"{path}?a=1", json={"n": 1}, headers={"Authorization": "AWS4", "Cookie": "c=1"})
    seen = origin.seen[path]
    assert json.loads(seen["_body"]) == {"n": 1}
    assert (seen["_"], seen["authorization"], seen["cookie"]) == ("/api/orders?a=1", "AWS4", "c=1")
    assert (answer.headers["set-cookie"], answer.headers["x-cache"]) == ("id=1", "Miss from cloudfront")
    assert [site.get(path).headers["x-cache"] for _ in range(2)] == ["Miss from cloudfront"] * 2
    origin.put(path, b"", 304, content_length="5")
    assert site.get(path, **{"If-None-Match": "*"}).status_code == 304


def test_authorization_is_forwarded_for_methods_that_are_not_cached(site: Site, origin: CountingOrigin) -> None:
    path = origin.put("/write/a")
    for method, arrives in (("POST", True), ("GET", False)):
        site.client.request(method, path, headers={"Authorization": "AWS4", "Cookie": "c=1"})
        assert ("authorization" in origin.seen[path], "cookie" in origin.seen[path]) == (arrives, False)


def test_methods_that_the_behavior_does_not_allow_are_rejected(site: Site) -> None:
    answer = site.client.post("/plain")
    assert (answer.status_code, answer.headers["x-cache"]) == (403, "Error from cloudfront")


def test_response_headers_policies_apply_to_hits(site: Site, origin: CountingOrigin) -> None:
    path = origin.put("/cors/a", x_powered_by="php")
    for _ in range(2):
        answer = site.get(path, Origin="https://www.example.com")
        assert answer.headers["access-control-allow-origin"] == "https://www.example.com"
        assert answer.headers["x-custom"] == "edge"
        assert "x-powered-by" not in answer.headers
    assert "access-control-allow-origin" not in site.get(path, Origin="https://example.com").headers


def test_functions_run_on_cache_hits_too(site: Site, origin: CountingOrigin) -> None:
    origin.put("/rewritten")
    assert [site.get(path).headers["x-stamp"] for path in ("/fn/a", "/fn/b")] == ["on", "on"]
    assert origin.requests["/rewritten"] == 1
    teapot = site.get("/fn/teapot")
    assert (teapot.status_code, teapot.headers["x-made"]) == (418, "here")
    assert teapot.headers["x-cache"] == "FunctionGeneratedResponse from cloudfront"


def test_an_updated_distribution_is_applied(origin: CountingOrigin, deploy: Callable[[dict[str, Any]], Site]) -> None:
    site = deploy(_config([_http_origin(origin.port)], _behavior()))
    origin.put("/old/page", b"old")
    origin.put("/new/page", b"new")
    cloudfront = boto3.client("cloudfront")
    deployed = cloudfront.get_distribution_config(Id=site.id)
    config = deployed["DistributionConfig"]
    config["Origins"]["Items"][0]["OriginPath"] = "/new"
    cloudfront.update_distribution(Id=site.id, IfMatch=deployed["ETag"], DistributionConfig=config)
    site.invalidate("/none")  # returns after the edge has refreshed
    assert site.get("/page").content == b"new"


def test_metrics_are_published(deploy: Callable[[dict[str, Any]], Site], origin: CountingOrigin) -> None:
    site = deploy(_config([_http_origin(origin.port)], _behavior()))
    path = origin.put("/counted")
    for _ in range(3):
        site.get(path)
    expected = {"Requests": 3, "CacheHits": 2, "CacheMisses": 1}
    assert eventually(lambda: _sums(site.id) == expected), _sums(site.id)


def _sums(distribution: str) -> Counter[str]:
    cloudwatch = boto3.client("cloudwatch")
    sums: Counter[str] = Counter()
    for name in ("Requests", "CacheHits", "CacheMisses"):
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/CloudFront",
            MetricName=name,
            Dimensions=[{"Name": "DistributionId", "Value": distribution}, {"Name": "Region", "Value": "Global"}],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        sums[name] = int(sum(point["Sum"] for point in points))
    return sums


@pytest.mark.parametrize("identity", ["oac", "oai"])
def test_a_private_bucket_serves_only_its_distribution(
    identity: str, emulator: str, deploy: Callable[[dict[str, Any]], Site]
) -> None:
    s3, cloudfront = boto3.client("s3"), boto3.client("cloudfront")
    bucket = f"private-{identity}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="site/index.html", Body=b"<p>home</p>", ContentType="text/html")
    origin = {
        "Id": "web",
        "DomainName": f"{bucket}.s3.us-east-1.amazonaws.com",
        "OriginPath": "/site",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    if identity == "oac":
        control = {"Name": bucket, "SigningProtocol": "sigv4", "SigningBehavior": "always"}
        made = cloudfront.create_origin_access_control(
            OriginAccessControlConfig=control | {"OriginAccessControlOriginType": "s3"}
        )
        origin["OriginAccessControlId"] = made["OriginAccessControl"]["Id"]
    else:
        origin["S3OriginConfig"] = {"OriginAccessIdentity": "origin-access-identity/cloudfront/E1ABCDEF"}
    site = deploy(_config([origin], _behavior(), DefaultRootObject="index.html"))
    assert site.get("/").status_code == 403  # no bucket policy yet
    distribution = cloudfront.get_distribution(Id=site.id)["Distribution"]
    allow: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    if identity == "oac":
        allow["Principal"] = {"Service": "cloudfront.amazonaws.com"}
        allow["Condition"] = {"StringEquals": {"AWS:SourceArn": distribution["ARN"]}}
    else:
        user = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1ABCDEF"
        allow["Principal"] = {"AWS": user}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    answer = site.get("/")
    assert (answer.status_code, answer.content) == (200, b"<p>home</p>")
    assert site.client.head("/index.html").headers["content-type"] == "text/html"
    assert httpx.get(f"{site.url}//index.html").status_code == 403  # S3 has no such key
    assert httpx.get(f"{emulator}/{bucket}/site/index.html").status_code == 403
    by_host = httpx.get(f"{emulator}/index.html", headers={"Host": distribution["DomainName"]})
    assert by_host.status_code == 200, by_host.text
    assert by_host.headers["x-cache"] == "Miss from cloudfront"  # from an edge, which caches


def test_an_api_can_be_the_origin_by_its_execute_api_domain(deploy: Callable[[dict[str, Any]], Site]) -> None:
    gateway = boto3.client("apigateway")
    api = gateway.create_rest_api(name="mock")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    resource = gateway.create_resource(restApiId=api, parentId=root, pathPart="hello")["id"]
    method = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    gateway.put_method_response(**method, statusCode="200")
    gateway.put_integration_response(**method, statusCode="200", responseTemplates={"application/json": '{"hi": 1}'})
    gateway.create_deployment(restApiId=api, stageName="v1")
    domain = f"{api}.execute-api.us-east-1.amazonaws.com"
    site = deploy(_config([_http_origin(80, domain, OriginPath="/v1")], _behavior(policy=CACHING_DISABLED)))
    answer = site.get("/hello")
    assert (answer.status_code, answer.json()) == (200, {"hi": 1})


def test_a_behavior_with_trusted_keys_accepts_signed_urls_until_the_key_is_removed(
    origin: CountingOrigin, deploy: Callable[[dict[str, Any]], Site]
) -> None:
    cloudfront = boto3.client("cloudfront")
    private = ec.generate_private_key(ec.SECP256R1())
    keys = []
    for name, key in (("in-use", private), ("spare", ec.generate_private_key(ec.SECP256R1()))):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        config = {"CallerReference": name, "Name": name, "EncodedKey": pem}
        keys.append(cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"])
    group = cloudfront.create_key_group(KeyGroupConfig={"Name": "video", "Items": keys})
    group_id = group["KeyGroup"]["Id"]
    trusted = _listed([group_id]) | {"Enabled": True}
    site = deploy(_config([_http_origin(origin.port)], _behavior(TrustedKeyGroups=trusted)))
    path = origin.put("/film.mp4", b"film")

    def signed() -> str:
        signer = CloudFrontSigner(keys[0], lambda policy: private.sign(policy, ec.ECDSA(SHA1())))  # noqa: S303
        expires = datetime.now(UTC) + timedelta(minutes=5)
        return str(signer.generate_presigned_url(f"{site.url}{path}", date_less_than=expires))

    refused = site.get(path)
    assert (refused.status_code, b"<Code>MissingKey</Code>" in refused.content) == (403, True)
    assert [site.get(signed()).headers["x-cache"][:4] for _ in range(2)] == ["Miss", "Hit "]
    assert origin.seen[path]["_"] == path
    cloudfront.update_key_group(Id=group_id, IfMatch=group["ETag"], KeyGroupConfig={"Name": "video", "Items": keys[1:]})
    site.invalidate("/none")
    assert b"<Code>InvalidKey</Code>" in site.get(signed()).content


def test_a_rejected_request_gets_the_custom_error_page(
    origin: CountingOrigin, deploy: Callable[[dict[str, Any]], Site]
) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    cloudfront = boto3.client("cloudfront")
    config = {"CallerReference": "page", "Name": "page", "EncodedKey": pem}
    key = cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"]
    group = cloudfront.create_key_group(KeyGroupConfig={"Name": "page", "Items": [key]})["KeyGroup"]["Id"]
    signed = _behavior(TrustedKeyGroups=_listed([group]) | {"Enabled": True})
    page = {"ErrorCode": 403, "ResponsePagePath": "/pay.html", "ResponseCode": "402", "ErrorCachingMinTTL": 0}
    site = deploy(
        _config(
            [_http_origin(origin.port)],
            _behavior(),
            ({"PathPattern": "/videos/*", **signed},),
            CustomErrorResponses=_listed([page]),
        )
    )
    origin.put("/pay.html", b"please pay")

    refused = site.get("/videos/1.mp4")

    assert (refused.status_code, refused.content) == (402, b"please pay")
    assert "/videos/1.mp4" not in origin.requests


def test_a_distribution_that_does_not_exist_is_not_served() -> None:
    with pytest.raises(ClientError):
        edge("ENOTHERE")


def test_edge_is_an_asgi_application(site: Site) -> None:
    assert isinstance(edge(site.id), Edge)
