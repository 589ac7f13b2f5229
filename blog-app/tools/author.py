"""Publishes a post from a Markdown file: `make post FILE=post.md`. It is a client of the API, not part of the app.

A file begins with front matter, ``name: value`` lines between two lines of ``---``: title, and optionally slug (by
default the name of the file), summary, tags (separated by commas), author, published_at. A photo beside the file,
``![alt](sea.jpg)``, ``![alt](<my sea.jpg>)`` or ``![alt][sea]``, is uploaded, and the post shows it once its thumbnails
are ready.
"""

from __future__ import annotations

import argparse
import mimetypes
import re
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import urllib3

from common.sigv4 import Api, RequestFailed
from tools import post_files

_PATIENCE = 60
"""Seconds to wait for the thumbnails of a photo."""


class PhotoFailed(Exception):
    """A photo cannot be shown; the message says why."""


class Author:
    """An author, whose access key signs the requests to *api*. *on_step* is called with each step in words."""

    def __init__(self, api: Api, on_step: Callable[[str], object] = print) -> None:
        self._api = api
        self._on_step = on_step

    def publish(self, file: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> str:
        """Publish or replace the post in *file*, and return its slug. *read* returns the bytes of the photo at a path.

        Raises ValueError, PhotoFailed and RequestFailed.
        """
        post = post_files.parse(file)
        body = post["body_markdown"]
        ids = {}
        for written in post_files.photos(body):
            name = post_files.name(written)
            if name.startswith("data:"):
                with urllib.request.urlopen(name) as data:  # it opens no connection
                    ids[written] = self.upload(f"image.{data.headers.get_content_subtype()}", data.read())
            elif re.match(r"[a-z][a-z0-9+.-]+:|//", name, re.IGNORECASE):
                self._on_step(f"left out {name}: a post shows photos beside its file only")
            else:
                ids[written] = self.upload(Path(name).name, read(file.parent / name))
        body = post_files.with_photos(body, ids)
        slug = post.pop("slug")
        post["body_markdown"] = body
        try:
            self._api.send("PUT", f"/posts/{slug}", post)
        except RequestFailed as failure:
            if failure.status != 404:
                raise
            self._api.send("POST", "/posts", {"slug": slug, **post})
        self._on_step(f"published {slug}")
        return str(slug)

    def upload(self, name: str, content: bytes) -> str:
        """Upload a photo, wait for its thumbnails, and return its id. Raises PhotoFailed when it is rejected."""
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        asked = {"filename": name, "content_type": media_type, "size": len(content)}
        upload = self._api.send("POST", "/photos", asked)
        self._on_step(f"uploading {name}, {len(content) / 1e6:.1f} MB")
        form = {**upload["fields"], "file": (name, content)}  # S3 ignores fields after the file
        stored = urllib3.request("POST", upload["url"], fields=form, timeout=300, retries=False)
        if stored.status >= 400:
            raise PhotoFailed(f"{name}: {stored.status} {stored.data.decode()}")
        for _ in range(_PATIENCE * 4):
            photo = self._api.send("GET", f"/photos/{upload['id']}")
            if photo["status"] == "rejected":
                raise PhotoFailed(f"{name}: {photo['reason']}")
            if photo["status"] == "ready":
                return str(upload["id"])
            time.sleep(0.25)
        raise PhotoFailed(f"{name}: its thumbnails are not ready yet")


def main() -> str | None:
    parser = argparse.ArgumentParser(description="Publish a post from a Markdown file.")
    parser.add_argument("api", help="address of the API")
    parser.add_argument("secret", help="name of the secret with the author's access key")
    parser.add_argument("file", type=Path)
    parser.add_argument("--site", help="address of the site, to print that of the post")
    arguments = parser.parse_args()
    author = Author(Api.with_secret(arguments.api, arguments.secret))
    try:
        slug = author.publish(arguments.file)
        if arguments.site:
            print(f"{arguments.site}/posts/{slug}/")
    except (RequestFailed, PhotoFailed, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
