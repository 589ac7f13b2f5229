"""An app of this repository and its stacks.

``<app>-<stage>-resources`` is what outlives a deploy, ``<app>-<stage>-dax`` the optional cache cluster,
``<app>-<stage>`` the Chalice app as `chalice package` writes it; after that come ``<app>-<stage>-edge``, its
distribution, and ``<app>-<stage>-delivery``, its delivery stream.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import boto3
import yaml

from deploy import signing_keys, stacks
from deploy.errors import PackageFailed

ROOT = Path(__file__).parent.parent

KINDS = ("resources", "dax", "app", "delivery", "edge")
"""An app's stacks in the order in which they are deployed."""


def names() -> list[str]:
    """Return the apps: the folders with a Chalice configuration."""
    return sorted(config.parent.parent.name for config in ROOT.glob("*/.chalice/config.json"))


def stack(app: str, stage: str, kind: str) -> str:
    """Return the name of one of an app's stacks."""
    return f"{app}-{stage}" if kind == "app" else f"{app}-{stage}-{kind}"


def template_file(app: str, kind: str) -> Path:
    """Return the file with the template of one of an app's stacks; that of the app itself is merged into Chalice's."""
    files = {"dax": ROOT / "deploy" / "dax.yaml", "app": ROOT / app / "merge.yaml"}
    return files.get(kind, ROOT / app / f"{kind}.yaml")


def template(app: str, kind: str) -> dict[str, Any]:
    """Return the parsed template of one of an app's stacks; an empty one if the app has no such stack."""
    file = template_file(app, kind)
    parsed: dict[str, Any] = stacks.read(file.read_text()) if file.exists() else {}
    return parsed


def declared(app: str, kind: str) -> dict[str, Any]:
    """Return by name the parameters that the template of one of an app's stacks declares."""
    found: dict[str, Any] = template(app, kind).get("Parameters", {})
    return found


def deploy_resources(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Bring the app's resources to resources.yaml, and write their outputs where the app's settings look."""
    template = (ROOT / app / "resources.yaml").read_text()
    outputs = stacks.deploy(f"{app}-{stage}-resources", template, {"Stage": stage, **parameters})
    settings = {_snake(key): value for key, value in outputs.items()}
    file = ROOT / app / "chalicelib" / "stages" / f"{stage}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(settings, indent=2) + "\n")
    return settings


def deploy_dax(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Bring the app's DAX cluster, its VPC and the layer with its client to dax.yaml."""
    template = (ROOT / "deploy" / "dax.yaml").read_text()
    bucket, key = stacks.upload(layer(ROOT / "deploy" / "dax-requirements.txt"), ".zip")
    given = {"App": app, "Stage": stage, "ClientBucket": bucket, "ClientKey": key, **parameters}
    return stacks.deploy(f"{app}-{stage}-dax", template, given)


def layer(requirements: Path, files: Mapping[str, Path] = MappingProxyType({}), root: str = "python/") -> bytes:
    """Return a zip with just the packages of *requirements*, without what they require in turn, and *files* by name.

    It is a layer where *root* is Lambda's folder for Python. It is made once and kept in ``dist/``: the versions are
    pinned.
    """
    content = [requirements.read_bytes(), *(file.read_bytes() for file in files.values()), sys.version.encode()]
    digest = hashlib.sha256(b"".join(content)).hexdigest()[:16]
    kept = ROOT / "dist" / f"{requirements.parent.name}-{requirements.stem}-{digest}.zip"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        draft = kept.with_suffix(".draft")
        draft.write_bytes(_installed(requirements, files, root))
        draft.replace(kept)
    return kept.read_bytes()


def _installed(requirements: Path, files: Mapping[str, Path], root: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        command = [*pip, "--no-deps", "--require-hashes", "--target", folder, "--requirement", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PackageFailed(f"{requirements}: {done.stderr}")
        found = {str(path.relative_to(folder)): path for path in Path(folder).rglob("*") if path.is_file()}
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in sorted((found | dict(files)).items()):
                # Without a time of its own the same content makes the same zip.
                entry = zipfile.ZipInfo(f"{root}{name}")
                entry.external_attr = 0o644 << 16  # Lambda's user does not own the files
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def deploy_edge(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Bring the app's distribution to edge.yaml; it is told what the resources and the app's own stack gave."""
    template = (ROOT / app / "edge.yaml").read_text()
    given = _outputs(app, stage) | {"Stage": stage}
    if "FunctionCode" in declared(app, "edge"):
        given["FunctionCode"] = (ROOT / app / "edge-function.js").read_text()
    if has_signing_key(app):
        given["KeyGroupId"] = signing_keys.ensure(app, stage)
    return stacks.deploy(f"{app}-{stage}-edge", template, given | parameters)


def deploy_delivery(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Bring the app's delivery stream to delivery.yaml; it is told what the resources and the app's own stack gave."""
    template = (ROOT / app / "delivery.yaml").read_text()
    given = {**_outputs(app, stage), "Stage": stage, **parameters}
    return stacks.deploy(f"{app}-{stage}-delivery", template, given)


def _outputs(app: str, stage: str) -> dict[str, str]:
    """Return what the app's resources gave, and its own stack unless `chalice deploy` took its place."""
    return stacks.outputs(f"{app}-{stage}-resources") | stacks.outputs(f"{app}-{stage}", missing_ok=True)


def has_signing_key(app: str) -> bool:
    """Return whether the app's distribution trusts a key that signs links."""
    return "KeyGroupId" in declared(app, "edge")


def chalice() -> str:
    """Return Chalice's command, that of this environment."""
    return str(Path(sys.executable).with_name("chalice"))


def package(app: str, stage: str) -> Path:
    """Write the app as a SAM template with its zip into ``dist/<app>-<stage>/`` and return that folder."""
    folder = ROOT / "dist" / f"{app}-{stage}"
    folder.parent.mkdir(exist_ok=True)
    with (ROOT / "dist" / f"{app}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Chalice writes a zip that all stages of an app have in common
        done = subprocess.run(
            [chalice(), "package", "--stage", stage, "--merge-template", "merge.yaml", str(folder)],
            cwd=ROOT / app,
            # Without bytecode the same source makes the same zip.
            env=os.environ | {"STAGE": stage, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or "Could not install dependencies" in done.stdout + done.stderr:
        raise PackageFailed(f"{app}: {done.stdout}{done.stderr}")
    return folder


def deploy_app(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Deploy the packaged app by CloudFormation and return its outputs, among them ``EndpointURL``."""
    folder = package(app, stage)
    template = yaml.safe_load((folder / "sam.yaml").read_text())
    text = stacks.upload_code(template, folder)
    return stacks.deploy(f"{app}-{stage}", text, {"Stage": stage, **parameters})


def address_parameter(app: str, stage: str) -> str:
    """Return the name of the SSM parameter in which other services look for the app's API."""
    return f"/{stage}/{app}/api"


def register(app: str, stage: str, Address: str = "") -> dict[str, str]:
    """Write the API's address, without a closing slash, to where other services look; return it by parameter name.

    *Address* is by default the endpoint of the app's stack. A different address of the same API that is already there
    stays: a custom domain, or the sandbox's.
    """
    address = (Address or endpoint(app, stage)).rstrip("/")
    name, ssm = address_parameter(app, stage), boto3.Session().client("ssm")
    api_id = str(urlsplit(address).hostname).partition(".")[0]
    known = ssm.get_parameters(Names=[name])["Parameters"]
    if known and api_id in known[0]["Value"]:
        return {name: known[0]["Value"]}
    ssm.put_parameter(Name=name, Value=address, Type="String", Overwrite=True)
    return {name: address}


def endpoint(app: str, stage: str) -> str:
    """Return the URL of the API in the app's stack, or else of the one that `chalice deploy` made."""
    released = stacks.outputs(stack(app, stage, "app"), missing_ok=True)
    return released["EndpointURL"] if released else endpoint_of_chalice(app, stage)


def endpoint_of_chalice(app: str, stage: str) -> str:
    """Return the URL of the API that `chalice deploy` made. Raises FileNotFoundError."""
    deployed = json.loads((ROOT / app / ".chalice" / "deployed" / f"{stage}.json").read_text())
    api = next(resource for resource in deployed["resources"] if resource["resource_type"] == "rest_api")
    return str(api["rest_api_url"])


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
