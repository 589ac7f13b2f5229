"""A client that installs only what the publisher signed, whatever caches and servers are in between.

    python -m updates.client URL --root root.json --folder FOLDER

The client is shipped with root metadata. From there it follows The Update Framework to the newest list of packages. It
refuses an older list (rollback) and an expired list (freeze), and installs a package only if its size and hash are the
signed ones. It resumes an interrupted download, but only of the same version.

A power cut or a full disk can leave any of the client's files empty, cut or absent. The client then downloads again
what it needs, or says in one line what to do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3
from tuf.api.exceptions import DownloadError, LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import Updater

from updates.files import settle, write

CHUNK = 1 << 18
ATTEMPTS = 5

_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]*"')
"""An ETag that If-Range may have (RFC 9110, section 13.1.5)."""

_NAME = re.compile(rb"[0-9a-f]{1,16}")


class NotUpdated(Exception):
    """Nothing was installed; the message says why."""


@dataclass(frozen=True)
class Release:
    version: str
    sequence: int
    published_at: str
    waves: tuple[dict[str, Any], ...]
    package: TargetFile

    @property
    def place(self) -> tuple[int, str]:
        """A key that sorts releases from the first to the last (`publish.place_in_time`)."""
        return self.sequence, self.published_at

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
        package = self._place_of(release)
        try:
            if not _is_signed(package, release.package):  # it may be there, and only its note is lost
                package.parent.mkdir(exist_ok=True)
                settle(self.download(release), package)
            note = {
                "version": release.version,
                "sequence": release.sequence,
                "published_at": release.published_at,
                "package": package.name,
                "sha256": release.package.hashes["sha256"],
            }
            write(self._folder / "installed.json", json.dumps(note).encode())
        except OSError as error:
            raise NotUpdated(f"{self._folder}: {error.strerror or error}") from error
        return package

    def check(self) -> Release | None:
        """Return the newest release that is out for this client, or None if it is installed and intact.

        Raises NotUpdated.
        """
        note = self.installed()
        is_intact = self._is_intact(note)
        place = (note.get("sequence", 0), note.get("published_at", ""))
        newer = [
            release
            for release in self._releases()
            if (release.place > place or (release.place == place and not is_intact))
            and release.is_out_for(self._name, self._clock())
        ]
        if not newer and not is_intact:
            raise NotUpdated(
                f"the package of {note['version']} is damaged and no longer offered: wait for the next release, or "
                f"remove {self._folder / 'installed.json'} to install the newest one that is offered"
            )
        return max(newer, key=lambda release: release.place, default=None)

    def installed(self) -> dict[str, Any]:
        """Return the note of the installed release, with `version` and `published_at`, or an empty dictionary.

        Without a note that can be read, nothing counts as installed. So the newest release is installed again.
        """
        try:
            note = json.loads((self._folder / "installed.json").read_bytes())
        except (OSError, ValueError):
            return {}
        types = {"version": str, "sequence": int, "published_at": str, "package": str, "sha256": str}
        required = {"version", "published_at"}  # notes of earlier programs have only these
        is_note = isinstance(note, dict) and required <= note.keys()
        return note if is_note and all(isinstance(note.get(name, kind()), kind) for name, kind in types.items()) else {}

    def _is_intact(self, note: Mapping[str, Any]) -> bool:
        """Return whether the installed package has the bytes that were installed, as far as its note says."""
        if "package" not in note or "sha256" not in note:
            return True
        found = _sha256(self._folder / "installed" / Path(note["package"]).name)
        return found is not None and found == str(note["sha256"])

    def _place_of(self, release: Release) -> Path:
        return self._folder / "installed" / Path(release.package.path).name

    def download(self, release: Release) -> Path:
        """Return the release's package, verified. Raises NotUpdated."""
        part = self._folder / (Path(release.package.path).name + ".part")
        for attempt in range(ATTEMPTS):
            is_resumed = part.exists()
            try:
                self._fetch(release.package, part)
                with part.open("rb") as content:
                    release.package.verify_length_and_hashes(content)
                return part
            except LengthOrHashMismatchError as error:
                part.unlink()
                if not is_resumed:  # a part that a crash damaged is downloaded again
                    raise NotUpdated(f"{release.package.path} is not the signed package: {error}") from error
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if attempt == ATTEMPTS - 1:
                    raise NotUpdated(f"{release.package.path}: {error}") from error
                time.sleep(random.uniform(0, 2**attempt / 4))  # noqa: S311  # spreads the fleet, not a secret
        raise NotUpdated(f"{release.package.path}: {ATTEMPTS} downloads gave other bytes than the signed ones")

    def _releases(self) -> Iterable[Release]:
        trusted = self._folder / "trusted"
        try:
            trusted.mkdir(parents=True, exist_ok=True)
            updater = Updater(str(trusted), f"{self._url}/metadata/", bootstrap=self._root)
            updater.refresh()
        except (DownloadError, RepositoryError) as error:
            raise NotUpdated(f"the list of releases cannot be trusted: {error}") from error
        except OSError as error:
            raise NotUpdated(f"{trusted}: {error.strerror or error}") from error
        # The file was verified just now. The updater itself returns single targets by path, but no list.
        targets = Metadata[Targets].from_file(str(trusted / "targets.json")).signed
        for package in targets.targets.values():
            custom = package.custom or {}
            if custom.get("channel") == self._channel:
                sequence = custom.get("sequence", 0)  # releases of earlier programs have none
                yield Release(custom["version"], sequence, custom["published_at"], tuple(custom["waves"]), package)

    def _fetch(self, package: TargetFile, part: Path) -> None:
        """Download into *part*; resume it if the server still has the version of which it is a part."""
        tag = part.with_suffix(".etag")
        have = part.stat().st_size if part.exists() else 0
        if have == package.length:
            return
        headers = {}
        if have and tag.exists() and (etag := _STRONG_TAG.fullmatch(tag.read_bytes().decode("latin-1"))):
            headers = {"Range": f"bytes={have}-", "If-Range": etag[0]}
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


def _is_signed(file: Path, package: TargetFile) -> bool:
    try:
        with file.open("rb") as content:
            package.verify_length_and_hashes(content)
    except (FileNotFoundError, LengthOrHashMismatchError):
        return False
    return True


def _sha256(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def own_name(folder: Path) -> str:
    """Return the name of the client in *folder*; generate it on the first run. It determines the client's waves."""
    place = folder / "name"
    if not place.exists() or not _NAME.fullmatch(place.read_bytes()):
        folder.mkdir(parents=True, exist_ok=True)
        write(place, b"%016x" % random.getrandbits(64))
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
    try:
        root = arguments.root.read_bytes()
        name = arguments.name or own_name(arguments.folder)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    client = Client(arguments.url, arguments.folder, root, channel=arguments.channel, name=name)
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
