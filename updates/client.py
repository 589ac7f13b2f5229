"""A client that installs only what the publisher signed, whatever caches and servers are in between.

    python -m updates.client URL --root root.json --folder FOLDER

The client is shipped with root metadata. From there it follows The Update Framework to the newest list of packages. It
refuses an older list (rollback) and an expired list (freeze), and installs a package only if its size and hash are the
signed ones. It resumes an interrupted download, but only of the same version.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3
from tuf.api.exceptions import DownloadError, LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import Updater

CHUNK = 1 << 18
ATTEMPTS = 5


class NotUpdated(Exception):
    """Nothing was installed; the message says why."""


@dataclass(frozen=True)
class Release:
    version: str
    published_at: str
    waves: tuple[dict[str, Any], ...]
    package: TargetFile

    def is_out_for(self, client: str, now: datetime) -> bool:
        """Return whether a wave that has started includes *client*. A release without waves is out for all clients.

        A hash of the client's name and the version determines its place among the waves.
        """
        if not self.waves:
            return True
        digest = hashlib.sha256(f"{client} {self.version}".encode()).digest()
        place = int.from_bytes(digest[:8]) % 100
        return any(place < wave["percent"] and datetime.fromisoformat(wave["starts_at"]) <= now for wave in self.waves)


class Client:
    """The client *name* of the update server at *url*; *folder* has its metadata, downloads and installation."""

    def __init__(
        self,
        url: str,
        folder: Path,
        root: bytes,
        *,
        channel: str = "stable",
        name: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = url.rstrip("/")
        self._folder = folder
        self._root = root
        self._channel = channel
        self._name = name
        self._clock = clock
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=30))

    def update(self) -> Path | None:
        """Install the newest release that is out for this client; return its path, or None if none is newer.

        Raises NotUpdated.
        """
        release = self.check()
        if release is None:
            return None
        package = self.download(release)
        installed = self._folder / "installed" / Path(release.package.path).name
        installed.parent.mkdir(exist_ok=True)
        package.replace(installed)
        note = self._folder / "installed.json.draft"
        note.write_text(json.dumps({"version": release.version, "published_at": release.published_at}))
        note.replace(self._folder / "installed.json")
        return installed

    def check(self) -> Release | None:
        """Return the newest release that is out for this client if it is newer than the installed one."""
        has = self.installed()
        newer = [
            release
            for release in self._releases()
            if release.published_at > has.get("published_at", "") and release.is_out_for(self._name, self._clock())
        ]
        return max(newer, key=lambda release: release.published_at, default=None)

    def installed(self) -> dict[str, str]:
        """Return `version` and `published_at` of the installed release, or an empty dictionary."""
        try:
            note: dict[str, str] = json.loads((self._folder / "installed.json").read_text())
        except FileNotFoundError:
            return {}
        return note

    def download(self, release: Release) -> Path:
        """Return the release's package, verified. Raises NotUpdated."""
        part = self._folder / (Path(release.package.path).name + ".part")
        for attempt in range(ATTEMPTS):
            try:
                self._fetch(release.package, part)
                with part.open("rb") as content:
                    release.package.verify_length_and_hashes(content)
                return part
            except LengthOrHashMismatchError as error:
                part.unlink()
                raise NotUpdated(f"{release.package.path} is not the signed package: {error}") from error
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if attempt == ATTEMPTS - 1:
                    raise NotUpdated(f"{release.package.path}: {error}") from error
                time.sleep(random.uniform(0, 2**attempt / 4))  # noqa: S311  # spreads the fleet, not a secret
        raise AssertionError

    def _releases(self) -> Iterable[Release]:
        trusted = self._folder / "trusted"
        trusted.mkdir(parents=True, exist_ok=True)
        try:
            updater = Updater(str(trusted), f"{self._url}/metadata/", bootstrap=self._root)
            updater.refresh()
        except (DownloadError, RepositoryError) as error:
            raise NotUpdated(f"the list of releases cannot be trusted: {error}") from error
        # The file was verified just now. The updater itself returns single targets by path, but no list.
        targets = Metadata[Targets].from_file(str(trusted / "targets.json")).signed
        for package in targets.targets.values():
            custom = package.custom or {}
            if custom.get("channel") == self._channel:
                yield Release(custom["version"], custom["published_at"], tuple(custom["waves"]), package)

    def _fetch(self, package: TargetFile, part: Path) -> None:
        """Download into *part*; resume it if the server still has the version of which it is a part."""
        tag = part.with_suffix(".etag")
        have = part.stat().st_size if part.exists() else 0
        if have == package.length:
            return
        headers = {}
        if have and tag.exists():
            headers = {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
        answer = self._http.request("GET", f"{self._url}/{package.path}", headers=headers, preload_content=False)
        try:
            if answer.status not in (200, 206):
                part.unlink(missing_ok=True)  # the part may be longer than the package
                raise OSError(f"the server answers {answer.status}")
            tag.write_text(answer.headers.get("etag", ""))
            with part.open("ab" if answer.status == 206 else "wb") as content:
                while content.tell() <= package.length and (chunk := answer.read(CHUNK, decode_content=False)):
                    content.write(chunk)
        finally:
            answer.close()


def own_name(folder: Path) -> str:
    """Return the name of the client in *folder*; generate it on the first run. It determines the client's waves."""
    place = folder / "name"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / "name.draft"
        draft.write_text(f"{random.getrandbits(64):x}")
        draft.replace(place)
    return place.read_text()


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m updates.client", description="Update to the newest release.")
    parser.add_argument("url")
    parser.add_argument("--root", type=Path, required=True, help="the publisher's 1.root.json")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--channel", default="stable")
    parser.add_argument("--name", help="determines the client's waves; default: a name stored in the folder")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="keep running and update about this often")
    arguments = parser.parse_args()
    client = Client(
        arguments.url,
        arguments.folder,
        arguments.root.read_bytes(),
        channel=arguments.channel,
        name=arguments.name or own_name(arguments.folder),
    )
    while True:
        try:
            print(client.update() or "no newer release", flush=True)
        except NotUpdated as error:
            if not arguments.every:
                return str(error)
            print(error, file=sys.stderr, flush=True)
        if not arguments.every:
            return None
        time.sleep(arguments.every * random.uniform(0.5, 1.5))  # noqa: S311  # spreads the fleet, not a secret


if __name__ == "__main__":
    sys.exit(main())
