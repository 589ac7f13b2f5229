"""Gap: a stage can log in an account without a CloudWatch role, and the account takes any text as that role.

API Gateway needs the role for access logs and for the execution logs of a method. It accepts a role that it can assume
and that allows writing to CloudWatch Logs. The account keeps the role when the stack that set it is deleted.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
No longer needed when CreateStage with access log settings, in an account without the role, answers `CloudWatch Logs
role ARN must be set in account settings to enable logging`.
"""

from typing import Any

from ministack.services import apigateway_v1 as gateway
from ministack.services.cloudformation import provisioners

from localaws.iam.service_roles import trusts
from localaws.lambda_.execution_role import is_allowed

NO_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"
UNUSABLE_ROLE = (
    "The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add "
    "the required role policy."
)
SERVICE = "apigateway.amazonaws.com"
ACTIONS = ("CreateLogGroup", "CreateLogStream", "PutLogEvents")

type Json = dict[str, Any]


def has_role() -> bool:
    return bool((gateway._account_settings.get("settings") or {}).get("cloudwatchRoleArn"))


def is_usable(role: str) -> bool:
    """Return whether API Gateway can assume the role and write logs with it."""
    log_group = f"arn:aws:logs:{gateway.get_region()}:{gateway.get_account_id()}:log-group:any"
    return trusts(role, SERVICE) and all(is_allowed(role, action, log_group) for action in ACTIONS)


def logs(stage: Json) -> bool:
    """Return whether the stage, in the form of the API or of CloudFormation, writes logs."""
    access = stage.get("accessLogSettings") or stage.get("AccessLogSetting") or {}
    methods = stage.get("methodSettings") or stage.get("MethodSettings") or []
    settings = methods.values() if isinstance(methods, dict) else methods
    levels = {each.get("loggingLevel") or each.get("LoggingLevel") or "OFF" for each in settings}
    return bool(access.get("destinationArn") or access.get("DestinationArn") or levels - {"OFF"})


def patch_logs(operation: Json) -> bool:
    """Return whether an operation of UpdateStage makes the stage write logs."""
    path, value = str(operation.get("path")), operation.get("value")
    if operation.get("op") == "remove" or not value:
        return False
    return path == "/accessLogSettings/destinationArn" or (path.endswith("/logging/loglevel") and value != "OFF")


def create_stage(create: Any) -> Any:
    def create_with_role(api_id: str, data: Json) -> Any:
        if logs(data) and not has_role():
            return gateway._v1_error("BadRequestException", NO_ROLE, 400)
        return create(api_id, data)

    return create_with_role


def update_stage(update: Any) -> Any:
    def update_with_role(api_id: str, stage: str, data: Json) -> Any:
        if any(patch_logs(operation) for operation in data.get("patchOperations", [])) and not has_role():
            return gateway._v1_error("BadRequestException", NO_ROLE, 400)
        return update(api_id, stage, data)

    return update_with_role


def update_account(update: Any) -> Any:
    def update_with_usable_role(data: Json) -> Any:
        for operation in data.get("patchOperations", []):
            role = operation.get("value")
            if operation.get("path") == "/cloudwatchRoleArn" and role and not is_usable(role):
                return gateway._v1_error("BadRequestException", UNUSABLE_ROLE, 400)
        return update(data)

    return update_with_usable_role


def provision_stage(provision: Any) -> Any:
    """Wrap the create or update of a stage by CloudFormation."""

    def provision_with_role(*arguments: Any) -> Any:
        if logs(arguments[-2]) and not has_role():
            raise ValueError(failure(NO_ROLE))
        return provision(*arguments)

    return provision_with_role


def provision_account(provision: Any) -> Any:
    """Wrap the create or update of AWS::ApiGateway::Account by CloudFormation."""

    def provision_with_usable_role(*arguments: Any, **named: Any) -> Any:
        role = arguments[-2].get("CloudWatchRoleArn")
        if role and not is_usable(role):
            raise ValueError(failure(UNUSABLE_ROLE))
        return provision(*arguments, **named)

    return provision_with_usable_role


def failure(message: str) -> str:
    """Return the reason that CloudFormation gives for an error of API Gateway."""
    return (
        f'Resource handler returned message: "{message} (Service: ApiGateway, Status Code: 400)" '
        "(HandlerErrorCode: InvalidRequest)"
    )


def apply() -> None:
    gateway._create_stage = create_stage(gateway._create_stage)
    gateway._update_stage = update_stage(gateway._update_stage)
    gateway._update_account = update_account(gateway._update_account)
    for kind, wrap in (("Stage", provision_stage), ("Account", provision_account)):
        handlers = provisioners._RESOURCE_HANDLERS[f"AWS::ApiGateway::{kind}"]
        for action in ("create", "update"):
            handlers[action] = wrap(handlers[action])
    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Account"]["delete"] = lambda physical_id, properties: None
