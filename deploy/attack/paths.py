"""Names and paths that lead out of their folder."""

from __future__ import annotations

from functools import cached_property

from deploy import stacks, updates
from deploy.attack import wire
from deploy.attack.case import Attack, case
from deploy.attack.users import People
from deploy.verify import page
from deploy.verify.people import sign_in, with_secret
from deploy.verify.requests import Api

_OUTSIDE = ("etc/passwd", "proc/self/environ", "windows/win.ini", "app.py", ".chalice/config.json", "stages/local.json")
_DOTS = (
    *("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..\\", "....//", "..;/", "%252e%252e%252f", "..%00/"),
    *("%c0%ae%c0%ae/", "%uff0e%uff0e/", "./../", "/"),
)
_CONTENT = (b"root:", b"PATH=", b"AWS_", b"Chalice(", b'"stages"')
_NAMES = (
    *("../x", "..", ".", "a/../b", "/etc/x", "a/b", "a\\b", "..\\x", "a\0b", "x\r\ny", "${filename}", "a${filename}"),
    *("\u202egnp.exe", "x" * 201, "", "x\ud800"),
)


class Uploads(People):
    """Ann uploads files. The name decides where they are."""

    kind = "names of uploads"
    app = "todo-app"

    @case
    def a_file_with_a_path_for_a_name(self) -> None:
        """Ann writes into another user's folder."""
        accepted = {"content_type": "text/plain", "size": 1}
        mine = self.allowed(self._ann_api.send("POST", "/files", accepted | {"name": "a..b (1).txt"}), 201).json
        folder = mine["key"].rpartition("/")[0]
        for name in _NAMES:
            answer = self._ann_api.send("POST", "/files", accepted | {"name": name})
            if answer.status == 201:  # a name that is odd, but a name
                self.without(answer.json["key"].rpartition("/")[0] != folder, answer.body)
            else:
                self.refused(answer, 400)

    @case
    def a_file_of_a_type_that_is_a_header(self) -> None:
        """Whoever opens a file gets headers of the attacker's."""
        for kind in ("text/plain\r\nX-A: b", "text/html, text/plain", "x", "", "text/plain; charset=x\nX", "*/*"):
            self.refused(self._ann_api.send("POST", "/files", {"name": "x", "content_type": kind, "size": 1}), 400)

    @case
    def a_file_of_an_impossible_size(self) -> None:
        """A user stores a terabyte at the owner's cost."""
        for size in (0, -1, 10 * 1024**2 + 1, 10**18, 1.5, "1", None, True):
            self.refused(self._ann_api.send("POST", "/files", {"name": "x", "content_type": "a/b", "size": size}), 400)


class Films(Attack):
    """The owner of the shop uploads the files of a film, whose names players follow."""

    kind = "names of files of a film"
    app = "video-app"

    @case
    def a_file_of_a_film_outside_of_its_folder(self) -> None:
        """A mistake of the owner replaces the files of another film, or makes a paid film public."""
        owner = with_secret(self, self.api(), self.outputs()["OwnerSecret"])
        needed = [{"name": name, "size": 1} for name in ("video.mp4", "poster.jpg", "hls/index.m3u8")]
        about = {"title": self.name, "price": 100, "currency": "usd", "duration": 1}
        for name in (
            "../../posters/x.jpg",
            "hls/../../x/video.mp4",
            "/x",
            "hls//x.ts",
            "HLS/x.ts",
            "x.html",
            "",
            "hls/",
        ):
            answer = owner.send("POST", "/videos", {**about, "files": [*needed, {"name": name, "size": 1}]})
            self.refused(answer, 400)
            self.expect(b"name" in answer.body, "a refusal of the name", answer)


class Pages(Attack):
    """The blog's site, its API, and its author's posts."""

    kind = "paths of the blog"
    app = "blog-app"

    @case
    def a_page_outside_of_the_site(self) -> None:
        """Everybody reads the files of the server, or the drafts of the bucket."""
        site = page.site_url(self)
        root = wire.path(site).rstrip("/")
        self.allowed(wire.ask(site, f"{root}/"))
        for before in ("/", "/posts/", "/thumbnails/", "/api/"):
            for dots in _DOTS:
                for outside in _OUTSIDE:
                    answer = wire.ask(site, f"{root}{before}{dots * 3}{outside}")
                    self.without(any(content in answer.body for content in _CONTENT), answer.body[:200])
                    self.without(answer.status >= 500, answer)

    @case
    def a_post_whose_name_is_a_path(self) -> None:
        """A mistake of the author replaces the home page."""
        author = with_secret(self, self.api(), self.outputs()["AuthorSecret"])
        for slug in ("../index", "a/b", "..", "index.html", "a%2fb", "", "a b", "A", "404.html", "x" * 300, "a\n"):
            text = {"slug": slug, "title": "x", "body_markdown": "x"}
            self.refused(author.send("POST", "/posts", text), 400)


class Servers(Attack):
    """The update servers read files of a shared file system."""

    kind = "paths of the update servers"
    app = "updates"

    @case
    def a_package_outside_of_the_folder(self) -> None:
        """Everybody reads the files of the servers: the keys that sign releases, too."""
        known = stacks.outputs(updates.stack(self.stage))
        url = known.get("SiteUrl") or f"http://{known['LoadBalancerDomain']}"
        root = wire.path(url).rstrip("/")
        self.allowed(wire.ask(url, f"{root}/releases/index.json?channel=stable"), 200, 404)
        for before in ("/packages/", "/metadata/", "/releases/", "/"):
            for dots in _DOTS:
                for outside in (*_OUTSIDE, "keys/root.pem", "releases/stable.json"):
                    answer = wire.ask(url, f"{root}{before}{dots * 4}{outside}")
                    self.without(any(content in answer.body for content in (*_CONTENT, b"PRIVATE")), answer.body[:200])
                    self.without(answer.status >= 500, answer)

    @case
    def a_channel_that_is_a_path(self) -> None:
        """Everybody reads the files of the servers."""
        known = stacks.outputs(updates.stack(self.stage))
        url = known.get("SiteUrl") or f"http://{known['LoadBalancerDomain']}"
        root = wire.path(url).rstrip("/")
        for channel in ("../metadata/root", "..%2fmetadata%2froot", "/etc/passwd", "stable%00", "stable/../stable", ""):
            self.refused(wire.ask(url, f"{root}/releases/index.json?channel={channel}"), 400, 404)


class Reports(Attack):
    """Readers of the reports choose a name and a period."""

    kind = "paths of reports"
    app = "pipeline-app"

    @case
    def a_report_that_is_a_path(self) -> None:
        """A reader reads other objects of the bucket, or runs SQL of theirs."""
        for name in ("..%2fruns", "hourly%2f..%2fquality", "%2e%2e", "hourly'%20OR%201=1--", "hourly%00", "*"):
            for way in (f"/reports/{name}?period=2026-01-01", f"/reports/{name}/download?period=2026-01-01"):
                self.refused(self._reader.get(way), 400, 404)

    @case
    def a_period_that_is_a_path_or_SQL(self) -> None:
        """A reader reads other objects of the bucket, or runs SQL of theirs."""
        for period in ("..", "2026-01-01/../x", "2026-01-01'%20OR%20'1'='1", "2026-01-01%0a", "9999-99-99", "x" * 500):
            for way in (f"/reports/hourly?period={period}", f"/reports/hourly/download?period={period}"):
                self.refused(self._reader.get(way), 400, 404)

    @cached_property
    def _reader(self) -> Api:
        if "UserPoolId" not in self.outputs():
            return Api(self.http, self.api())
        reader = sign_in(self, "reader").api(self.api())
        self.allowed(reader.get("/reports"))
        return reader
