"""Publishes videos: `python -m tools.owner API SECRET FOLDER`. It is a client of the API, not part of the app.

A folder has ``video.json`` (title, description, duration in seconds, price in the currency's smallest unit, currency),
``video.mp4``, ``poster.jpg``, and for HLS ``hls/index.m3u8`` with all that it names. Published a second time it is the
same video.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3

from common.sigv4 import Api, RequestFailed

_AT_ONCE = 8
_TRIES = 4
_HTTP = urllib3.PoolManager(maxsize=_AT_ONCE, timeout=300)


class UploadFailed(Exception):
    """S3 refused a part of a file; the message is its own."""


class Owner:
    """The owner, whose access key signs the requests to *api*. *on_step* is called with each step in words."""

    def __init__(self, api: Api, on_step: Callable[[str], object] = print) -> None:
        self._api = api
        self._on_step = on_step

    def publish(self, folder: Path) -> str:
        """Upload and publish the video in *folder*, and return its id.

        Raises RequestFailed, UploadFailed, and OSError for a missing file.
        """
        files = _files(folder)
        about = json.loads((folder / "video.json").read_text())
        new = about | {"files": [{"name": name, "size": file.stat().st_size} for name, file in files.items()]}
        draft = self._api.send("POST", "/videos", new, {"Idempotency-Key": _digest(new, files)})
        for upload in draft["uploads"]:
            self._on_step(f"uploading {upload['name']}, {files[upload['name']].stat().st_size / 1e6:.1f} MB")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            uploaded = list(pool.map(lambda upload: _upload(files[upload["name"]], upload), draft["uploads"]))
        self._api.send("POST", f"/videos/{draft['id']}/publish", {"uploads": uploaded})
        self._on_step(f"published {draft['id']}")
        return str(draft["id"])

    def withdraw(self, video_id: str) -> None:
        """Withdraw a video from sale. Raises RequestFailed."""
        self._api.send("DELETE", f"/videos/{video_id}")


def _files(folder: Path) -> dict[str, Path]:
    hls = sorted(file for file in (folder / "hls").rglob("*") if file.is_file())
    files = [folder / "video.mp4", folder / "poster.jpg", *hls]
    return {file.relative_to(folder).as_posix(): file for file in files}


def _digest(new: dict[str, Any], files: dict[str, Path]) -> str:
    """Return a digest of the video: equal for equal videos. Reads the files in blocks."""
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
    """Send a part and return its ETag; sending it again is harmless. Raises UploadFailed."""
    retries = urllib3.Retry(_TRIES - 1, backoff_factor=1, status_forcelist=range(500, 600), raise_on_status=False)
    answer = _HTTP.request("PUT", url, body=part, retries=retries)
    if answer.status >= 400:
        raise UploadFailed(f"S3: {answer.status} {answer.data.decode()}")
    return str(answer.headers["ETag"])


def main() -> str | None:
    parser = argparse.ArgumentParser(description="Publish a video from a folder.")
    parser.add_argument("api", help="address of the API")
    parser.add_argument("secret", help="name of the secret with the owner's access key")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    owner = Owner(Api.with_secret(arguments.api, arguments.secret))
    try:
        owner.publish(arguments.folder)
    except (RequestFailed, UploadFailed, urllib3.exceptions.HTTPError, OSError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
