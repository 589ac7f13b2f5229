"""Releases demo versions: `python -m tools.seed` in the folder updates. sandbox/demo/seed.py says what it reads."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

import boto3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from updates import publish

_RELEASES = (("1.0.0", "stable"), ("1.1.0", "stable"), ("2.0.0b1", "beta"))


def main() -> None:
    """Make the keys and release packages of random bytes. Releases that are already there stay."""
    outputs = json.load(sys.stdin)["outputs"]
    if Path(outputs["root"]).exists():
        return
    signing_key = outputs["signing_key"]
    root_key = signing_key.replace("-signing-key", "-root-key")
    secrets = boto3.Session().client("secretsmanager")
    for key in (root_key, signing_key):
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secrets.create_secret(Name=key.removeprefix("secretsmanager:"), SecretString=pem.decode())
    repository = publish.Repository(Path(outputs["releases"]), publish.key(signing_key))
    repository.create(publish.key(root_key))
    with tempfile.TemporaryDirectory() as packages:
        for version, channel in _RELEASES:
            package = Path(packages) / f"app-{version}.bin"
            package.write_bytes(random.Random(version).randbytes(300_000))  # noqa: S311  # the same each time
            repository.release(package, version, channel)


if __name__ == "__main__":
    main()
