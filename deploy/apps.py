"""The apps of this repository, and how each of an app's stacks is deployed.

``<app>-<stage>-resources`` has what outlives a deployment of the code: tables, buckets, user pools.
``<app>-<stage>-dax`` has the optional DAX cluster. ``<app>-<stage>`` has the app as `chalice package` writes it.
``<app>-<stage>-delivery`` has the delivery stream, ``<app>-<stage>-edge`` the distribution.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from deploy import packager, packages, policies, signing_keys, stacks, zips
from deploy.account import api_address, client
from deploy.errors import AlreadyDeployed, NotDeployed, PackageFailed

ROOT = Path(__file__).parent.parent

KINDS = ("resources", "dax", "app", "delivery", "edge")
"""An app's stacks in the order in which they are deployed."""


CHALICE = (sys.executable, "-m", "deploy.packaging")
"""The `chalice` command with packages that are reproducible, for the environment of `chalice_environment`."""

_EARLIER = {"StreamStart": "LATEST", "StreamMode": "ON_DEMAND", "DeviceTopics": "devices"}
"""What stages have from before these parameters. AWS, or what is in the field, does not take the new default."""

NO_API = "none"
"""Stands in policies for the id of an API that does not exist yet."""


def names() -> list[str]:
    """Return the apps: the folders with a Chalice configuration."""
    return sorted(config.parent.parent.name for config in ROOT.glob("*/.chalice/config.json"))


def stack(app: str, stage: str, kind: str) -> str:
    """Return the name of one of an app's stacks."""
    return f"{app}-{stage}" if kind == "app" else f"{app}-{stage}-{kind}"


def template_file(app: str, kind: str) -> Path:
    """Return the template file of one of an app's stacks: its own, or the one in ``deploy/`` that apps share.

    That of ``app`` is merged into Chalice's template.
    """
    own = ROOT / app / ("merge.yaml" if kind == "app" else f"{kind}.yaml")
    return own if own.exists() else ROOT / "deploy" / f"{kind}.yaml"


def site_metadata(app: str) -> dict[str, str]:
    """Return what fills the bucket of the app's page: ``Folder`` or ``Function``, or nothing without such a bucket.

    The bucket names it in its ``Metadata`` in resources.yaml: a folder of the app, or a function by its logical id.
    """
    declared = template(app, "resources").get("Resources", {}).values()
    found = [each["Metadata"] for each in declared if each.get("Metadata", {}).keys() & {"Folder", "Function"}]
    return found[0] if found else {}


def template(app: str, kind: str) -> dict[str, Any]:
    """Return the parsed template of one of an app's stacks, empty if the app has no such stack."""
    if kind == "edge" and not site_metadata(app):
        return {}
    file = template_file(app, kind)
    parsed: dict[str, Any] = stacks.read(file.read_text()) if file.exists() else {}
    return parsed


def declared(app: str, kind: str) -> dict[str, Any]:
    """Return by name the parameters that the template of one of an app's stacks declares."""
    found: dict[str, Any] = template(app, kind).get("Parameters", {})
    return found


def exports(app: str, kind: str, stage: str) -> set[str]:
    """Return the names of the exports that one of an app's stacks has in a stage, read from its template."""
    found = template(app, kind).get("Outputs", {}).values()
    return {_name(each["Export"]["Name"], app, stage) for each in found if "Export" in each}


def imports(app: str, kind: str, stage: str) -> set[str]:
    """Return the names of the exports that one of an app's stacks imports in a stage, read from its template."""
    return {_name(each, app, stage) for each in _imported(template(app, kind))}


def _imported(part: Any) -> Iterator[Any]:
    """Yield the value of each Fn::ImportValue in a part of a template."""
    children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if isinstance(part, dict) and "Fn::ImportValue" in part:
        yield part["Fn::ImportValue"]
    for child in children:
        yield from _imported(child)


def _name(value: Any, app: str, stage: str) -> str:
    """Return the name of an export, in which only the app and the stage are variable."""
    text = str(value["Fn::Sub"] if isinstance(value, dict) else value)
    return text.replace("${App}", app).replace("${Stage}", stage)


def called(app: str) -> set[str]:
    """Return the apps whose APIs the app calls, whether this repository still has them: its policies name them.

    Only the name of an app has a hyphen. The other places are outputs of stacks, whose names are alphanumeric
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/outputs-section-structure.html).
    """
    return {place for place in policies.places(ROOT / app) if "-" in place} - {app}


def deploy_resources(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Deploy resources.yaml, write its outputs and the policies of the functions for the stage; return the outputs."""
    given = _sender_identity(app, stage, parameters) | parameters
    return write_settings(app, stage, _deploy(app, stage, "resources", given))


def write_settings(app: str, stage: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """Write the outputs of the resources to the settings file of the stage, and the policies of its functions.

    The zip contains the settings. Returns them.
    """
    settings = {_snake(key): value for key, value in outputs.items()}
    file = ROOT / app / "chalicelib" / "stages" / f"{stage}.json"
    file.parent.mkdir(exist_ok=True)
    zips.write(file, f"{json.dumps(settings, indent=2)}\n".encode())
    write_policies(app, stage)
    return settings


_senders: dict[str, str] = {}
"""By address of a sender the stack that makes its identity, of those that this process deploys."""


def _sender_identity(app: str, stage: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the SES identity of a new sender if it is there, because a stack cannot make it a second time.

    It is the identity of the address, or that of its domain if SES has verified it.
    """
    resources = stack(app, stage, "resources")
    own = declared(app, "resources")  # a release of all apps gives each one the parameters of all
    address = next((value for name, value in parameters.items() if name.endswith("Sender") and name in own), "")
    known = stacks.parameters_of(resources, missing_ok=True)
    if not address or any(value for name, value in known.items() if name.endswith("Sender")):
        return {}
    ses = client("sesv2")
    for identity in (address, address.rpartition("@")[2]):
        with suppress(ses.exceptions.NotFoundException):
            found = ses.get_email_identity(EmailIdentity=identity)
            if identity == address or found["VerifiedForSendingStatus"]:
                return {"SenderIdentity": identity}
    return {} if _senders.setdefault(address, resources) == resources else {"SenderIdentity": address}


def write_policies(app: str, stage: str) -> None:
    """Write the policies of the app's functions for the stage. The stage has the resources of the app.

    They name the account, the Region, the outputs of the resources, and the APIs of other apps: ``${receipts-app}`` is
    the id of that app's API in the same stage. Raises UnknownPlace.
    """
    places = policies.places(ROOT / app)
    if not places:
        return
    sts = client("sts")
    _, partition, _, _, account, _ = sts.get_caller_identity()["Arn"].split(":", 5)
    account_values = {"AWS::Partition": partition, "AWS::Region": sts.meta.region_name, "AWS::AccountId": account}
    apis = {other: api_id(other, stage) or NO_API for other in called(app)}
    policies.write(ROOT / app, stage, account_values | stacks.outputs(stack(app, stage, "resources")) | apis)


def deploy_dax(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Deploy dax.yaml: the app's DAX cluster and its VPC."""
    return _deploy(app, stage, "dax", dax_settings(app) | parameters)


def dax_settings(app: str) -> dict[str, str]:
    """Return the parameters of dax.yaml that depend on the app: only some call an identity pool."""
    resources = template(app, "resources").get("Resources", {}).values()
    identities = any(resource["Type"] == "AWS::Cognito::IdentityPool" for resource in resources)
    return {"App": app, "IdentityEndpoint": str(identities).lower()}


def uses_dax(app: str, stage: str, parameters: Mapping[str, str]) -> bool:
    """Return whether the app's parameter ``Dax`` is true: as given, or as it was in the last release."""
    return {**stacks.parameters_of(stack(app, stage, "app"), missing_ok=True), **parameters}.get("Dax") == "true"


def layer(
    requirements: Path,
    files: Mapping[str, Path] = MappingProxyType({}),
    root: str = "python/",
    platform: Sequence[str] = (),
) -> bytes:
    """Return a zip with the packages that *requirements* lists, and *files* by name, all below the folder *root*.

    With the default *root* it is a Lambda layer. *platform* has pip's options for packages that are not pure Python,
    such as `LAMBDA`. Raises PackageFailed.
    """
    target = f"layer-cp{sys.version_info.major}{sys.version_info.minor}"
    if platform:
        target += f"-{hashlib.sha256(' '.join(platform).encode()).hexdigest()[:8]}"
    folder = packages.kept(target, requirements, lambda folder: _install(requirements, folder, platform))
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    # What an installer writes has paths of this machine and versions of build tools.
    found = {name: path for name, path in found.items() if not re.match(r"bin/|[^/]*\.dist-info/", name)}
    return zips.archive({f"{root}{name}": file for name, file in (found | dict(files)).items()})


def _install(requirements: Path, folder: Path, platform: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--no-deps", "--require-hashes", *platform, "--target", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise packages.not_installed(requirements, done.stderr)


def deploy_edge(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Deploy edge.yaml: the distribution. Its parameters include the outputs of the resources and of the app."""
    given = {"App": app} | _outputs(app, stage)
    if "FunctionCode" in declared(app, "edge"):
        given["FunctionCode"] = (ROOT / app / "edge-function.js").read_text()
    if has_signing_key(app):
        given["KeyGroupId"] = signing_keys.ensure(app, stage)
    return _deploy(app, stage, "edge", given | parameters)


def deploy_delivery(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Deploy delivery.yaml: the delivery stream. Its parameters include the outputs of the resources and of the app."""
    return _deploy(app, stage, "delivery", _outputs(app, stage) | parameters)


def _deploy(app: str, stage: str, kind: str, given: Mapping[str, str]) -> dict[str, str]:
    own, text = stack(app, stage, kind), template_file(app, kind).read_text()
    return stacks.deploy(own, text, {"Stage": stage, **_earlier(own), **given})


def _earlier(name: str) -> dict[str, str]:
    """Return what a stack has that was deployed before there was a parameter for it."""
    known = stacks.parameters_of(name, missing_ok=True)
    return {parameter: value for parameter, value in _EARLIER.items() if parameter not in known} if known else {}


def _outputs(app: str, stage: str) -> dict[str, str]:
    """Return the outputs of the resources and of the app's stack. After `chalice deploy` there is no such stack."""
    resources, own = stack(app, stage, "resources"), stack(app, stage, "app")
    return stacks.outputs(resources) | stacks.outputs(own, missing_ok=True)


def has_signing_key(app: str) -> bool:
    """Return whether the distribution trusts a key group, whose key signs links."""
    return "KeyGroupId" in declared(app, "edge")


def refuse_stack(app: str, stage: str) -> None:
    """Raise AlreadyDeployed if the app is released in the stage: two sets of consumers would share its events."""
    if stack(app, stage, "app") in stacks.existing():
        raise AlreadyDeployed(
            f"{app} is released in {stage}, and both would consume its events: "
            f"run `make release APP={app} STAGE={stage}` to update it, or deploy to another stage"
        )


def refuse_chalice(app: str, stage: str) -> None:
    """Raise AlreadyDeployed if `chalice deploy` deployed the app to the stage, from this machine or another one."""
    functions = client("lambda")
    try:
        functions.get_function(FunctionName=f"{app}-{stage}")
    except functions.exceptions.ResourceNotFoundException:
        return
    raise AlreadyDeployed(
        f"`chalice deploy` has deployed {app} to {stage}, and both would consume its events: "
        f"run `cd {app} && chalice delete --stage {stage}` first, where it was deployed, or release to another stage"
    )


def chalice_environment() -> dict[str, str]:
    """Return the environment of the command `CHALICE`."""
    # Without bytecode, equal source makes an equal zip.
    return os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}


def package(app: str, stage: str) -> Path:
    """Write the SAM template and the zip to ``dist/<app>-<stage>/``; return the folder. Raises PackageFailed."""
    folder = ROOT / "dist" / f"{app}-{stage}"
    folder.parent.mkdir(exist_ok=True)
    lock = ROOT / "dist" / f"{app}.lock"  # all stages of an app share the zip that Chalice builds
    succeeded, output = packager.package(ROOT / app, stage, folder, chalice_environment(), lock)
    if not succeeded:
        raise PackageFailed(f"{app}: {packaging_error(output)}")
    return folder


def packaging_error(output: str) -> str:
    """Return why the command `CHALICE` failed, from its *output*: file, line and error for an error of an app's code.

    Otherwise it is all of the output.
    """
    frames = re.findall(rf'File "{re.escape(str(ROOT))}/([^".][^"]*)", line (\d+)', output)
    error = re.findall(r"^\w[\w.]*(?:Error|Exception)\b.*", output, re.MULTILINE)
    if frames and error:
        return "{}, line {}: {}".format(*frames[-1], error[-1])
    return output.removeprefix("Error: ").rstrip()


def _packaged(app: str, stage: str) -> tuple[Path, dict[str, Any]]:
    """Package the app with its policies of today; return the folder and the SAM template in it."""
    write_policies(app, stage)  # again, because another app may have got its API since the resources
    folder = package(app, stage)
    return folder, stacks.parse((folder / "sam.yaml").read_text())


def update_code(app: str, stage: str) -> list[str] | None:
    """Give the functions of the app's stack the code of today, without CloudFormation; return their logical ids.

    Return None, and update nothing, if more than code differs from what is deployed, such as a route or a policy. The
    next release deploys the code again. Raises PackageFailed.
    """
    folder, template = _packaged(app, stage)
    own = stack(app, stage, "app")
    if _without_code(template) != _without_code(stacks.template_of(own, "Original")):
        return None
    bucket, key = stacks.upload((folder / "deployment.zip").read_bytes(), ".zip")
    found = {
        logical: name for logical, (kind, name) in stacks.resources(own).items() if kind == "AWS::Lambda::Function"
    }
    for name in found.values():
        client("lambda").update_function_code(FunctionName=name, S3Bucket=bucket, S3Key=key)
    return sorted(found)


def _without_code(template: dict[str, Any]) -> dict[str, Any]:
    """Return a SAM template without the places of its functions' code."""
    resources = {
        logical: {**each, "Properties": {**each["Properties"], "CodeUri": None}}
        if each["Type"] == "AWS::Serverless::Function"
        else each
        for logical, each in template["Resources"].items()
    }
    return {**template, "Resources": resources}


def deploy_app(app: str, stage: str, **parameters: str) -> dict[str, str]:
    """Deploy the packaged app by CloudFormation and return its outputs, among them ``EndpointURL``."""
    folder, template = _packaged(app, stage)
    text = stacks.upload_code(template, folder)
    own = stack(app, stage, "app")
    given = {"Stage": stage, **_earlier(own), **parameters}
    if uses_dax(app, stage, parameters):
        client = stacks.upload(layer(ROOT / "deploy" / "dax-requirements.txt"), ".zip")
        given |= dict(zip(("DaxClientBucket", "DaxClientKey"), client, strict=True))
    return stacks.deploy(own, text, given)


def address_parameter(app: str, stage: str) -> str:
    """Return the name of the SSM parameter from which other services read the address of the app's API."""
    return f"/{stage}/{app}/api"


def register(app: str, stage: str) -> dict[str, str]:
    """Write the address of the API to its SSM parameter; return the parameter and its value.

    It also lets the people of the stage call this API, and no other one.
    """
    name, address, ssm = address_parameter(app, stage), endpoint(app, stage), client("ssm")
    known = ssm.get_parameters(Names=[name])["Parameters"]
    if not known or known[0]["Value"] != address:
        ssm.put_parameter(Name=name, Value=address, Type="String", Overwrite=True)
    _admit_people(app, stage, str(api_id(app, stage)))
    return {name: address}


def _admit_people(app: str, stage: str, api: str) -> None:
    """Let the people of the stage, such as authors, call the API with this id, which the resources come before."""
    resources = stack(app, stage, "resources")
    known = stacks.parameters_of(resources, missing_ok=True)
    if "ApiId" in declared(app, "resources") and known and known.get("ApiId") != api:
        _deploy(app, stage, "resources", {"ApiId": api})


def api_id(app: str, stage: str) -> str | None:
    """Return the id of the app's API: of its stack, or else of `chalice deploy`; None if there is none."""
    try:
        return str(urlsplit(_endpoint_url(app, stage)).hostname).partition(".")[0]
    except NotDeployed:
        return None


def endpoint(app: str, stage: str) -> str:
    """Return where the API of the app answers, without a closing slash. Raises NotDeployed if there is none."""
    return api_address(_endpoint_url(app, stage))


def _endpoint_url(app: str, stage: str) -> str:
    """Return the URL of the API in the app's stack, or else of the one that `chalice deploy` made."""
    released = stacks.outputs(stack(app, stage, "app"), missing_ok=True)
    return released["EndpointURL"] if released else _endpoint_of_chalice(app, stage)


def _endpoint_of_chalice(app: str, stage: str) -> str:
    try:
        deployed = json.loads((ROOT / app / ".chalice" / "deployed" / f"{stage}.json").read_text())
    except FileNotFoundError:
        raise NotDeployed(f"{app} has no API on {stage}: run `make release APP={app} STAGE={stage}` first") from None
    api = next(resource for resource in deployed["resources"] if resource["resource_type"] == "rest_api")
    return str(api["rest_api_url"])


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
