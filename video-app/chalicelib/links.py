"""Signed links, which open a video for some minutes to who holds them. Knows no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Literal, Protocol

from msgspec import Struct

from chalicelib.entitlements import Entitlements
from chalicelib.videos import MP4, PLAYLIST, Catalogue, Record, key, public, timestamp
from common.errors import InvalidInput, NotFound


class LinkQuery(Struct):
    """To what a link is bound: to nothing, or to the caller's IPv4 ``address``."""

    bind: Literal["address"] | None = None


class Link(Struct, frozen=True):
    """Where the MP4 is until ``expires_at`` (ISO 8601 in UTC)."""

    url: str
    expires_at: str


class Session(Struct, frozen=True):
    """Where the HLS playlist is, and until when the cookies open it and all that it names."""

    playlist: str
    expires_at: str


class Opened(Struct, frozen=True):
    """A session with its *cookies*, by name, for what is below *path*."""

    session: Session
    cookies: dict[str, str]
    path: str


class Signer(Protocol):
    """What signs for the edge: `common.cloudfront.UrlSigner`."""

    def url(self, url: str, expires: int, *, source: str | None = None) -> str:
        """Return the URL signed, good until *expires* and, if it is given, from the address *source* only."""

    def cookies(self, resource: str, expires: int) -> dict[str, str]:
        """Return cookies that open *resource*, where ``*`` stands for any characters, until *expires*."""


class Links:
    """Gives those who may watch links of *life* seconds to the videos at *site*, a URL without a slash at its end."""

    def __init__(
        self,
        catalogue: Catalogue,
        entitlements: Entitlements,
        signer: Callable[[], Signer],
        site: str,
        life: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalogue = catalogue
        self._entitlements = entitlements
        self._signer = signer
        self._site = site
        self._life = life
        self._now = now

    def link(self, user: str, video_id: str, query: LinkQuery, address: str) -> Link:
        """Return a link to the MP4, bound as *query* says; *address* is the caller's.

        Raises NotFound, NotEntitled, and InvalidInput for an address to bind to that is not IPv4: CloudFront's policies
        know no other.
        """
        source = _ipv4(address) if query.bind else None
        record = self._catalogue.record(video_id)
        expires = self._expiry(user, record)
        url = self._signer().url(f"{self._site}/{key(record.id, MP4)}", expires, source=source)
        return Link(url, timestamp(expires))

    def session(self, user: str, video_id: str) -> Opened:
        """Return cookies that open all files of the video.

        Raises NotFound, also for a video without HLS, and NotEntitled.
        """
        record = self._catalogue.record(video_id)
        expires = self._expiry(user, record)
        if not record.streams:
            raise NotFound(f"video {record.id} has no HLS")
        folder = f"/{key(record.id, '')}"
        cookies = self._signer().cookies(f"{self._site}{folder}*", expires)
        return Opened(Session(self._site + folder + PLAYLIST, timestamp(expires)), cookies, folder)

    def _expiry(self, user: str, record: Record) -> int:
        """No link outlives what entitles to it, as far as that is known."""
        access = self._entitlements.access(user, public(record))
        expires = int(self._now().timestamp()) + self._life
        return expires if access.until is None else min(expires, access.until)


def _ipv4(address: str) -> str:
    try:
        return str(IPv4Address(address))
    except ValueError as error:
        raise InvalidInput("bind: only an IPv4 address can be bound to, and this request came from another") from error
