"""Publish releases of software to a stage's update servers, through the function that writes to their file system.

The root key stays in a file of this machine, which only the first release and a renewal of the root need. The release
key is in the secret of the stage, which is made here.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from deploy import stacks, updates
from deploy.account import ONE_LONG_CALL, client
from deploy.errors import NotDeployed, ReleaseRefused
from updates.publish import first_root, next_root, signer


class Publisher:
    """The publisher of a stage. Raises NotDeployed if the stage has none."""

    def __init__(self, stage: str) -> None:
        outputs = stacks.outputs(updates.stack(stage), missing_ok=True)
        if "Publisher" not in outputs:
            raise NotDeployed(f"there is no publisher: run `make updates STAGE={stage}` first")
        self._stage, self._function, self._secret = stage, outputs["Publisher"], outputs["ReleaseKey"]
        self._lambda = client("lambda", config=ONE_LONG_CALL)
        self._secrets = client("secretsmanager")
        self._s3 = client("s3")

    def release(
        self,
        file: Path,
        version: str,
        channel: str = "stable",
        waves: Sequence[dict[str, Any]] = (),
        root_key: Path | None = None,
    ) -> dict[str, Any]:
        """Publish *file*, and return the release as the index shows it. The same call changes nothing, or the waves.

        The first release needs *root_key*, the file of the root key, which is made if it does not exist.
        Raises ReleaseRefused with the reason.
        """
        self._ensure_repository(root_key)
        bucket, key = stacks.artifacts(), f"updates-{self._stage}/{uuid.uuid4()}"
        self._s3.upload_file(str(file), bucket, key)
        try:
            package = {"bucket": bucket, "key": key, "name": file.name}
            return self._run("release", **package, version=version, channel=channel, waves=list(waves))
        finally:
            self._s3.delete_object(Bucket=bucket, Key=key)

    def has_released(self) -> bool:
        """Return whether anything was released: the first release makes the key that signs releases."""
        return self._release_key() is not None

    def withdraw(self, version: str, channel: str = "stable") -> None:
        """Stop offering a release. Raises ReleaseRefused if there is none."""
        self._run("withdraw", version=version, channel=channel)

    def renew_root(self, root_key: Path, rotate: bool = False) -> str:
        """Sign the root again, with a new release key if *rotate*; return when it expires. Raises ReleaseRefused.

        An interrupted rotation leaves a key that signs nothing, until the same call makes another one.
        """
        current = Metadata[Root].from_bytes(self._run("root")["root"].encode())
        release_key = self._new_release_key().public_key if rotate else None
        root = next_root(current.signed, signer(root_key.read_bytes()), datetime.now(UTC), release_key)
        self._run("replace_root", root=root.to_bytes().decode())
        return root.signed.expires.isoformat()

    def _ensure_repository(self, root_key: Path | None) -> None:
        release_key = self._release_key() or self._new_release_key()
        try:
            self._run("root")
        except ReleaseRefused:
            if root_key is None:
                raise ReleaseRefused(
                    "this is the first release of the stage: name the file of the root key, for example "
                    "ROOT_KEY=root.pem. It is made if it does not exist. Keep it offline, and never lose it"
                ) from None
            root = first_root(_root_key(root_key), release_key.public_key, datetime.now(UTC))
            self._run("create", root=root.to_bytes().decode())

    def _release_key(self) -> CryptoSigner | None:
        try:
            return signer(self._secrets.get_secret_value(SecretId=self._secret)["SecretString"].encode())
        except self._secrets.exceptions.ResourceNotFoundException:
            return None

    def _new_release_key(self) -> CryptoSigner:
        pem = _new_key()
        self._secrets.put_secret_value(SecretId=self._secret, SecretString=pem.decode())
        return signer(pem)

    def _run(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Invoke the function and return its result. Raises ReleaseRefused."""
        self._lambda.get_waiter("function_active_v2").wait(FunctionName=self._function, WaiterConfig={"Delay": 1})
        payload = json.dumps({"command": command, **arguments})
        answer = self._lambda.invoke(FunctionName=self._function, Payload=payload)
        result: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise ReleaseRefused(f"{self._function}: {result.get('errorMessage', 'failed')}")
        if "refused" in result:
            raise ReleaseRefused(result["refused"])
        return result


def _root_key(file: Path) -> CryptoSigner:
    """Return the root key in the file, which is made, for its owner only, if it does not exist."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
            made.write(_new_key())
    return signer(file.read_bytes())


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
