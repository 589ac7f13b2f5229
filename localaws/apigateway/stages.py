"""Gap: UpdateStage takes unknown paths, and a stage needs neither a valid name nor a deployment.

This module also keeps the access log settings that CloudFormation sets.
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_CreateStage.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
No longer needed when CreateStage for an unknown deployment gets 400, and UpdateStage of `/other` gets 400.
"""

import re
from typing import Any

from ministack.services import apigateway_v1 as gateway
from ministack.services.cloudformation import provisioners

NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
LOG_PATHS = "Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]"
SETTINGS = (
    "metrics/enabled",
    "logging/dataTrace",
    "logging/loglevel",
    "throttling/burstLimit",
    "throttling/rateLimit",
    "caching/ttlInSeconds",
    "caching/enabled",
    "caching/dataEncrypted",
    "caching/requireAuthorizationForCacheControl",
    "caching/unauthorizedCacheControlHeaderStrategy",
)
PATHS = (
    "[/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, "
    "/accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, "
    "/{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, "
    "/{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit"
    "/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, "
    "/{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, "
    "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, "
    "/*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit "
    "/*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, "
    "/*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, "
    "/variables/{variable_name}, /tracingEnabled]"
)
ROOT = frozenset(
    (
        "/accessLogSettings",
        "/cacheClusterEnabled",
        "/cacheClusterSize",
        "/clientCertificateId",
        "/deploymentId",
        "/description",
        "/tracingEnabled",
    )
)
BY_STACKS = frozenset(("/methodSettings", "/variables"))
"""Paths that only the emulator's own CloudFormation patches."""


class Refused(Exception):
    """The arguments are an error code, a message and a status."""


def bad_request(message: str) -> Refused:
    return Refused("BadRequestException", message, 400)


def validate_create(api_id: str, data: dict[str, Any]) -> None:
    """Raise Refused if the stage cannot be created."""
    name = data.get("stageName", "")
    if not NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_-")
    if name in gateway._stages_v1.get(api_id, {}):
        raise Refused("ConflictException", "Stage already exists", 409)
    validate_deployment(api_id, data.get("deploymentId"))


def validate_deployment(api_id: str, deployment_id: Any) -> None:
    if deployment_id not in gateway._deployments_v1.get(api_id, {}):
        raise bad_request("Deployment id does not exist")


def validate_patch(api_id: str, stage: dict[str, Any], operation: dict[str, Any]) -> None:
    """Raise Refused if the patch operation is invalid for the stage."""
    op, path, value = operation.get("op"), operation.get("path") or "", operation.get("value")
    if path in BY_STACKS and not isinstance(value, str):
        return
    if path == "/deploymentId":
        validate_deployment(api_id, value)
    if path.startswith("/accessLogSettings"):
        return validate_access_log(stage, path, op, value)
    if op == "remove" and path not in ROOT and not path.startswith("/variables/"):
        return validate_removal(stage, path)
    setting = "/".join(path.split("/")[-2:])
    if path not in ROOT and not path.startswith("/variables/") and (setting not in SETTINGS or path.count("/") < 4):
        raise bad_request(f"Invalid method setting path: {path}. Must be one of: {PATHS}")


def validate_access_log(stage: dict[str, Any], path: str, op: str | None, value: Any) -> None:
    settings = stage.get("accessLogSettings") or {}
    member = path.removeprefix("/accessLogSettings").removeprefix("/")
    if op == "remove":
        if (member and member not in settings) or member == "destinationArn":
            raise bad_request(
                f"Cannot remove method setting {path[1:]} because there is no method setting for this method "
            )
    elif member not in ("destinationArn", "format"):
        raise bad_request(f"Invalid accessLogSettings path. {LOG_PATHS}")
    elif not value:
        raise bad_request("Access Log value must not be empty")


def validate_removal(stage: dict[str, Any], path: str) -> None:
    key = path[1:].replace("~1", "/")
    if not any(f"{method}/".startswith(f"{key.lstrip('/')}/") for method in stage.get("methodSettings", {})):
        raise bad_request(f"Cannot remove method setting {key} because there is no method setting for this method ")


def with_create_check(create: Any) -> Any:
    def create_stage(api_id: str, data: dict[str, Any]) -> Any:
        try:
            if api_id in gateway._rest_apis:
                validate_create(api_id, data)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        return create(api_id, data)

    return create_stage


def with_patch_check(update: Any) -> Any:
    def update_stage(api_id: str, stage_name: str, data: dict[str, Any]) -> Any:
        stage = gateway._stages_v1.get(api_id, {}).get(stage_name)
        try:
            for operation in data.get("patchOperations", []) if stage else []:
                validate_patch(api_id, stage, operation)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        return update(api_id, stage_name, data)

    return update_stage


def with_stage_filter(get_stages: Any) -> Any:
    """Wrap the handler of requests to select the stages of one deployment (`deploymentId` in the query)."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: dict[str, Any]) -> Any:
        match method, path.strip("/").split("/"):
            case "GET", ["restapis", api_id, "stages"] if gateway._qp(query, "deploymentId"):
                chosen = gateway._qp(query, "deploymentId")
                stages = gateway._stages_v1.get(api_id, {}).values()
                return gateway._v1_response({"item": [one for one in stages if one["deploymentId"] == chosen]})
        return await get_stages(method, path, headers, body, query)

    return handle


def with_stack_settings(provision: Any, *, creates: bool) -> Any:
    """Wrap the create or update of a stage by CloudFormation, to refuse what CreateStage refuses and keep its logs."""

    def provision_stage(*arguments: Any) -> Any:
        properties = arguments[-2]
        api_id, name = properties["RestApiId"], properties["StageName"]
        try:
            if creates:
                validate_create(api_id, {"stageName": name, "deploymentId": properties.get("DeploymentId")})
            else:
                validate_deployment(api_id, properties.get("DeploymentId"))
        except Refused as refused:
            raise ValueError(refused.args[1]) from refused
        provisioned = provision(*arguments)
        setting = properties.get("AccessLogSetting") or {}
        logs = {"destinationArn": setting.get("DestinationArn"), "format": setting.get("Format")}
        gateway._stages_v1[api_id][name]["accessLogSettings"] = {key: value for key, value in logs.items() if value}
        return provisioned

    return provision_stage


def apply() -> None:
    gateway._create_stage = with_create_check(gateway._create_stage)
    gateway._update_stage = with_patch_check(gateway._update_stage)
    gateway.handle_request = with_stage_filter(gateway.handle_request)
    stage = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Stage"]
    stage["create"] = with_stack_settings(stage["create"], creates=True)
    stage["update"] = with_stack_settings(stage["update"], creates=False)
