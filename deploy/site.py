"""Publishes the page of an app to the bucket that its distribution reads."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy import apps, stacks
from deploy.account import ONE_LONG_CALL, client
from deploy.apps import ROOT
from deploy.errors import NotDeployed, NotPublished

_CACHED = "max-age=0, s-maxage=31536000"
"""Browsers revalidate each time. The edge keeps a file until it is invalidated."""


_POLICY = re.compile(rb'(<meta http-equiv="Content-Security-Policy" content=")[^"]*(">)')
_PUBLISHED = "published.json"

_USERS = {"user_pool_id": "UserPoolId", "user_pool_client_id": "UserPoolClientId", "identity_pool_id": "IdentityPoolId"}
"""Members of config.json, and the outputs of the resources that they have, if the app has users."""


def publish(app: str, stage: str, **config: str) -> dict[str, str]:
    """Fill the bucket of the app's page; return the page's address and its ``config.json``, if it has one.

    A page with a ``Folder`` reads from ``config.json`` where its API and its users are. *config* adds members; those of
    earlier calls stay. Each HTML file gets the Content-Security-Policy of the edge. A page with a ``Function`` is made
    by this function of the app. Raises NotPublished.
    """
    source = apps.site_metadata(app)
    if not source:
        raise NotDeployed(
            f"{app}/resources.yaml names nothing that fills its page: see site_metadata in deploy/apps.py"
        )
    settings = {}
    if "Function" in source:
        _run(app, stage, source["Function"])
    else:
        settings = _upload(app, stage, ROOT / app / source["Folder"], config)
    return {"page": address(app, stage), **settings}


def address(app: str, stage: str) -> str:
    """Return the URL of the app's page, an output of the resources or of the edge."""
    known = stacks.outputs(apps.stack(app, stage, "edge"), missing_ok=True) | stacks.outputs(
        apps.stack(app, stage, "resources")
    )
    return known.get("SiteUrl") or f"https://{known['DistributionDomain']}"


def with_policy(page: bytes, policy: str) -> bytes:
    """Return the HTML *page* with *policy* in its ``<meta>``, without the directives that only a header can have.

    https://www.w3.org/TR/CSP3/#meta-element
    """
    directives = [part for part in policy.split("; ") if not part.startswith("frame-ancestors")]
    return _POLICY.sub(lambda found: found[1] + "; ".join(directives).encode() + found[2], page)


def _run(app: str, stage: str, logical_id: str) -> None:
    """Run the function that publishes the site, as its schedule does."""
    functions = client("lambda", config=ONE_LONG_CALL)
    _, function = stacks.resources(apps.stack(app, stage, "app"))[logical_id]
    event = {
        **{"version": "0", "id": str(uuid.uuid4()), "detail-type": "Scheduled Event", "source": "aws.events"},
        **{"account": "", "region": functions.meta.region_name, "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"},
        **{"resources": [], "detail": {}},
    }
    answer = functions.invoke(FunctionName=function, Payload=json.dumps(event))
    if "FunctionError" in answer:
        raise NotPublished(f"{app}: {function} failed: {answer['Payload'].read().decode()}")


def _upload(app: str, stage: str, folder: Path, config: Mapping[str, str]) -> dict[str, str]:
    """Make the bucket equal to the folder, invalidate what changed, and return the page's ``config.json``.

    The object ``published.json`` has the digest of each file that the edge was told of. It is written last, so that an
    interrupted call invalidates the rest when it is repeated.
    """
    s3, bucket = client("s3"), stacks.outputs(apps.stack(app, stage, "resources"))["SiteBucket"]
    there = _contents(s3, bucket)
    settings, told = (_read(s3, bucket, key) if key in there else {} for key in ("config.json", _PUBLISHED))
    kept = {name: value for name, value in settings.items() if name not in _USERS}  # the stage may have none any more
    settings = {**kept, **_config(app, stage, s3.meta.region_name), **config}
    policy = _policy(app, stage)
    pages = {key: with_policy(page, policy) if key.endswith(".html") else page for key, page in _files(folder).items()}
    files = pages | {"config.json": json.dumps(settings, indent=2, sort_keys=True).encode()}
    digests = {key: hashlib.md5(content).hexdigest() for key, content in files.items()}  # noqa: S324
    changed = [key for key in files if there.get(key) != digests[key]]
    for key in sorted(changed, key=lambda key: (key == "index.html", key)):  # the page after the files that it loads
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        charset = "; charset=utf-8" if kind.startswith("text/") else ""
        s3.put_object(Bucket=bucket, Key=key, Body=files[key], ContentType=kind + charset, CacheControl=_CACHED)
    for key in there.keys() - files.keys() - {_PUBLISHED}:
        s3.delete_object(Bucket=bucket, Key=key)
    stale = sorted(key for key in digests.keys() | told.keys() if digests.get(key) != told.get(key))
    if stale:
        if there:  # in an empty bucket there was nothing to cache
            _invalidate(stacks.outputs(apps.stack(app, stage, "edge"))["DistributionId"], stale)
        s3.put_object(Bucket=bucket, Key=_PUBLISHED, Body=json.dumps(digests), ContentType="application/json")
    return settings


def _policy(app: str, stage: str) -> str:
    """Return the Content-Security-Policy that the edge sends with each page."""
    _, headers = stacks.resources(apps.stack(app, stage, "edge"))["Headers"]
    found = client("cloudfront").get_response_headers_policy(Id=headers)["ResponseHeadersPolicy"]
    config = found["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]["ContentSecurityPolicy"]
    policy: str = config["ContentSecurityPolicy"]
    return policy


def _read(s3: Any, bucket: str, key: str) -> dict[str, str]:
    found: dict[str, str] = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    return found


def _config(app: str, stage: str, region: str) -> dict[str, str]:
    outputs = stacks.outputs(apps.stack(app, stage, "resources"))
    users = {name: outputs[key] for name, key in _USERS.items() if key in outputs}
    return {"api": "/api", "region": region, **users}


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


def _invalidate(distribution_id: str, keys: Sequence[str]) -> None:
    paths = ["/", *(f"/{key}" for key in keys)]
    batch = {"Paths": {"Quantity": len(paths), "Items": paths}, "CallerReference": uuid.uuid4().hex}
    client("cloudfront").create_invalidation(DistributionId=distribution_id, InvalidationBatch=batch)
