"""Publishes posts from Markdown files: `make post FILE=post.md`. A client of the API, no part of the app.

A file begins with front matter, ``name: value`` lines between two lines of ``---``: title, and if wanted slug (else
the file's name), summary, tags (with commas), author, published_at. A photo beside the file, ``![alt](sea.jpg)``, is
uploaded, and shown once its thumbnails are made.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import re
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

_PHOTO = re.compile(r"!\[([^\]]*)\]\((?!photo:|https?:)([^)\s]+)")
_PATIENCE = 60
"""Seconds to wait for a photo's thumbnails."""


class Refused(Exception):
    """The API refused a request; the message is its own."""


class Author:
    """An author with an access key, at the API *url*; *tell* hears of each step."""

    def __init__(
        self, url: str, access_key_id: str, secret: str, region: str, tell: Callable[[str], object] = print
    ) -> None:
        self._url = url.rstrip("/")
        credentials = boto3.Session(access_key_id, secret).get_credentials()
        self._signer = SigV4Auth(credentials, "execute-api", region)
        self._tell = tell

    def publish(self, file: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> str:
        """Publish or replace the post in *file*, and return its slug. *read* gives the bytes of a photo by its path."""
        post = parse(file)
        body = post["body_markdown"]
        for name in dict.fromkeys(name for _, name in _PHOTO.findall(body)):
            photo_id = self.upload(Path(name).name, read(file.parent / name))
            body = body.replace(f"]({name}", f"](photo:{photo_id}")
        slug = post.pop("slug")
        post["body_markdown"] = body
        try:
            self._send("PUT", f"/posts/{slug}", post)
        except Refused:
            self._send("POST", "/posts", {"slug": slug, **post})
        self._tell(f"published {slug}")
        return str(slug)

    def upload(self, name: str, content: bytes) -> str:
        """Upload a photo, wait for its thumbnails, and return its id. Raises Refused when it is rejected."""
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        asked = {"filename": name, "content_type": media_type, "size": len(content)}
        upload = self._send("POST", "/photos", asked)
        self._tell(f"uploading {name}, {len(content) / 1e6:.1f} MB")
        _post_form(upload["url"], upload["fields"], content)
        for _ in range(_PATIENCE * 4):
            photo = self._send("GET", f"/photos/{upload['id']}")
            if photo["status"] == "rejected":
                raise Refused(f"{name}: {photo['reason']}")
            if photo["status"] == "ready":
                return str(upload["id"])
            time.sleep(0.25)
        raise Refused(f"{name}: its thumbnails are not made yet")

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        content = json.dumps(body).encode() if body is not None else b""
        request = AWSRequest(method, self._url + path, {"Content-Type": "application/json"}, content)
        self._signer.add_auth(request)
        headers = dict(request.headers.items())
        signed = urllib.request.Request(request.url, content or None, headers, method=method)
        try:
            with urllib.request.urlopen(signed, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {error.read().decode()}") from error


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


def _post_form(url: str, fields: dict[str, str], content: bytes) -> None:
    """Send a presigned POST: its fields, and the file as the last (RFC 7578)."""
    boundary = uuid.uuid4().hex
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo"\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=300).close()


def main() -> str | None:
    parser = argparse.ArgumentParser(description="Publish a post from a Markdown file.")
    parser.add_argument("api", help="address of the API")
    parser.add_argument("secret", help="name of the secret with the author's access key")
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    session = boto3.Session()
    key = json.loads(session.client("secretsmanager").get_secret_value(SecretId=arguments.secret)["SecretString"])
    author = Author(arguments.api, key["access_key_id"], key["secret_access_key"], str(session.region_name))
    try:
        author.publish(arguments.file)
    except (Refused, ValueError, OSError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
