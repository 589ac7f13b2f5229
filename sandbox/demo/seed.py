"""Demo users, so that a page has something to show on first sight."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import deploy.updates
from sandbox import settings as place
from sandbox.demo import photos
from updates import publish

PASSWORD = "Correct-horse-1"
USERS = ("ann@example.com", "bob@example.com")

_TODOS: tuple[dict[str, Any], ...] = (
    {"title": "Read docs/caching.md", "notes": "Who may see stale data, and for how long?", "tags": ["chalice"]},
    {"title": "Upload a file to my own folder", "priority": "high", "tags": ["s3"]},
    {"title": "Change the nouns and deploy", "due": "2030-01-31", "priority": "low"},
)

_RELEASES = (("1.0.0", "stable"), ("1.1.0", "stable"), ("2.0.0b1", "beta"))


def seed(apps: dict[str, Any]) -> None:
    """Make the demo users of every app with a user pool, and what each app shows on first sight."""
    for outputs in apps.values():
        if "user_pool_id" in outputs:
            for user in USERS:
                _sign_up(outputs["user_pool_id"], user)
    with ThreadPoolExecutor() as pool:
        works = {
            "todo-app": _add_todos,
            "blog-app": _publish_posts,
            "video-app": _publish_videos,
            "updates": _release_updates,
        }
        for seeded in [pool.submit(work, apps[app]) for app, work in works.items() if app in apps]:
            seeded.result()


def _add_todos(todo: dict[str, Any]) -> None:
    token = id_token(todo["user_pool_client_id"], USERS[0], PASSWORD)
    for number, body in enumerate(_TODOS):
        _post(f"{todo['api']}/todos", token, body, key=f"seed-{number}")


def _publish_posts(blog: dict[str, Any]) -> None:
    """Publish as an author does, with the author's key and command; a post that is there from before stays."""
    key = (blog["author_access_key_id"], blog["author_secret_access_key"])
    author = _command("blog-app", "author").Author(blog["api"], *key, place.REGION, tell=lambda step: None)
    with urllib.request.urlopen(f"{blog['api']}/posts?limit=100", timeout=30) as answer:
        there = {post["slug"] for post in json.load(answer)["items"]}
    files = [file for file in (place.ROOT / "blog-app" / "posts").glob("*.md") if file.stem not in there]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda file: author.publish(file, read=_photo), files))


def forget(stage: str) -> None:
    """Delete what was made for a stage beside its stacks: the keys that sign its updates."""
    secrets = boto3.Session().client("secretsmanager")
    for name in _release_keys(stage):
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _release_keys(stage: str) -> list[str]:
    return [f"{deploy.updates.stack(stage)}-{name}-key" for name in ("root", "signing")]


def _release_updates(updates: dict[str, Any]) -> None:
    """Release some versions of an app that is nothing but noise, unless they are there from before."""
    folder = Path(updates["releases"])
    if Path(updates["root"]).exists():
        return
    secrets = boto3.Session().client("secretsmanager")
    for name in _release_keys(place.STAGE):
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secrets.create_secret(Name=name, SecretString=pem.decode())
    repository = publish.Repository(folder, publish.key(updates["signing_key"]))
    repository.create(publish.key(updates["signing_key"].replace("signing", "root")))
    with tempfile.TemporaryDirectory() as packages:
        for version, channel in _RELEASES:
            package = Path(packages) / f"app-{version}.bin"
            package.write_bytes(random.Random(version).randbytes(300_000))  # noqa: S311  # the same each time
            repository.release(package, version, channel)


def _photo(path: Path) -> bytes:
    """Return the photo that a post names, drawn once and then kept."""
    kept = place.ROOT / "dist" / "photos" / path.name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}")
        draft.write_bytes(photos.draw(path.stem))
        draft.replace(kept)
    return kept.read_bytes()


def _publish_videos(video: dict[str, Any]) -> None:
    """Publish as the owner does; a film that is there from before stays."""
    key = (video["owner_access_key_id"], video["owner_secret_access_key"])
    owner = _command("video-app", "owner").Owner(video["api"], *key, place.REGION, tell=lambda step: None)
    with urllib.request.urlopen(f"{video['api']}/videos?limit=100", timeout=30) as answer:
        there = {film["title"] for film in json.load(answer)["items"]}
    for about in sorted((place.ROOT / "video-app" / "videos").glob("*/video.json")):
        if json.loads(about.read_text())["title"] not in there:
            owner.publish(about.parent)


def _command(app: str, name: str) -> Any:
    """A command of an app, whose folder is no package: its name has a hyphen."""
    specification = importlib.util.spec_from_file_location(name, place.ROOT / app / f"{name}.py")
    assert specification
    assert specification.loader
    command = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(command)
    return command


def id_token(client_id: str, user: str, password: str) -> str:
    """Return an ID token as the user's own client would get it."""
    answer = boto3.client("cognito-idp").initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["IdToken"])


def _sign_up(pool: str, user: str) -> None:
    cognito = boto3.client("cognito-idp")
    try:
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=user,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": user}, {"Name": "email_verified", "Value": "true"}],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "UsernameExistsException":
            raise
    cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=PASSWORD, Permanent=True)


def _post(url: str, token: str, body: dict[str, Any], key: str) -> None:
    headers = {"Authorization": token, "Content-Type": "application/json", "Idempotency-Key": key}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    urllib.request.urlopen(request, timeout=30).close()
