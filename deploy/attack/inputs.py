"""Bodies and headers that cost the server much, or that two readers understand differently."""

from __future__ import annotations

import gzip
import io
import json
import struct
import time
import zlib
from functools import cached_property

from PIL import Image

from deploy.attack.case import Attack, case
from deploy.attack.users import People
from deploy.verify import page
from deploy.verify.blog import Blog
from deploy.verify.requests import Answer, Api

_SLOW = 10.0
"""Seconds. No honest request takes so long, and API Gateway gives up after 29."""


class Json(People):
    """Ann sends JSON."""

    kind = "JSON"
    app = "todo-app"

    @case
    def a_body_that_is_very_deep(self) -> None:
        """One small request ends the function, for everybody whom it serves."""
        for start, end in (("[", "]"), ('{"title":', "}"), ('{"title":"x","tags":[', "]}")):
            for depth in (1_000, 100_000):
                self._refuse((start * depth + end * depth).encode())
                self._refuse((start * depth).encode())

    @case
    def numbers_that_are_none(self) -> None:
        """A value that compares with nothing gets into the data."""
        for value in ("NaN", "Infinity", "-Infinity", "1e999", "1" * 5_000, "-0", "0x10", "1_000", "01", "+1", ".5"):
            for field in ("title", "priority", "due", "notes"):
                self._refuse(f'{{"title": "x", "{field}": {value}}}'.encode(), field)

    @case
    def text_that_is_no_text(self) -> None:
        """Text that no other program can read gets into the data, and into every page that shows it."""
        for text in (
            rb'"\ud800"',
            rb'"\udfff\ud800"',
            b'"\xff"',
            b'"\xc0\xaf"',
            b'"\xed\xa0\x80"',
            rb'"\u0000"',
            b'"a\x00"',
        ):
            self._refuse(b'{"title": ' + text + b"}")
        for encoding in ("utf-16", "utf-32", "utf-7"):
            self._refuse(json.dumps({"title": "x"}).encode(encoding) + b"+", "encoding")

    @case
    def more_than_one_body(self) -> None:
        """A filter reads the first value, and the API the second."""
        for body in (
            b'{"title":"x"}{"title":"y"}',
            b'{"title":"x"} x',
            b'{"title":"x",}',
            b'{"title":"x"//\n}',
            b"{'title':'x'}",
        ):
            self._refuse(body)

    @case
    def fields_that_are_programs(self) -> None:
        """A field becomes a condition of the database, or a property of every object."""
        for field in (
            "__proto__",
            "constructor",
            "$ne",
            "$where",
            "__class__",
            "title[$ne]",
            "title.x",
            "Title",
            "#owner",
        ):
            self._refuse(json.dumps({"title": "x", field: {"x": 1}}).encode())
        for value in ({"$ne": None}, ["x"], {"S": "x"}, 1, True, None):
            self._refuse(json.dumps({"title": value}).encode())

    @case
    def a_body_that_is_very_large(self) -> None:
        """A user stores megabytes at the owner's cost."""
        for body in (
            {"title": "x" * 3_000_000},
            {"title": "x", "notes": "x" * 10_001},
            {"title": "x", "tags": ["x"] * 21},
        ):
            self._refuse(json.dumps(body).encode())

    @case
    def a_compressed_body_that_grows(self) -> None:
        """A small request takes all memory of the function."""
        bomb = gzip.compress(b'{"title": "' + b"x" * 50_000_000 + b'"}')
        for coding in ("gzip", "deflate", "br", "gzip, gzip"):
            self.refused(self._sent(bomb, {"Content-Encoding": coding}), 400, 413, 415)

    @case
    def a_form_of_another_site(self) -> None:
        """Another site acts for its visitors: its forms need no permission of the API (CSRF)."""
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            self.refused(self._sent(b'{"title": "x"}', {"Content-Type": kind}), 400, 415)

    @cached_property
    def _control(self) -> str:
        return self._todo

    def _refuse(self, body: bytes, what: str = "") -> None:
        self.expect(self._control, "a todo that is accepted", "none")
        started = time.monotonic()
        self.refused(self._sent(body), 400, 413, 415)
        self.without(time.monotonic() - started > _SLOW, f"{time.monotonic() - started:.0f} s {what}")

    def _sent(self, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        known = {"Content-Type": "application/json", **(headers or {}), "Authorization": self._ann.id_token}
        return self.http.send("POST", f"{self.api()}/todos", body, known)


class Patterns(People):
    """Ann sends text that makes a badly written regular expression take years (ReDoS)."""

    kind = "slow patterns"
    app = "todo-app"

    @case
    def text_that_almost_matches(self) -> None:
        """One small request keeps the function busy until it is ended."""
        for part in ("a", " ", "\t ", "é", "-", "0", ".", "/", "a-", "a.", "\u200b", "=?"):
            for end in ("!", "\x00", "\n", "", "@"):
                text = part * 100 + end
                self._quick(self._ann_api.send("POST", "/todos", {"title": text, "notes": text * 50, "due": text[:40]}))
                self._quick(self._ann_api.send("POST", "/files", {"name": text, "content_type": text, "size": 1}))

    @case
    def headers_that_almost_match(self) -> None:
        """One small request keeps the function busy until it is ended."""
        for part in ('"', '",', 'W/"', '"a",', " ", "bearer ", ",", "\t", "a=b,"):
            value = (part * 4_000)[:7_000].strip() or "x"
            for name in ("If_None_Match", "If_Match", "Idempotency_Key", "X_Correlation_Id", "X_Forwarded_For"):
                self._quick(self._ann_api.get(f"/todos/{self._todo}", **{name: value}))
            self._quick(self.http.get(f"{self.api()}/todos", Authorization=value))

    @case
    def addresses_that_almost_match(self) -> None:
        """One small request keeps the function busy until it is ended."""
        for part in ("a", "a.", "-", "%41", "0.", "A="):
            for name in ("cursor", "limit", "done"):
                self._quick(self._ann_api.get(f"/todos?{name}={part * 600}!"))

    def _quick(self, answer: Answer) -> None:
        self.without(answer.status >= 500 or answer.status == 0, answer)


class Texts(Attack, Blog):
    """Readers and the author of the blog send text."""

    kind = "slow texts"
    app = "blog-app"

    @case
    def an_address_of_a_subscriber_that_almost_matches(self) -> None:
        """One small request keeps the function busy until it is ended."""
        reader = Api(self.http, f"{page.site_url(self)}/api")
        for part in ("a", "a.", '"', "(", "-", "@", "a@", "xn--", "[1.", "\u0430"):
            for end in ("", "@", "@a", "!"):
                answer = reader.send("POST", "/subscribers", {"email": (part * 400)[:395] + end})
                self.without(answer.status not in (400, 413, 429), answer)

    @case
    def a_post_that_takes_years_to_render(self) -> None:
        """One post keeps the function busy until it is ended, each time somebody edits it."""
        author = self._author()
        self.remove_later(f"post {self.name}", self._remove_post)
        for part in (
            "[",
            "*a_ ",
            "![a](",
            "<",
            "> ",
            "- ",
            "`",
            "|",
            "&",
            "[a][",
            "**",
            "~~",
            "\\",
            "(" * 9,
            "<!--",
            "http://",
            "#",
        ):
            text = (part * 40_000)[:40_000]
            answer = author.send("POST", "/posts", {"slug": self.name, "title": "x", "body_markdown": text})
            if answer.status == 201:
                author.send("DELETE", f"/posts/{self.name}")
            else:
                self.refused(answer, 400, 409, 413)


class Bombs(Attack, Blog):
    """A photo that is small as a file and has no end as a picture."""

    kind = "bombs"
    app = "blog-app"

    @case
    def a_small_file_that_is_a_huge_picture(self) -> None:
        """One photo takes all memory of the function, and is tried again and again."""
        for name, kind, content in (
            ("a.png", "image/png", _png(60_000, 60_000)),
            ("b.png", "image/png", _png(2**31 - 1, 1)),
            ("c.jpg", "image/jpeg", _jpeg(65_500, 65_500)),
            ("d.webp", "image/webp", _webp(16_383, 16_383)),
        ):
            self._rejected(name, kind, content)

    @case
    def a_file_of_another_type(self) -> None:
        """A page with a script is served as a picture, or a decoder that nobody expects reads the file."""
        script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        for name, kind, content in (
            ("a.jpg", "image/jpeg", script),
            ("b.png", "image/png", b"%!PS\n(%pipe%id) (r) file\n"),
            ("c.jpg", "image/jpeg", b"push graphic-context\nviewbox 0 0 1 1\nfill 'url(https://attacker.example/)'\n"),
        ):
            self._rejected(name, kind, content)

    @case
    def a_type_that_runs_in_the_browser(self) -> None:
        """A stranger's script runs on the blog's site."""
        for kind in ("image/svg+xml", "text/html", "application/xml", "image/gif;text/html", "", "image/*"):
            body = {"filename": "x.svg", "content_type": kind, "size": 10}
            self.refused(self._author().send("POST", "/photos", body), 400)

    def _rejected(self, name: str, kind: str, content: bytes) -> None:
        wanted = {"filename": f"{self.name}-{name}", "content_type": kind, "size": len(content)}
        upload = self.allowed(self._author().send("POST", "/photos", wanted), 201).json
        self.remove_later(f"photo {upload['id']}", lambda: self._remove_photo(upload["id"]))
        self.allowed(self.http.post_form(upload["url"], upload["fields"], content), 204)
        photo = self.until(
            lambda: self._photo_of(upload["id"]).json, lambda photo: photo and photo["status"] != "pending", "an end"
        )
        self.without(photo["status"] != "rejected", photo)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int) -> bytes:
    """Return a PNG that says that it is as large, and whose data become 100 MB."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _webp(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "WEBP")
    data = bytearray(file.getvalue())
    at = data.index(b"\x9d\x01\x2a") + 3
    data[at : at + 4] = struct.pack("<HH", width, height)
    return bytes(data)
