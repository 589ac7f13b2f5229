"""Publishes videos: `python video-app/owner.py API SECRET FOLDER`. A client of the API, no part of the app.

A folder has ``video.json`` (title, description, duration in seconds, price in the currency's smallest unit, currency),
``video.mp4``, ``poster.jpg``, and for HLS ``hls/index.m3u8`` with all that it names. Published a second time it is the
same video.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

_AT_ONCE = 8
_TRIES = 4


class Refused(Exception):
    """The API or S3 refused a request; the message is its own."""


class Owner:
    """The owner with an access key, at the API *url*; *tell* hears of each step."""

    def __init__(
        self, url: str, access_key_id: str, secret: str, region: str, tell: Callable[[str], object] = print
    ) -> None:
        self._url = url.rstrip("/")
        credentials = boto3.Session(access_key_id, secret).get_credentials()
        self._signer = SigV4Auth(credentials, "execute-api", region)
        self._tell = tell

    def publish(self, folder: Path) -> str:
        """Upload and publish the video in *folder*, and return its id. Raises Refused; OSError for a missing file."""
        files = _files(folder)
        about = json.loads((folder / "video.json").read_text())
        new = about | {"files": [{"name": name, "size": file.stat().st_size} for name, file in files.items()]}
        draft = self._send("POST", "/videos", new, _digest(new, files))
        for upload in draft["uploads"]:
            self._tell(f"uploading {upload['name']}, {files[upload['name']].stat().st_size / 1e6:.1f} MB")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            uploaded = list(pool.map(lambda upload: _upload(files[upload["name"]], upload), draft["uploads"]))
        self._send("POST", f"/videos/{draft['id']}/publish", {"uploads": uploaded})
        self._tell(f"published {draft['id']}")
        return str(draft["id"])

    def withdraw(self, video_id: str) -> None:
        """End the sale of a video. Raises Refused."""
        self._send("DELETE", f"/videos/{video_id}")

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        content = json.dumps(body).encode() if body is not None else b""
        request = AWSRequest(method, self._url + path, headers, content)
        self._signer.add_auth(request)
        signed = urllib.request.Request(request.url, content or None, dict(request.headers.items()), method=method)
        try:
            with urllib.request.urlopen(signed, timeout=60) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {error.read().decode()}") from error


def _files(folder: Path) -> dict[str, Path]:
    hls = sorted(file for file in (folder / "hls").rglob("*") if file.is_file())
    files = [folder / "video.mp4", folder / "poster.jpg", *hls]
    return {file.relative_to(folder).as_posix(): file for file in files}


def _digest(new: dict[str, Any], files: dict[str, Path]) -> str:
    """Return what is the same for the same video; large files are told apart without being held in memory."""
    digests = [json.dumps(new, sort_keys=True)]
    for file in files.values():
        with file.open("rb") as content:
            digests.append(hashlib.file_digest(content, "sha256").hexdigest())
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _upload(file: Path, upload: dict[str, Any]) -> dict[str, Any]:
    with file.open("rb") as content:
        etags = [_put(part["url"], content.read(part["size"])) for part in upload["parts"]]
    return {"name": upload["name"], "etags": etags}


def _put(url: str, part: bytes) -> str:
    """Send a part, which is the same however often it is sent."""
    for attempt in range(_TRIES):
        try:
            request = urllib.request.Request(url, part, method="PUT")
            with urllib.request.urlopen(request, timeout=300) as answer:
                return str(answer.headers["ETag"])
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise Refused(f"S3: {error.code} {error.read().decode()}") from error
            if attempt == _TRIES - 1:
                raise
        time.sleep(2**attempt)
    raise AssertionError("the last try returns or raises")


def main() -> str | None:
    parser = argparse.ArgumentParser(description="Publish a video from a folder.")
    parser.add_argument("api", help="address of the API")
    parser.add_argument("secret", help="name of the secret with the owner's access key")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    session = boto3.Session()
    key = json.loads(session.client("secretsmanager").get_secret_value(SecretId=arguments.secret)["SecretString"])
    owner = Owner(arguments.api, key["access_key_id"], key["secret_access_key"], str(session.region_name))
    try:
        owner.publish(arguments.folder)
    except (Refused, OSError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
