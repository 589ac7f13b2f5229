"""Requests whose end two servers see in different places, and lines that become headers.

https://portswigger.net/web-security/request-smuggling
https://www.rfc-editor.org/rfc/rfc9112#section-11.2
"""

from __future__ import annotations

from functools import cached_property
from urllib.parse import urlsplit

from deploy.attack import wire
from deploy.attack.case import Attack, case
from deploy.verify import page

_REFUSED = (400, 403, 404, 405, 411, 413, 414, 417, 421, 431, 501, 505)


class _Framing(Attack):
    """The attacker hides a request in another one. Whoever uses the connection next gets its answer."""

    @property
    def _url(self) -> str:
        raise NotImplementedError

    @case
    def a_length_before_chunks(self) -> None:
        """The attacker's request is put before the next user's (CL.TE)."""
        body = f"0\r\n\r\n{self._hidden}"
        self._one(f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked\r\n", body)
        self._one(f"Transfer-Encoding: chunked\r\nContent-Length: {len(body)}\r\n", body)

    @case
    def chunks_before_a_length(self) -> None:
        """The attacker's request is put before the next user's (TE.CL)."""
        chunk = self._hidden
        body = f"{len(chunk):x}\r\n{chunk}\r\n0\r\n\r\n"
        short = len(body) - len(chunk) - len("\r\n0\r\n\r\n")
        self._one(f"Content-Length: {short}\r\nTransfer-Encoding: chunked\r\n", body)

    @case
    def a_transfer_encoding_in_disguise(self) -> None:
        """One server sees the chunks, and the other does not (TE.TE)."""
        body = f"0\r\n\r\n{self._hidden}"
        for line in (
            *("Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding:\tchunked"),
            *("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: identity, chunked"),
            *(
                "Transfer-Encoding: chunked, identity",
                "Transfer-Encoding:\x0bchunked",
                "Transfer-Encoding: chunked;x=y",
            ),
            *("X: y\nTransfer-Encoding: chunked", "X: y\r\n Transfer-Encoding: chunked", "Transfer_Encoding: chunked"),
            *("Transfer-Encoding: 'chunked'", "Transfer-Encoding\r\n: chunked", "transfer-encoding: CHUNKED"),
        ):
            self._one(f"Content-Length: {len(body)}\r\n{line}\r\n", body)

    @case
    def two_lengths(self) -> None:
        """One server reads the first length, and the other the second (CL.CL)."""
        body = self._hidden
        length = len(body)
        for lines in (
            f"Content-Length: 0\r\nContent-Length: {length}",
            f"Content-Length: {length}\r\nContent-Length: 0",
            f"Content-Length: 0, {length}",
            f"Content-Length: 0\r\ncontent-length: {length}",
        ):
            self._one(f"{lines}\r\n", body)

    @case
    def a_length_that_is_no_number(self) -> None:
        """One server reads the length, and the other does not."""
        body = self._hidden
        length = len(body)
        for value in (f"+{length}", f"-{length}", f"0x{length:x}", f"{length}.0", f"{length} {length}", "", "٣", "1e2"):
            self._one(f"Content-Length: {value}\r\n", body)

    @case
    def a_chunk_whose_size_is_no_number(self) -> None:
        """One server reads the size of a chunk, and the other does not."""
        for size in (
            "0x0",
            "+0",
            "-1",
            "0_0",
            "FFFFFFFFFFFFFFFFF",
            "0 1",
            " 0",
            "x",
        ):
            self._one("Transfer-Encoding: chunked\r\n", f"{size}\r\n\r\n{self._hidden}")

    @case
    def a_line_end_in_a_header(self) -> None:
        """A value of the attacker becomes a header, or a request."""
        for end in ("\n", "\r", "\0", "\x0b", "\x0c"):
            self._one(f"X-A: b{end}Content-Length: {len(self._hidden)}\r\n", self._hidden)

    @case
    def no_host_or_two(self) -> None:
        """One server serves the first host, and the other the second."""
        known = wire.host(self._url)
        for hosts in (
            "",
            f"Host: {known}\r\nHost: attacker.example\r\n",
            f"Host: attacker.example\r\nHost: {known}\r\n",
        ):
            request = f"GET {self._path} HTTP/1.1\r\n{hosts}\r\n".encode()
            answer = wire.answers(self._url, request, 1)[0]
            self.without(answer.status not in (*_REFUSED, 0), answer)

    @case
    def the_address_of_another_server_as_target(self) -> None:
        """The gateway fetches addresses of its own network for the attacker."""
        known = wire.host(self._url)
        for target in ("http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:22/", "https://attacker.example/"):
            for method in ("GET", "POST"):
                lines = f" HTTP/1.1\r\nHost: {known}\r\nContent-Length: 0\r\n\r\n"
                answer = wire.answers(self._url, f"{method} {target}{lines}".encode(), 1)[0]
                if answer.status not in (*_REFUSED, 0, 401):  # the server's own page of that path is harmless
                    own = wire.answers(self._url, f"{method} {urlsplit(target).path}{lines}".encode(), 1)[0]
                    self.without((answer.status, answer.body) != (own.status, own.body), answer)

    @case
    def a_tunnel(self) -> None:
        """The gateway opens connections into its own network for the attacker."""
        known = wire.host(self._url)
        for target in ("169.254.169.254:80", "127.0.0.1:22", known):
            request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
            answer = wire.answers(self._url, request, 1)[0]
            self.without(answer.status not in (*_REFUSED, 0), answer)

    @case
    def a_switch_to_another_protocol(self) -> None:
        """The attacker speaks past the gateway's rules, which see the first request only."""
        for lines in (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
        ):
            request = f"GET {self._path} HTTP/1.1\r\nHost: {wire.host(self._url)}\r\n{lines}\r\n".encode()
            answer = wire.answers(self._url, request, 1)[0]
            self.without(answer.status == 101, answer)

    @case
    def a_line_end_in_the_address(self) -> None:
        """The attacker sets cookies of the site, or writes its pages (response splitting)."""
        for end in ("%0d%0a", "%0a", "%0d", "%E5%98%8A%E5%98%8D", "%c4%8d%c4%8a"):
            for target in (
                f"/{end}X-Injected:%20yes",
                f"?x={end}X-Injected:%20yes",
                f"/unsubscribe/x{end}X-Injected:yes",
            ):
                answer = wire.ask(self._url, f"{self._path.rstrip('/')}{target}")
                self.without("X-Injected" in answer.headers, answer)

    @cached_property
    def _path(self) -> str:
        """A path that the server knows."""
        target = wire.path(self._url) or "/"
        self.allowed(wire.ask(self._url, target), 200, 401, 404)
        return target

    @property
    def _hidden(self) -> str:
        """The hidden request, whose answer is shown to the attacker if the server sees it."""
        return f"GET {self._path} HTTP/1.1\r\nHost: {wire.host(self._url)}\r\n\r\n"

    def _one(self, headers: str, body: str) -> None:
        """Raise Admitted if the server sees more than two requests: this one and the next, which closes."""
        host = wire.host(self._url)
        request = f"POST {self._path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}"
        closing = f"GET {self._path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        answers = wire.answers(self._url, f"{request}{closing}".encode(), patience=wire.PATIENCE)
        self.without(len(answers) > 2, f"{len(answers)} answers to {headers!r} and {body[:20]!r}")


class GatewayFraming(_Framing):
    """Requests to API Gateway."""

    kind = "request smuggling at the gateway"
    app = "todo-app"

    @property
    def _url(self) -> str:
        return f"{self.api()}/health"


class EdgeFraming(_Framing):
    """Requests to CloudFront."""

    kind = "request smuggling at the edge"
    app = "blog-app"

    @property
    def _url(self) -> str:
        return f"{page.site_url(self)}/api/health"
