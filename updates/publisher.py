"""The function that publishes to the file system of the update servers. It is the only writer.

`make publish` invokes it, and a schedule invokes it every day with ``{"command": "refresh"}``, so that the signatures
do not expire. The root key never comes here: who has it sends root metadata that is already signed.

Environment: ``RELEASES``, the folder of the mounted file system; ``RELEASE_KEY``, the secret with the release key.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from updates.publish import ROOT_EXPIRED, ROOT_IS_DUE, NoRepository, NotPublished, Repository, key

logger = logging.getLogger(__name__)


class RootExpired(Exception):
    """Everything is signed, but clients no longer update. It fails the function, which triggers the alarm."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Run the command of *event*; return its result, or ``{"refused": reason}`` if nothing was changed.

    * ``create``, ``replace_root``: ``root`` is root metadata, as JSON text.
    * ``root``: return the newest root metadata as ``root``.
    * ``release``: ``bucket`` and ``key`` of the package; ``name``, ``version``, ``channel``, ``waves``.
    * ``withdraw``: ``version``, ``channel``.
    * ``refresh``: return when the root expires.
    """
    try:
        return _run(Repository(Path(os.environ["RELEASES"]), _release_key()), event)
    except NotPublished as error:
        if event["command"] == "refresh" and not isinstance(error, NoRepository):
            raise  # nobody reads the result of a schedule
        return {"refused": str(error)}


def _release_key() -> CryptoSigner:
    """Return the release key. Raises NoRepository if the secret has no value, which the first release puts there."""
    try:
        return key(f"secretsmanager:{os.environ['RELEASE_KEY']}")
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise NoRepository from error
        raise


def _run(repository: Repository, event: dict[str, Any]) -> dict[str, Any]:
    match event["command"]:
        case "create":
            repository.create(_root(event["root"]))
        case "replace_root":
            repository.replace_root(_root(event["root"]))
        case "root":
            return {"root": json.dumps(repository.root.to_dict())}
        case "release":
            return _release(repository, event)
        case "withdraw":
            repository.withdraw(event["version"], event["channel"])
        case "refresh":
            repository.refresh()
            return _root_expiry(repository.root.signed.expires)
        case unknown:
            raise NotPublished(f"there is no command {unknown}")
    return {}


def _root(text: str) -> Metadata[Root]:
    return Metadata[Root].from_bytes(text.encode())


def _release(repository: Repository, event: dict[str, Any]) -> dict[str, Any]:
    """Copy the package from S3 to the file system, and publish it."""
    name = Path(event["name"]).name
    with tempfile.TemporaryDirectory(dir=os.environ["RELEASES"], prefix=".download-") as folder:
        file = Path(folder) / name
        boto3.client("s3").download_file(event["bucket"], event["key"], str(file))
        return repository.release(file, event["version"], event["channel"], event["waves"])


def _root_expiry(expires: datetime) -> dict[str, Any]:
    left = expires - datetime.now(UTC)
    if left <= timedelta():
        raise RootExpired(ROOT_EXPIRED)
    if left <= ROOT_IS_DUE:
        logger.warning("the root expires in %s days: run `make renew-root`", left.days)
    return {"root_expires": expires.isoformat()}
