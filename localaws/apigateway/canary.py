"""Gap: a stage has no canary.

A part of the requests is served by the canary's deployment, with its stage variables. A deployment with canary
settings does not change the stage's own. CloudFormation sets the canary of a stage, not that of a deployment.
CloudWatch does not count the requests of the canary separately.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/canary-release.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_CanarySettings.html
No longer needed when a stage with a canary of 100 percent passes the canary's stage variables to the function.
"""

import random
import re
from typing import Any

from ministack.services import apigateway_v1 as gateway
from ministack.services.cloudformation import provisioners

from localaws.apigateway.proxy_event import exchange
from localaws.apigateway.stages import PATHS, Refused, bad_request, validate_deployment

SETTINGS = "/canarySettings"
PATCHED = re.compile(rf"{SETTINGS}/(percentTraffic|deploymentId|useStageCache|stageVariableOverrides/.+)")
COPIES = {"/deploymentId": f"{SETTINGS}/deploymentId", "/variables": f"{SETTINGS}/stageVariableOverrides"}
NO_STAGE = "Non null and non empty stageName must be provided for canary deployment. Provided value is {}"
UNKNOWN_STAGE = "Stage {} must already be created before making a canary release deployment"


def complete(settings: dict[str, Any], deployment: str) -> dict[str, Any]:
    """Return canary settings with the defaults for what they leave out."""
    defaults: dict[str, Any] = {"deploymentId": deployment, "percentTraffic": 0.0, "useStageCache": False}
    found = defaults | {name: value for name, value in settings.items() if value not in (None, {})}
    return found | {"percentTraffic": float(found["percentTraffic"])}


def validate_patch(stage: dict[str, Any], operation: dict[str, Any]) -> None:
    """Raise Refused if the patch operation is not one of a canary."""
    op, path = operation["op"], operation["path"]
    settings = stage.get("canarySettings") or {}
    if op == "remove":
        name, _, variable = path.removeprefix(SETTINGS).removeprefix("/").partition("/")
        overrides = settings.get("stageVariableOverrides", {})
        known = not name or (name == "stageVariableOverrides" and variable in overrides)
        if not known:
            raise bad_request(
                f"Cannot remove method setting {path[1:]} because there is no method setting for this method "
            )
    elif not PATCHED.fullmatch(path):
        raise bad_request(f"Invalid method setting path: {path}. Must be one of: {PATHS}")
    elif op != "replace" and path.endswith("/deploymentId"):
        raise bad_request(f"Invalid {op} operation with path: {path}")


def patch(api_id: str, stage: dict[str, Any], operation: dict[str, Any]) -> None:
    """Apply a patch operation of the canary. Raises Refused."""
    validate_patch(stage, operation)
    settings = dict(stage.get("canarySettings") or {})
    name, _, variable = operation["path"].removeprefix(SETTINGS).removeprefix("/").partition("/")
    value = operation.get("value")
    if name == "deploymentId" and value:
        validate_deployment(api_id, value)
    if operation["op"] == "remove":
        if not name:
            stage.pop("canarySettings", None)
            return
        kept = {key: one for key, one in settings.get(name, {}).items() if key != variable} if variable else {}
        settings[name] = kept
    elif variable:
        settings[name] = settings.get(name, {}) | {variable: value}
    else:
        settings[name] = value == "true" if name == "useStageCache" else value
    stage["canarySettings"] = complete(settings, stage["deploymentId"])


def promote(stage: dict[str, Any], operation: dict[str, Any]) -> None:
    """Copy the canary's deployment or stage variables to the stage. Raises Refused."""
    path, source = operation["path"], operation.get("from")
    if COPIES.get(path) != source:
        raise bad_request(
            f"Invalid copy operation with path: {path} and from {source}. Valid copy:path are "
            f"[{', '.join(COPIES)}] and valid copy:from are [{', '.join(COPIES.values())}]"
        )
    settings = stage.get("canarySettings")
    if not settings:
        raise bad_request("Promotion not available. Canary does not exist.")
    if path == "/deploymentId":
        stage["deploymentId"] = settings["deploymentId"]
    else:
        stage["variables"] = (stage.get("variables") or {}) | settings.get("stageVariableOverrides", {})


def with_canary_patches(update: Any) -> Any:
    def update_stage(api_id: str, stage_name: str, data: dict[str, Any]) -> Any:
        stage = gateway._stages_v1.get(api_id, {}).get(stage_name)
        others = []
        try:
            for operation in data.get("patchOperations", []) if stage else []:
                if operation.get("op") == "copy":
                    promote(stage, operation)
                elif (operation.get("path") or "").startswith(SETTINGS):
                    patch(api_id, stage, operation)
                else:
                    others.append(operation)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        return update(api_id, stage_name, data | {"patchOperations": others})

    return update_stage


def with_canary_of_stage(create: Any) -> Any:
    def create_stage(api_id: str, data: dict[str, Any]) -> Any:
        settings = data.get("canarySettings")
        try:
            if settings and settings.get("deploymentId"):
                validate_deployment(api_id, settings["deploymentId"])
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        response = create(api_id, data)
        if not settings or response[0] >= 400:
            return response
        stage = gateway._stages_v1[api_id][data["stageName"]]
        stage["canarySettings"] = complete(settings, stage["deploymentId"])
        return gateway._v1_response(stage, 201)

    return create_stage


def with_canary_of_deployment(create: Any) -> Any:
    """Wrap CreateDeployment: with canary settings, the stage keeps its deployment and gets a canary."""

    def create_deployment(api_id: str, data: dict[str, Any]) -> Any:
        settings, name = data.get("canarySettings"), data.get("stageName")
        if not settings:
            return create(api_id, data)
        stage = gateway._stages_v1.get(api_id, {}).get(name)
        if stage is None:
            reason = UNKNOWN_STAGE.format(name) if name else NO_STAGE.format("null" if name is None else name)
            return gateway._v1_error("BadRequestException", f"Invalid deployment content specified.{reason}", 400)
        before = set(gateway._deployments_v1.get(api_id, {}))
        response = create(api_id, {key: value for key, value in data.items() if key != "stageName"})
        for deployment in set(gateway._deployments_v1.get(api_id, {})) - before:
            stage["canarySettings"] = complete(settings, deployment)
        return response

    return create_deployment


def with_canary_of_stack(provision: Any) -> Any:
    """Wrap the create or update of a stage by CloudFormation."""

    def provision_stage(*arguments: Any) -> Any:
        provisioned = provision(*arguments)
        properties = arguments[-2]
        stage = gateway._stages_v1[properties["RestApiId"]][properties["StageName"]]
        stage.pop("canarySettings", None)
        if setting := properties.get("CanarySetting"):
            names = {name: name[0].lower() + name[1:] for name in setting}
            settings = {names[name]: value for name, value in setting.items()}
            settings["useStageCache"] = provisioners._cfn_bool(settings.get("useStageCache"))
            stage["canarySettings"] = complete(settings, stage["deploymentId"])
        return provisioned

    return provision_stage


def chosen(stage: dict[str, Any]) -> dict[str, Any] | None:
    """Return the canary's settings if it serves the current request. The choice is made once for each request."""
    settings = stage.get("canarySettings")
    if not settings:
        return None
    current = exchange.get()
    if current.canary is None:
        current.canary = random.random() * 100 < settings["percentTraffic"]  # noqa: S311  # no secret
    return settings if current.canary else None


def with_canary_variables(invoke: Any) -> Any:
    """Wrap the invocation of an integration to pass the canary's stage variables."""

    async def respond(
        integration: dict[str, Any], api_id: str, stage_name: str, stage: dict[str, Any], *call: Any, **context: Any
    ) -> Any:
        if settings := chosen(stage):
            variables = (stage.get("variables") or {}) | settings.get("stageVariableOverrides", {})
            stage = stage | {"variables": variables, "deploymentId": settings["deploymentId"]}
        return await invoke(integration, api_id, stage_name, stage, *call, **context)

    return respond


def apply() -> None:
    gateway._update_stage = with_canary_patches(gateway._update_stage)
    gateway._create_stage = with_canary_of_stage(gateway._create_stage)
    gateway._create_deployment = with_canary_of_deployment(gateway._create_deployment)
    gateway._invoke_lambda_proxy_v1 = with_canary_variables(gateway._invoke_lambda_proxy_v1)
    gateway._invoke_lambda_custom_v1 = with_canary_variables(gateway._invoke_lambda_custom_v1)
    stage = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Stage"]
    for action in ("create", "update"):
        stage[action] = with_canary_of_stack(stage[action])
