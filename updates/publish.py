"""Publish releases to a folder that update servers read: package first, signed metadata next, index last.

This is the tool for a folder. For a deployed stage use `make publish`, whose function does the same to the file system.

    python -m updates.publish create FOLDER --root-key root.pem --key key.pem
    python -m updates.publish release FOLDER app-1.2.0.bin --version 1.2.0 --key key.pem
    python -m updates.publish refresh FOLDER --key key.pem
    python -m updates.publish renew FOLDER --root-key root.pem

Releases are signed as The Update Framework specifies (https://theupdateframework.github.io/specification/latest/). The
root key is kept offline and signs which key signs releases. The release key signs the list of packages with their
hashes, a snapshot of it, and a timestamp that expires soon. A key is a PEM file or a secret in Secrets Manager.
"""

from __future__ import annotations

import argparse
import copy
import fcntl
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, Key, Signer
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from updates.files import settle

CHANNEL = re.compile(r"[a-z][a-z0-9-]{0,30}")
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,100}")

LASTS = {
    Root.type: timedelta(days=365),
    Targets.type: timedelta(days=90),
    Snapshot.type: timedelta(days=90),
    Timestamp.type: timedelta(days=7),
}
"""How long each kind of metadata is valid. `refresh` signs it again, except the root, which only `renew` signs."""

_RELEASE_ROLES = (Targets.type, Snapshot.type, Timestamp.type)
"""What the release key signs."""

ROOT_EXPIRED = "the root has expired and clients no longer update: run renew with the root key"

ROOT_IS_DUE = timedelta(days=60)
"""How long before the expiry of the root `refresh` starts to warn, since the root key is offline."""


class NotPublished(Exception):
    """Nothing was changed; the message says why."""


class NoRepository(NotPublished):
    """There is no repository yet."""

    def __init__(self) -> None:
        super().__init__("there is no repository yet: create it with the root key")


def first_root(root_key: Signer, release_key: Key, now: datetime) -> Metadata[Root]:
    """Return the first root metadata: it names *root_key*, and *release_key* for everything else."""
    root = Root(consistent_snapshot=True)
    root.add_key(root_key.public_key, Root.type)
    for role in _RELEASE_ROLES:
        root.add_key(release_key, role)
    return _signed(root, root_key, now)


def next_root(current: Root, root_key: Signer, now: datetime, release_key: Key | None = None) -> Metadata[Root]:
    """Return the next version of the root, with a new expiry, and with *release_key* as the only one if it is given.

    Clients accept a new root only if the previous one names its key. Raises NotPublished for another root key.
    """
    if root_key.public_key.keyid not in current.roles[Root.type].keyids:
        raise NotPublished("the root key is not the root key of this repository")
    root = copy.deepcopy(current)
    root.version += 1
    if release_key:
        for role in _RELEASE_ROLES:
            for keyid in list(root.roles[role].keyids):
                root.revoke_key(keyid, role)
            root.add_key(release_key, role)
    return _signed(root, root_key, now)


class Repository:
    """The releases in *folder*, signed by *key*. A lock excludes other writers; readers see only complete files."""

    def __init__(self, folder: Path, key: Signer, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._folder = folder
        self._key = key
        self._clock = clock

    def create(self, root: Metadata[Root]) -> None:
        """Create an empty repository with its first root. Raises NotPublished if there is one already."""
        for name in ("packages", "metadata", "releases", "incoming"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self._path(Timestamp.type, 0).exists():
                raise NotPublished("there is a repository already")
            self._put_root(root)
            self._put(Targets())

    def replace_root(self, root: Metadata[Root]) -> None:
        """Publish the next root. If it names another release key, sign everything again with that key.

        Raises NotPublished if it is not the next version, or if the current root does not name its key.
        """
        with self._locked():
            current = self._root()
            try:
                current.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
            except UnsignedMetadataError as error:
                raise NotPublished("the root key is not the root key of this repository") from error
            if root.signed.version != current.signed.version + 1:
                raise NotPublished(f"the next root is version {current.signed.version + 1}")
            if all(root.signed.roles[role].keyids == current.signed.roles[role].keyids for role in _RELEASE_ROLES):
                self._write(self._path(Root.type, root.signed.version), root.to_bytes())
                return
            self._put_root(root)
            self._put(self._targets())

    @property
    def root(self) -> Metadata[Root]:
        """The newest root. Raises NotPublished if there is no repository."""
        return self._root()

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
        for each in waves or []:
            _check_wave(each)
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
                "sequence": targets.version + 1,
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

    def _root(self) -> Metadata[Root]:
        versions = [int(path.name.partition(".")[0]) for path in self._folder.glob("metadata/*.root.json")]
        if not versions:
            raise NoRepository
        return Metadata[Root].from_file(str(self._path(Root.type, max(versions))))

    def _put_root(self, root: Metadata[Root]) -> None:
        self._check_key(root.signed)
        self._write(self._path(Root.type, root.signed.version), root.to_bytes())

    def _targets(self) -> Targets:
        if not self._path(Timestamp.type, 0).exists():
            raise NoRepository
        timestamp = Metadata[Timestamp].from_file(str(self._path(Timestamp.type, 0))).signed
        snapshot = Metadata[Snapshot].from_file(str(self._path(Snapshot.type, timestamp.snapshot_meta.version))).signed
        version = snapshot.meta["targets.json"].version
        return Metadata[Targets].from_file(str(self._path(Targets.type, version))).signed

    def _check_key(self, root: Root) -> None:
        """Raise NotPublished if clients would refuse what this key signs."""
        if any(self._key.public_key.keyid not in root.roles[role].keyids for role in _RELEASE_ROLES):
            raise NotPublished("the root does not name the key that signs releases")

    def _put(self, targets: Targets, emptied: set[str] | None = None) -> None:
        """Sign *targets*, the snapshot and the timestamp, then write the indexes for clients that do not verify."""
        self._check_key(self._root().signed)
        first = not self._path(Timestamp.type, 0).exists()
        targets.version += 0 if first else 1
        self._sign(targets)
        # All three have the same version, because each publication signs all of them.
        snapshot = Snapshot(version=targets.version, meta={"targets.json": MetaFile(targets.version)})
        self._sign(snapshot)
        self._sign(Timestamp(version=targets.version, snapshot_meta=MetaFile(targets.version)))
        shown = [_shown(target) for target in sorted(targets.targets.values(), key=place_in_time, reverse=True)]
        for channel in {release["channel"] for release in shown} | (emptied or set()):
            releases = [release for release in shown if release["channel"] == channel]
            content = json.dumps({"releases": releases}, indent=1).encode() + b"\n"
            self._write(self._folder / "releases" / f"{channel}.json", content)

    def _sign(self, signed: Targets | Snapshot | Timestamp) -> None:
        metadata = _signed(signed, self._key, self._clock())
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
        draft.chmod(0o644)
        settle(draft, place)

    def _write(self, place: Path, content: bytes) -> None:
        draft = self._folder / "incoming" / place.name
        draft.write_bytes(content)
        draft.chmod(0o644)
        settle(draft, place)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not (self._folder / "incoming").exists():
            raise NoRepository
        with (self._folder / "incoming" / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _signed(signed: Root | Targets | Snapshot | Timestamp, key: Signer, now: datetime) -> Metadata[Any]:
    signed.expires = (now + LASTS[signed.type]).replace(microsecond=0)
    metadata: Metadata[Any] = Metadata(signed)
    metadata.sign(key)
    return metadata


def _is(target: TargetFile, version: str, channel: str) -> bool:
    custom = target.custom or {}
    return (custom.get("version"), custom.get("channel")) == (version, channel)


def place_in_time(target: TargetFile) -> tuple[int, str]:
    """Return a key that sorts releases from the first to the last.

    The publisher's clock may have been ahead once, so it is the version of the list that a release first was in. This
    only grows, also when a release is withdrawn. Releases of earlier programs have only their time, and come first.
    """
    custom = target.custom or {}
    return custom.get("sequence", 0), custom["published_at"]


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
    return signer(pem)


def signer(pem: bytes) -> CryptoSigner:
    """Return the private key in PEM. Raises ValueError."""
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
        case "create" | "rotate" | "renew":
            _put_root(repository, arguments)
        case "release":
            waves = [wave(text) for text in arguments.wave]
            print(json.dumps(repository.release(arguments.file, arguments.version, arguments.channel, waves)))
        case "withdraw":
            repository.withdraw(arguments.version, arguments.channel)
        case "refresh":
            repository.refresh()
            return _root_is_due(repository.root.signed.expires - datetime.now(UTC))
    return None


def _put_root(repository: Repository, arguments: argparse.Namespace) -> None:
    root_key, now = key(arguments.root_key), datetime.now(UTC)
    match arguments.command:
        case "create":
            repository.create(first_root(root_key, key(arguments.key).public_key, now))
        case "rotate":
            release_key = key(arguments.key).public_key
            repository.replace_root(next_root(repository.root.signed, root_key, now, release_key))
        case "renew":
            repository.replace_root(next_root(repository.root.signed, root_key, now))


def _root_is_due(left: timedelta) -> str | None:
    """Warn if the root expires soon; return an error message if it has expired."""
    if left <= timedelta():
        return ROOT_EXPIRED
    if left <= ROOT_IS_DUE:
        print(f"the root expires in {left.days} days: run renew with the root key", file=sys.stderr)
    return None


def wave(text: str) -> dict[str, Any]:
    """Return the wave of `TIME=PERCENT`. Raises ValueError."""
    starts_at, _, percent = text.partition("=")
    return {"starts_at": starts_at, "percent": int(percent)}


def _check_wave(wave: dict[str, Any]) -> None:
    """Raise NotPublished for a wave that no client could read."""
    try:
        aware = datetime.fromisoformat(wave["starts_at"]).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise NotPublished(f"{wave['starts_at']}: must be a time with an offset, as in 2030-01-31T09:00:00Z")
    if not 0 <= wave["percent"] <= 100:
        raise NotPublished(f"{wave['percent']}: must be a percentage")


if __name__ == "__main__":
    sys.exit(main())
