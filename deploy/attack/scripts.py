"""Text that becomes a script, a header or a formula where somebody else sees it."""

from __future__ import annotations

import re
from functools import cached_property
from html.parser import HTMLParser

from deploy.attack.case import Attack, case
from deploy.attack.payloads import SCRIPTS
from deploy.verify import page
from deploy.verify.blog import Blog
from deploy.verify.requests import Answer, Api

_OURS = re.compile(r"(?!//)[\w./?=&#%-]+")
_SCHEME = re.compile(r"[\x00-\x20]*(javascript|vbscript|data):", re.IGNORECASE)


class _Reader(HTMLParser):
    """Collects what a page must not have if all of its text is text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        source = values.get("src", "")
        if tag in ("iframe", "object", "embed", "base", "style", "math"):
            self.found.append(f"<{tag}>")
        if tag == "script" and not (source and _OURS.fullmatch(source)) and values.get("type") != "application/ld+json":
            self.found.append(f"<script src={source!r}>")
        for name, value in values.items():
            if re.fullmatch(r"on[a-z]+|srcdoc|formaction|style", name):
                self.found.append(f"{tag} {name}={value[:50]}")
            if name in ("href", "src", "action", "xlink:href") and _SCHEME.match(value):
                self.found.append(f"{tag} {name}={value[:50]}")


def faults(html: str) -> list[str]:
    """Return the scripts in a page that are not its own files."""
    reader = _Reader()
    reader.feed(html)
    return reader.found


class Scripts(Attack, Blog):
    """An author's text, or a reader's address, is shown to every reader."""

    kind = "scripts"
    app = "blog-app"

    @case
    def a_script_in_each_field_of_a_post(self) -> None:
        """A text that somebody sends to the author runs in every reader's browser."""
        post = f"/posts/{self._post}/"
        self.until(lambda: self._get(post), lambda answer: answer.status == 200, "the post")
        for path in (post, "/", "/feed.xml", f"/tags/{self._tag}/"):
            answer = self._get(path)
            self.without(faults(answer.body.decode()), f"{path}: {faults(answer.body.decode())}")

    @case
    def a_script_in_an_answer_of_the_API(self) -> None:
        """A link to the API runs a script on the site."""
        for path in ("/api/posts/", "/api/photos/", "/api/unsubscribe/", "/api/"):
            for script in ("%3Cscript%3Ealert(1)%3C/script%3E", "%3Csvg%20onload=alert(1)%3E"):
                self._harmless(self._get(f"{path}{script}"))
                self._harmless(self._get(f"{path}x?tag={script}&limit={script}&cursor={script}"))

    @case
    def a_script_in_a_page_that_is_missing(self) -> None:
        """A link to the site runs a script on it."""
        for path in ("/", "/posts/", "/thumbnails/", "/tags/"):
            for script in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"):
                self._harmless(self._get(f"{path}{script}"))

    @case
    def pages_that_allow_scripts_of_others(self) -> None:
        """One mistake in one field is enough: the browser runs what it finds."""
        for path in ("/", f"/posts/{self._post}/", "/404.html"):
            answer = self._get(path)
            policy = answer.headers.get("Content-Security-Policy", "")
            self.without("script-src" not in policy and "default-src 'none'" not in policy, f"{path}: {policy!r}")
            self.without(re.search(r"script-src[^;]*(unsafe|\*|data:|http:)", policy), f"{path}: {policy}")
            self.without("frame-ancestors 'none'" not in policy, f"{path}: {policy}")
            self.without(answer.headers.get("X-Content-Type-Options") != "nosniff", dict(answer.headers))

    @case
    def a_line_end_in_an_address_of_a_subscriber(self) -> None:
        """The attacker sends mails of theirs by the blog's address (header injection)."""
        reader = Api(self.http, f"{page.site_url(self)}/api")
        for email in (
            *(
                "a@b.example\r\nBcc: c@d.example",
                "a@b.example\nSubject: x",
                "a@b.example,c@d.example",
                "a@b.example;c@d.e",
            ),
            *(
                '"a\r\nBcc: x"@b.example',
                "A <a@b.example>",
                "a@b.example\0",
                "a@b.example%0aBcc:x@y.example",
                "@",
                "a@",
            ),
        ):
            self.refused(reader.send("POST", "/subscribers", {"email": email}), 400)

    @case
    def a_link_that_leads_elsewhere(self) -> None:
        """A link to the blog leads to the attacker's site (open redirect)."""
        for target in (
            "//attacker.example",
            "https:%2f%2fattacker.example",
            "%2f%2fattacker.example",
            "\\attacker.example",
        ):
            for path in ("/", "/api/unsubscribe/", "/posts/"):
                answer = self._get(f"{path}{target}")
                place = answer.headers.get("Location", "")
                outside = re.match(r"(https?:)?[/\\]{2}(?!%)", place) and "attacker.example" in place.partition("?")[0]
                self.without(outside and "attacker.example" in place[:40], place)

    @cached_property
    def _tag(self) -> str:
        return "attack"

    @cached_property
    def _post(self) -> str:
        """A post with scripts in each of its fields."""
        self.remove_later(f"post {self.name}", self._remove_post)
        body = "\n\n".join(script for script in SCRIPTS if "\x01" not in script)  # which the API refuses
        title = "".join(SCRIPTS[:3])[:150]
        text = {"slug": self.name, "title": title, "body_markdown": body, "published_at": "1970-01-01T00:00:00Z"}
        self.allowed(self._author().send("POST", "/posts", {**text, "tags": [self._tag]}), 201)
        self.until(self._page_is_stored, bool, "a page in the site's bucket")
        return self.name

    def _harmless(self, answer: Answer) -> None:
        kind = answer.headers.get("Content-Type", "")
        found = faults(answer.body.decode(errors="replace")) if "html" in kind or "xml" in kind or not kind else []
        self.without(found, f"{answer.request}: {found}")
        sniffed = "html" not in kind and "json" not in kind and answer.body[:1] == b"<" and "xml" not in kind
        self.without(sniffed, f"{kind}: {answer}")
