"""Signed links, which open a video for some minutes. Imports no AWS and no HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Literal, Protocol

from msgspec import Struct

from chalicelib.entitlements import Entitlements
from chalicelib.videos import MP4, PLAYLIST, Catalogue, StoredVideo, key, public
from common.errors import InvalidInput, NotFound
from common.times import iso_of_epoch


class LinkQuery(Struct):
    """Whether a link works only from the caller's IPv4 ``address``."""

    bind: Literal["address"] | None = None


class Link(Struct, frozen=True):
    """The URL of the MP4, valid until ``expires_at`` (ISO 8601 in UTC)."""

    url: str
    expires_at: str


class Session(Struct, frozen=True):
    """The URL of the HLS playlist. The cookies open it and its files until ``expires_at`` (ISO 8601 in UTC)."""

    playlist: str
    expires_at: str


class Opened(Struct, frozen=True):
    """A session with its *cookies*, by name, for all URLs below *path*."""

    session: Session
    cookies: dict[str, str]
    path: str


class Signer(Protocol):
    """Signs for CloudFront, for example `common.cloudfront.UrlSigner`."""

    def url(self, url: str, expires: int, *, source: str | None = None) -> str:
        """Return the URL signed, valid until *expires* and, if given, only from the address *source*."""

    def cookies(self, resource: str, expires: int) -> dict[str, str]:
        """Return cookies that open *resource*, where ``*`` matches any characters, until *expires*."""


class Links:
    """Creates links, valid for *life* seconds, to videos at *site*, a URL without a trailing slash."""

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
        """Return a link to the MP4, bound to the caller's *address* if *query* says so.

        Raises NotFound, NotEntitled, and InvalidInput for a bound address that is not IPv4: CloudFront's policies
        support no other.
        """
        source = _ipv4(address) if query.bind else None
        video = self._catalogue.stored(video_id)
        expires = self._expiry(user, video)
        url = self._signer().url(f"{self._site}/{key(video.id, MP4)}", expires, source=source)
        return Link(url, iso_of_epoch(expires))

    def session(self, user: str, video_id: str) -> Opened:
        """Return cookies that open all files of the video.

        Raises NotFound, also for a video without HLS, and NotEntitled.
        """
        video = self._catalogue.stored(video_id)
        expires = self._expiry(user, video)
        if not video.streams:
            raise NotFound(f"video {video.id} has no HLS")
        folder = f"/{key(video.id, '')}"
        cookies = self._signer().cookies(f"{self._site}{folder}*", expires)
        return Opened(Session(self._site + folder + PLAYLIST, iso_of_epoch(expires)), cookies, folder)

    def _expiry(self, user: str, video: StoredVideo) -> int:
        """Return when a link expires: not after the entitlement ends."""
        access = self._entitlements.access(user, public(video))
        expires = int(self._now().timestamp()) + self._life
        return expires if access.until is None else min(expires, access.until)


def _ipv4(address: str) -> str:
    try:
        return str(IPv4Address(address))
    except ValueError as error:
        raise InvalidInput("bind: only an IPv4 address is supported, and this request came from another") from error
