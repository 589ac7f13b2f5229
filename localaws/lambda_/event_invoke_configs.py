"""Gap: the settings for asynchronous invocations accept any destination, and cannot be updated.

A function's dead-letter queue is checked in the same way: the role must be able to send to it.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
No longer needed when PutFunctionEventInvokeConfig refuses a queue to which the function's role cannot send.
"""

import json
import re
import time
from typing import Any
from urllib.parse import unquote

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import lambda_svc

from localaws.lambda_.execution_role import SEND_ACTIONS, denied_send

SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
SIDES = ("OnSuccess", "OnFailure")


def put_settings(name: str, qualifier: str | None, data: dict[str, Any]) -> Any:
    """Store the settings for asynchronous invocations; what is not given is removed."""
    given = {setting: data[setting] for setting in SETTINGS if data.get(setting) is not None}
    if not given:
        return lambda_svc._invalid_parameter_value(
            "You must specify at least one of error handling or destination setting."
        )
    function = lambda_svc._functions.get(name)
    if not function or not lambda_svc._function_qualifier_exists(function, qualifier):
        return lambda_svc.error_response_json("ResourceNotFoundException", "The function doesn't exist.", 404)
    destinations = given.pop("DestinationConfig", {})
    if error := destination_error(function["config"], destinations):
        return error
    stored = given | {
        "FunctionArn": f"{lambda_svc._func_arn(name)}:{qualifier or '$LATEST'}",
        "LastModified": int(time.time()),
        "DestinationConfig": {side: destinations.get(side) or {} for side in SIDES},
    }
    function.setdefault("event_invoke_configs", {})[qualifier or "$LATEST"] = stored
    return lambda_svc.json_response(stored)


def update_settings(name: str, qualifier: str | None, data: dict[str, Any]) -> Any:
    """Change the given settings for asynchronous invocations, and keep the others."""
    stored = ((lambda_svc._functions.get(name) or {}).get("event_invoke_configs") or {}).get(qualifier or "$LATEST")
    if name in lambda_svc._functions and stored is None:
        return no_settings(name, qualifier)
    return put_settings(name, qualifier, {setting: (stored or {}).get(setting) for setting in SETTINGS} | data)


def no_settings(name: str, qualifier: str | None) -> Any:
    text = f"The function {lambda_svc._func_arn(name)}:{qualifier or '$LATEST'} doesn't have an EventInvokeConfig"
    return lambda_svc.error_response_json("ResourceNotFoundException", text, 404)


def with_update(handle_request: Any) -> Any:
    """Wrap the handler of Lambda's API, which lacks UpdateFunctionEventInvokeConfig."""
    path_of = re.compile(r"/2019-09-25/functions/([^/]+)/event-invoke-config")

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        match = path_of.fullmatch(unquote(path)) if method == "POST" else None
        if not match:
            return await handle_request(method, path, headers, body, query)
        name, qualifier = lambda_svc._resolve_request_scoped_name_and_qualifier(match[1])
        return update_settings(
            name, lambda_svc._qualifier_from_path_or_query(qualifier, query), json.loads(body or b"{}")
        )

    return handle


def destination_error(config: dict[str, Any], destinations: dict[str, Any]) -> Any:
    """Return the error for a destination that is invalid, or to which the role cannot send; or None."""
    targets = {side: (destinations.get(side) or {}).get("Destination") for side in SIDES}
    if any(target and _service(target) not in SEND_ACTIONS for target in targets.values()):
        given = [
            f"{side[0].lower()}{side[1:]}={f'{side}(destination={target})' if target else 'null'}"
            for side, target in targets.items()
        ]
        return lambda_svc._invalid_parameter_value(
            f"The provided destination config DestinationConfig({', '.join(given)}) is invalid."
        )
    if error := lambda_svc._validate_destination_config(destinations):
        return error
    for target in filter(None, targets.values()):
        if ":lambda:" in target:
            name, _ = lambda_svc._resolve_name_and_qualifier(target)
            if name == config["FunctionName"]:
                return lambda_svc._invalid_parameter_value(
                    "You can't specify the function as a destination for itself."
                )
            if name not in lambda_svc._functions:
                return lambda_svc._invalid_parameter_value(f"The destination ARN {target} is invalid.")
        if action := denied_send(config["Role"], target):
            return lambda_svc._invalid_parameter_value(
                f"The function's execution role does not have permissions to call {action} on {target}"
            )
    return None


def _service(arn: str) -> str:
    try:
        return str(parse_arn(arn).service)
    except ArnParseError:
        return ""


def with_latest(act: Any) -> Any:
    """Wrap an operation on the settings: without a qualifier, it concerns $LATEST."""

    def of_qualifier(name: str, qualifier: str | None = None) -> Any:
        qualifier = qualifier or "$LATEST"
        function = lambda_svc._functions.get(name)
        if function and (function.get("event_invoke_configs") or {}).get(qualifier):
            return act(name, qualifier)
        return no_settings(name, qualifier)

    return of_qualifier


def with_send_permission(change: Any) -> Any:
    """Wrap the create or update of a function: its role must be able to send to its dead-letter queue."""

    def change_function(*arguments: Any) -> Any:
        data = arguments[-1]
        target = (data.get("DeadLetterConfig") or {}).get("TargetArn")
        stored = lambda_svc._functions.get(arguments[0], {}).get("config", {}) if len(arguments) > 1 else {}
        role = data.get("Role") or stored.get("Role")
        if target and role and (action := denied_send(role, target)):
            service = parse_arn(target).service.upper()
            return lambda_svc._invalid_parameter_value(
                f"The provided execution role does not have permissions to call {action} on {service}"
            )
        return change(*arguments)

    return change_function


def apply() -> None:
    lambda_svc.handle_request = with_update(lambda_svc.handle_request)
    lambda_svc._put_event_invoke_config = put_settings
    lambda_svc._get_event_invoke_config = with_latest(lambda_svc._get_event_invoke_config)
    lambda_svc._delete_event_invoke_config = with_latest(lambda_svc._delete_event_invoke_config)
    lambda_svc._create_function = with_send_permission(lambda_svc._create_function)
    lambda_svc._update_config = with_send_permission(lambda_svc._update_config)
