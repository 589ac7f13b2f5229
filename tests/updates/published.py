"""A repository of releases for tests, with its own clock, keys and packages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from updates.publish import Repository, first_root, next_root


class Clock:
    """The clock of the publisher and of the clients' waves; a test moves it with `passed`."""

    passed = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed


@dataclass
class Published:
    """A repository with its folder, keys and clock."""

    folder: Path
    repository: Repository
    root_key: CryptoSigner
    release_key: CryptoSigner
    clock: Clock

    @property
    def root(self) -> bytes:
        return (self.folder / "metadata" / "1.root.json").read_bytes()

    def renew(self, root_key: CryptoSigner | None = None, release_key: CryptoSigner | None = None) -> None:
        """Publish the next root, signed by *root_key* if it is given, with another release key if it is given."""
        current, named = self.repository.root.signed, release_key.public_key if release_key else None
        self.repository.replace_root(next_root(current, root_key or self.root_key, self.clock(), named))

    def release(self, version: str, content: bytes = b"", **more: Any) -> dict[str, Any]:
        self.clock.passed += timedelta(seconds=1)  # each release needs another time
        file = self.folder.parent / f"app-{version}.bin"
        file.write_bytes(content or version.encode() * 1000)
        return self.repository.release(file, version, **more)


def signing_key() -> CryptoSigner:
    return CryptoSigner(Ed25519PrivateKey.generate())


def a_repository(folder: Path, passed: timedelta = timedelta()) -> Published:
    clock, root_key = Clock(), signing_key()
    clock.passed = passed
    release_key = signing_key()
    repository = Repository(folder, release_key, clock)
    repository.create(first_root(root_key, release_key.public_key, clock()))
    return Published(folder, repository, root_key, release_key, clock)
