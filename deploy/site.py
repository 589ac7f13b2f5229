"""Publishes the page of an app to the bucket that its distribution reads."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3

from deploy import apps, stacks
from deploy.apps import ROOT
from deploy.errors import NotDeployed

_CACHED = "max-age=0, s-maxage=31536000"
"""Browsers revalidate each time. The edge keeps a file until it is invalidated."""


def folder(app: str) -> Path | None:
    """Return the folder whose files are published to the app's site bucket, or None.

    The bucket names it in its ``Metadata`` in ``resources.yaml``. A bucket without it is filled by the app itself.
    """
    resources = apps.template(app, "resources").get("Resources", {}).values()
    names = [resource["Metadata"]["Folder"] for resource in resources if "Folder" in resource.get("Metadata", {})]
    return ROOT / app / names[0] if names else None


def publish(app: str, stage: str, **config: str) -> dict[str, str]:
    """Make the site bucket equal to the folder, invalidate what changed, and return the page's ``config.json``.

    The page reads from it where its API and its user pool are. *config* adds members; those of earlier calls stay.
    """
    site = folder(app)
    if site is None:
        raise NotDeployed(f"{app}/resources.yaml names no folder to publish: see deploy/site.py")
    session = boto3.Session()
    s3, bucket = session.client("s3"), stacks.outputs(f"{app}-{stage}-resources")["SiteBucket"]
    published = _contents(s3, bucket)
    settings = json.load(s3.get_object(Bucket=bucket, Key="config.json")["Body"]) if "config.json" in published else {}
    settings |= _config(app, stage, str(session.region_name)) | config
    files = _files(site) | {"config.json": json.dumps(settings, indent=2).encode()}
    changed = [key for key, content in files.items() if published.get(key) != hashlib.md5(content).hexdigest()]  # noqa: S324
    for key in sorted(changed, key=lambda key: (key == "index.html", key)):  # the page after the files that it loads
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        charset = "; charset=utf-8" if kind.startswith("text/") else ""
        s3.put_object(Bucket=bucket, Key=key, Body=files[key], ContentType=kind + charset, CacheControl=_CACHED)
    obsolete = published.keys() - files.keys()
    for key in obsolete:
        s3.delete_object(Bucket=bucket, Key=key)
    _invalidate(session, stacks.outputs(f"{app}-{stage}-edge")["DistributionId"], [*changed, *obsolete])
    return settings


def _config(app: str, stage: str, region: str) -> dict[str, str]:
    resources = stacks.outputs(f"{app}-{stage}-resources")
    return {
        "api": "/api",
        "region": region,
        "user_pool_id": resources["UserPoolId"],
        "user_pool_client_id": resources["UserPoolClientId"],
    }


def _files(folder: Path) -> dict[str, bytes]:
    """Return by key the files of the folder and of the folders that it links to."""
    return {
        str((Path(place) / name).relative_to(folder)): (Path(place) / name).read_bytes()
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
    }


def _contents(s3: Any, bucket: str) -> dict[str, str]:
    """Return by key the MD5 of each object: its ETag, unless it has several parts or is encrypted by KMS."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {item["Key"]: item["ETag"].strip('"') for page in pages for item in page.get("Contents", [])}


def _invalidate(session: Any, distribution_id: str, keys: Sequence[str]) -> None:
    if keys:
        paths = ["/", *(f"/{key}" for key in keys)]
        batch = {"Paths": {"Quantity": len(paths), "Items": paths}, "CallerReference": uuid.uuid4().hex}
        session.client("cloudfront").create_invalidation(DistributionId=distribution_id, InvalidationBatch=batch)
