"""Caches that are made to keep what only one may see, or what nobody should see."""

from __future__ import annotations

import json
import uuid
from functools import cached_property

from deploy.attack import wire
from deploy.attack.case import Attack, case
from deploy.attack.users import TITLE, People
from deploy.verify import page
from deploy.verify.requests import Answer

_MARK = "attacker.example"
_HOSTS = (
    *("X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Original-Host", "X-HTTP-Host-Override", "Forwarded"),
    *("X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-For"),
    *("Origin", "Referer", "X-Correlation-Id", "User-Agent", "CloudFront-Forwarded-Proto", "Via"),
)
_PATHS = ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-Override-URL")
_METHODS = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
_SUFFIXES = (
    *("/x.css", ";x.css", ";/x.css", "%2fx.css", ".css", "%00.css", "%23x.css", "%3fx.css", "%0ax.css", "//x.css"),
    *("/..%2fx.css", "/%2e%2e/x.css", "\\x.css", "%5cx.css", "/x.js", "/favicon.ico", "?x.css", "/index.html"),
)


class Edge(Attack):
    """The attacker asks the blog's edge for an address first. Whoever asks after them gets what the cache has kept."""

    kind = "poisoned caches"
    app = "blog-app"

    @case
    def a_header_with_another_host(self) -> None:
        """Every reader's page loads scripts from, or leads to, the attacker's site."""
        for path in (self._new_list, self._new_page):
            for name in _HOSTS:
                for value in (_MARK, f"https://{_MARK}/", f"host={_MARK}"):
                    self._unchanged(path(), f"{name}: {value}")

    @case
    def a_header_with_another_path(self) -> None:
        """Every reader gets another page than the one they asked for."""
        for name in _PATHS:
            for other in ("/api/health", "/404.html", f"/{_MARK}"):
                self._unchanged(self._new_list(), f"{name}: {other}")

    @case
    def a_header_with_another_method(self) -> None:
        """Every reader gets the answer to a request that deletes or is refused."""
        for name in _METHODS:
            for method in ("DELETE", "POST", "HEAD", "PURGE", "X"):
                self._unchanged(self._new_list(), f"{name}: {method}")

    @case
    def a_refusal_that_is_kept_for_everybody(self) -> None:
        """One request of the attacker takes a page from every reader (https://cpdos.org)."""
        for header in (
            f"X-Oversized: {'x' * 9_000}",
            "Range: bytes=9999999-",
            "Range: bytes=x",
            "Authorization: AWS4-HMAC-SHA256 Credential=x",
            "Authorization: Bearer x",
            'If-Match: "x"',
            "If-None-Match: *",
            "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
            "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
            "Accept: text/plain",
            "Accept-Encoding: x",
            "Content-Type: x",
            "X-Amz-Security-Token: x",
            "X-Amz-Date: x",
        ):
            self._unchanged(self._new_list(), header)

    @case
    def a_body_in_a_request_to_read(self) -> None:
        """A body that is in no cache key chooses what every reader gets."""
        for target in (self._new_list(), self._new_page()):
            self._first(target, "Content-Type: application/json", body=json.dumps({"tag": _MARK, "limit": 0}).encode())
            self._clean(target)

    @case
    def a_parameter_that_is_not_in_the_key(self) -> None:
        """A parameter that only the attacker sends chooses what every reader gets."""
        for name in ("utm_source", "callback", "jsonp", "_method", "lang", "x"):
            for target, more in ((self._new_list(), "&"), (self._new_page(), "?")):
                self._first(f"{target}{more}{name}={_MARK}")
                self._clean(target)

    @case
    def one_parameter_twice(self) -> None:
        """The cache reads one of two values and the API the other."""
        target = self._new_list()
        self._first(f"{target}&limit=1;limit={_MARK}")
        self._first(f"{target}&tag={_MARK}")
        self._clean(target)

    @case
    def the_head_of_an_answer_for_the_whole(self) -> None:
        """Every reader gets an empty page."""
        target = self._new_list()
        wire.ask(self._site, self._path(target), method="HEAD")
        self._clean(target)

    @case
    def a_part_of_an_answer_for_the_whole(self) -> None:
        """Every reader gets a part of a page."""
        target = self._new_list()
        self._first(target, "Range: bytes=0-0")
        self._clean(target)

    @case
    def a_host_of_the_attacker(self) -> None:
        """Every reader is led to the attacker's site."""
        target = self._new_list()
        request = f"GET {self._path(target)} HTTP/1.1\r\nHost: {_MARK}\r\n\r\n".encode()
        for answer in wire.answers(self._site, request, 1):
            self.without(answer.status == 200 and _MARK in _text(answer), answer)
        self._clean(target)

    @case
    def an_address_of_the_API_that_looks_like_a_file(self) -> None:
        """The API's answer is kept as a page of the site, or a page as an answer of the API."""
        for suffix in _SUFFIXES:
            answer = self._first(f"/api/posts/{uuid.uuid4().hex}{suffix}")
            self.without(answer.status == 200, answer)

    @cached_property
    def _site(self) -> str:
        site = page.site_url(self)
        self.until(lambda: self.http.get(f"{site}/api/posts"), lambda answer: answer.status == 200, "the list of posts")
        return site

    def _path(self, target: str) -> str:
        return wire.path(self._site).rstrip("/") + target

    def _new_list(self) -> str:
        """Return an address that no cache has, of a list without posts."""
        return f"/api/posts?tag={uuid.uuid4().hex[:20]}"

    def _new_page(self) -> str:
        """Return an address that no cache has, of a page that is missing."""
        return f"/posts/{uuid.uuid4().hex}/"

    def _first(self, target: str, *headers: str, body: bytes = b"") -> Answer:
        return wire.ask(self._site, self._path(target), *headers, body=body)

    @cached_property
    def _list(self) -> Answer:
        return self.allowed(self._first(self._new_list()))

    @cached_property
    def _missing(self) -> Answer:
        return self.allowed(self._first(self._new_page()), 404)

    def _unchanged(self, target: str, *headers: str) -> None:
        """Raise Admitted if the next reader gets something else because of the *headers* of the first."""
        self._first(target, *headers)
        self._clean(target)

    def _clean(self, target: str) -> None:
        self._unlike(self._first(target), self._list if target.startswith("/api/") else self._missing)

    def _unlike(self, answer: Answer, usual: Answer) -> None:
        changed = (answer.status, answer.body) != (usual.status, usual.body)
        self.without(changed or _MARK in _text(answer), f"{answer} instead of {usual}")


def _text(answer: Answer) -> str:
    return f"{dict(answer.headers)}{answer.body.decode(errors='replace')}"


class Deception(People):
    """Ann follows a link of the attacker. What a cache keeps of her answer is the attacker's."""

    kind = "private answers in caches"
    app = "todo-app"

    @case
    def a_list_at_an_address_that_looks_like_a_file(self) -> None:
        """The attacker reads Ann's todos from a cache."""
        for start in ("/api/todos", "/api/cached/todos"):
            for suffix in _SUFFIXES:
                self._private(f"{start}{suffix}")

    @case
    def a_list_at_an_address_that_begins_with_a_file(self) -> None:
        """The attacker reads Ann's todos from a cache."""
        for start in ("/index.html", "/app.js", "/static"):
            for dots in ("/..", "%2f..", "/%2e%2e", "%2f%2e%2e", "/..%2f", "/..;", "\\.."):
                self._private(f"{start}{dots}/api/todos")

    @case
    def a_list_after_its_user_has_read_it(self) -> None:
        """The attacker reads Ann's todos from a cache."""
        for target in ("/api/todos", "/api/todos?limit=20", "/api/cached/todos", f"/api/todos/{self._todo}"):
            self._private(target)

    @case
    def a_list_by_another_method(self) -> None:
        """The attacker reads Ann's todos from a cache."""
        target = f"/api/todos?limit={uuid.uuid4().int % 90 + 1}"
        self._private(target)
        for method in ("HEAD", "OPTIONS", "TRACE", "PURGE"):
            answer = wire.ask(self._site, self._path(target), method=method)
            self.without(TITLE in _text(answer), answer)

    @cached_property
    def _site(self) -> str:
        return page.site_url(self)

    def _path(self, target: str) -> str:
        return wire.path(self._site).rstrip("/") + target

    def _private(self, target: str) -> None:
        """Raise Admitted if a stranger, or Bob, gets what Ann has got at the same address."""
        self.expect(self._todo, "a todo of Ann", "none")
        token = f"Authorization: {self._ann.id_token}"
        for _ in range(2):
            wire.ask(self._site, self._path(target), token)
        for headers in ((), (f"Authorization: {self._bob.id_token}",)):
            answer = wire.ask(self._site, self._path(target), *headers)
            self.without(TITLE in _text(answer), answer)
