"""Publish releases to the folder that the update servers read: package first, signed metadata next, index last.

    python -m updates.publish create FOLDER --root-key root.pem --key secretsmanager:updates-signing-key
    python -m updates.publish release FOLDER app-1.2.0.bin --version 1.2.0 --key secretsmanager:updates-signing-key
    python -m updates.publish refresh FOLDER --key secretsmanager:updates-signing-key
    python -m updates.publish renew FOLDER --root-key root.pem

Releases are signed as The Update Framework specifies (https://theupdateframework.github.io/specification/latest/). The
root key is kept offline and signs which key signs releases. The release key signs the list of packages with their
hashes, a snapshot of it, and a timestamp that expires soon. A key is a PEM file or a secret in Secrets Manager.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

CHANNEL = re.compile(r"[a-z][a-z0-9-]{0,30}")
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,100}")

LASTS = {
    Root.type: timedelta(days=365),
    Targets.type: timedelta(days=90),
    Snapshot.type: timedelta(days=90),
    Timestamp.type: timedelta(days=7),
}
"""How long each kind of metadata is valid. `refresh` signs it again, except the root, which only `renew` signs."""

ROOT_IS_DUE = timedelta(days=60)
"""How long before the expiry of the root `refresh` starts to warn, since the root key is offline."""


class NotPublished(Exception):
    """Nothing was changed; the message says why."""


class Repository:
    """The releases in *folder*, signed by *key*. A lock excludes other writers; readers see only complete files."""

    def __init__(self, folder: Path, key: Signer, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._folder = folder
        self._key = key
        self._clock = clock

    def create(self, root_key: Signer) -> None:
        """Create an empty repository. Raises NotPublished if there is one already."""
        for name in ("packages", "metadata", "releases", "incoming"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self._path(Root.type, 1).exists():
                raise NotPublished(f"{self._folder} already has releases")
            root = Root(consistent_snapshot=True)
            root.add_key(root_key.public_key, Root.type)
            for role in (Targets.type, Snapshot.type, Timestamp.type):
                root.add_key(self._key.public_key, role)
            self._sign(root, root_key)
            self._put(Targets())

    def rotate(self, root_key: Signer) -> None:
        """Make this repository's key the only one that signs releases, and renew the root.

        Raises NotPublished for another root key.
        """
        with self._locked():
            root = self._root()
            for role in (Targets.type, Snapshot.type, Timestamp.type):
                for keyid in list(root.roles[role].keyids):
                    root.revoke_key(keyid, role)
                root.add_key(self._key.public_key, role)
            self._sign_next(root, root_key)
            self._put(self._targets())

    def renew(self, root_key: Signer) -> None:
        """Sign the root again with the same keys and a new expiry. Raises NotPublished for another root key."""
        with self._locked():
            self._sign_next(self._root(), root_key)

    def root_expires(self) -> datetime:
        """Return the time at which clients stop updating unless the root is renewed."""
        return self._root().expires

    def release(
        self, file: Path, version: str, channel: str = "stable", waves: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Publish *file* under its own name and return the release as the index shows it.

        Publishing the same file again changes only the waves, if any are given. Raises NotPublished if the name or the
        version belongs to another package, because caches keep a published package.
        """
        for value, allowed in ((file.name, PACKAGE), (channel, CHANNEL)):
            if not allowed.fullmatch(value):
                raise NotPublished(f"{value}: must match {allowed.pattern}")
        with self._locked():
            targets = self._targets()
            path = f"packages/{file.name}"
            for other, target in targets.targets.items():
                if (other == path) != (_is(target, version, channel)):
                    raise NotPublished(f"{file.name}: the name or version {version} belongs to another release")
            target = TargetFile.from_file(path, str(file), ["sha256"])
            self._put_package(file, target)
            custom = (targets.targets.get(path) or target).custom or {
                "version": version,
                "channel": channel,
                "published_at": self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "waves": [],
            }
            target.unrecognized_fields["custom"] = custom | ({"waves": waves} if waves else {})
            targets.targets[path] = target
            self._put(targets)
            return _shown(target)

    def withdraw(self, version: str, channel: str = "stable") -> None:
        """Stop offering a release. Its package stays for downloads in progress. Raises NotPublished without one."""
        with self._locked():
            targets = self._targets()
            found = [path for path, target in targets.targets.items() if _is(target, version, channel)]
            if not found:
                raise NotPublished(f"there is no {version} in {channel}")
            for path in found:
                del targets.targets[path]
            self._put(targets, {channel})

    def refresh(self) -> None:
        """Sign all that the release key signs again, with a new expiry."""
        with self._locked():
            self._put(self._targets())

    def _root(self) -> Root:
        versions = [int(path.name.partition(".")[0]) for path in self._folder.glob("metadata/*.root.json")]
        return Metadata[Root].from_file(str(self._path(Root.type, max(versions)))).signed

    def _sign_next(self, root: Root, root_key: Signer) -> None:
        """Sign the next version of *root*. Clients accept a new root only if the previous one names its key."""
        if root_key.public_key.keyid not in root.roles[Root.type].keyids:
            raise NotPublished("the root key is not the root key of this repository")
        root.version += 1
        self._sign(root, root_key)

    def _targets(self) -> Targets:
        timestamp = Metadata[Timestamp].from_file(str(self._path(Timestamp.type, 0))).signed
        snapshot = Metadata[Snapshot].from_file(str(self._path(Snapshot.type, timestamp.snapshot_meta.version))).signed
        version = snapshot.meta["targets.json"].version
        return Metadata[Targets].from_file(str(self._path(Targets.type, version))).signed

    def _put(self, targets: Targets, emptied: set[str] | None = None) -> None:
        """Sign *targets*, the snapshot and the timestamp, then write the indexes for clients that do not verify."""
        first = not self._path(Timestamp.type, 0).exists()
        targets.version += 0 if first else 1
        self._sign(targets, self._key)
        # All three have the same version, because each publication signs all of them.
        snapshot = Snapshot(version=targets.version, meta={"targets.json": MetaFile(targets.version)})
        self._sign(snapshot, self._key)
        self._sign(Timestamp(version=targets.version, snapshot_meta=MetaFile(targets.version)), self._key)
        shown = [_shown(target) for target in targets.targets.values()]
        for channel in {release["channel"] for release in shown} | (emptied or set()):
            releases = sorted(
                (release for release in shown if release["channel"] == channel),
                key=lambda release: str(release["published_at"]),
                reverse=True,
            )
            content = json.dumps({"releases": releases}, indent=1).encode() + b"\n"
            self._write(self._folder / "releases" / f"{channel}.json", content)

    def _sign(self, signed: Root | Targets | Snapshot | Timestamp, key: Signer) -> None:
        signed.expires = (self._clock() + LASTS[signed.type]).replace(microsecond=0)
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(key)
        self._write(self._path(signed.type, signed.version), metadata.to_bytes())

    def _path(self, role: str, version: int) -> Path:
        """Return the path of a metadata file. Only the timestamp has no version in its name."""
        return self._folder / "metadata" / (f"{role}.json" if role == Timestamp.type else f"{version}.{role}.json")

    def _put_package(self, file: Path, target: TargetFile) -> None:
        place = self._folder / target.path
        if place.exists():
            with place.open("rb") as existing:
                if hashlib.file_digest(existing, "sha256").hexdigest() != target.hashes["sha256"]:
                    raise NotPublished(f"{file.name} is already the name of another package; choose another name")
            return
        draft = self._folder / "incoming" / file.name
        shutil.copyfile(file, draft)
        _settle(draft, place)

    def _write(self, place: Path, content: bytes) -> None:
        draft = self._folder / "incoming" / place.name
        draft.write_bytes(content)
        _settle(draft, place)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "incoming" / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _settle(draft: Path, place: Path) -> None:
    """Flush *draft* to disk and replace *place* with it in one step."""
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.chmod(0o644)
    draft.replace(place)


def _is(target: TargetFile, version: str, channel: str) -> bool:
    custom = target.custom or {}
    return (custom.get("version"), custom.get("channel")) == (version, channel)


def _shown(target: TargetFile) -> dict[str, Any]:
    custom = target.custom or {}
    return {
        "version": custom["version"],
        "channel": custom["channel"],
        "url": f"/{target.path}",
        "size": target.length,
        "sha256": target.hashes["sha256"],
        "published_at": custom["published_at"],
    }


def key(source: str) -> CryptoSigner:
    """Return the private key in a PEM file, or in a secret: `secretsmanager:NAME`."""
    if source.startswith("secretsmanager:"):
        import boto3

        secrets = boto3.client("secretsmanager")
        pem = secrets.get_secret_value(SecretId=source.partition(":")[2])["SecretString"].encode()
    else:
        pem = Path(source).read_bytes()
    return CryptoSigner(load_pem_private_key(pem, None))


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m updates.publish", description="Publish releases.")
    commands = parser.add_subparsers(dest="command", required=True)
    names = ("create", "rotate", "renew", "release", "withdraw", "refresh")
    parsers = {name: commands.add_parser(name) for name in names}
    for name, each in parsers.items():
        each.add_argument("folder", type=Path)
        if name != "renew":
            each.add_argument("--key", required=True, help="PEM file, or secretsmanager:NAME")
    for name in ("create", "rotate", "renew"):
        parsers[name].add_argument("--root-key", required=True, help="PEM file, or secretsmanager:NAME")
    parsers["release"].add_argument("file", type=Path)
    parsers["release"].add_argument(
        "--wave", action="append", default=[], metavar="TIME=PERCENT", help="e.g. 2030-01-31T09:00:00Z=10"
    )
    for name in ("release", "withdraw"):
        parsers[name].add_argument("--version", required=True)
        parsers[name].add_argument("--channel", default="stable")
    arguments = parser.parse_args()
    try:
        # renew needs only the root key, so the release key need not be on that machine.
        signer = key(arguments.root_key if arguments.command == "renew" else arguments.key)
        return _run(Repository(arguments.folder, signer), arguments)
    except (NotPublished, OSError, ValueError) as error:
        return str(error)


def _run(repository: Repository, arguments: argparse.Namespace) -> str | None:
    match arguments.command:
        case "create":
            repository.create(key(arguments.root_key))
        case "rotate":
            repository.rotate(key(arguments.root_key))
        case "renew":
            repository.renew(key(arguments.root_key))
        case "release":
            waves = [_wave(text) for text in arguments.wave]
            print(json.dumps(repository.release(arguments.file, arguments.version, arguments.channel, waves)))
        case "withdraw":
            repository.withdraw(arguments.version, arguments.channel)
        case "refresh":
            repository.refresh()
            return _root_is_due(repository.root_expires() - datetime.now(UTC))
    return None


def _root_is_due(left: timedelta) -> str | None:
    """Warn if the root expires soon; return an error message if it has expired."""
    if left <= timedelta():
        return "the root has expired and clients no longer update: run renew with the root key"
    if left <= ROOT_IS_DUE:
        print(f"the root expires in {left.days} days: run renew with the root key", file=sys.stderr)
    return None


def _wave(text: str) -> dict[str, Any]:
    starts_at, _, percent = text.partition("=")
    if datetime.fromisoformat(starts_at).tzinfo is None:
        raise ValueError(f"{starts_at}: needs an offset, as in 2030-01-31T09:00:00Z")
    return {"starts_at": starts_at, "percent": int(percent)}


if __name__ == "__main__":
    sys.exit(main())
