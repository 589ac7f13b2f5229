"""Publishes a post from a Markdown file: `make post FILE=post.md`. It is a client of the API, not part of the app.

A file begins with front matter, ``name: value`` lines between two lines of ``---``: title, and optionally slug (by
default the name of the file), summary, tags (separated by commas), author, published_at. A photo beside the file,
``![alt](sea.jpg)``, is uploaded, and the post shows it once its thumbnails are ready.
"""

from __future__ import annotations

import argparse
import mimetypes
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

from common.sigv4 import Api, RequestFailed

_PHOTO = re.compile(r"!\[([^\]]*)\]\((?!photo:|https?:)([^)\s]+)")
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
        post = parse(file)
        body = post["body_markdown"]
        for name in dict.fromkeys(name for _, name in _PHOTO.findall(body)):
            photo_id = self.upload(Path(name).name, read(file.parent / name))
            body = body.replace(f"]({name}", f"](photo:{photo_id}")
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


def parse(file: Path) -> dict[str, Any]:
    """Return the post in *file* as the API takes it, with its ``slug``. Raises ValueError without front matter."""
    found = re.fullmatch(r"---\n(.*?)\n---\n(.*)", file.read_text(), re.DOTALL)
    if not found:
        raise ValueError(f"{file}: does not begin with front matter")
    post: dict[str, Any] = {"slug": file.stem}
    for line in found[1].splitlines():
        name, _, value = line.partition(":")
        post[name.strip()] = value.strip().strip('"')
    if "tags" in post:
        post["tags"] = [tag.strip() for tag in post["tags"].strip("[]").split(",") if tag.strip()]
    post["body_markdown"] = found[2].strip() + "\n"
    return post


def main() -> str | None:
    parser = argparse.ArgumentParser(description="Publish a post from a Markdown file.")
    parser.add_argument("api", help="address of the API")
    parser.add_argument("secret", help="name of the secret with the author's access key")
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    author = Author(Api.with_secret(arguments.api, arguments.secret))
    try:
        author.publish(arguments.file)
    except (RequestFailed, PhotoFailed, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
