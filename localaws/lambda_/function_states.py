"""Gap: an update makes a function `Pending`, and operations on a function that is not ready are accepted.

A new function is `Pending` and cannot be invoked or changed. An update leaves it `Active`, and refuses another update
until its `LastUpdateStatus` is `Successful`. Like AWS, this module leaves out the settings that are empty.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
No longer needed when Invoke of a function that has just been created returns a ResourceConflictException.
"""

import hashlib
import json
from typing import Any

from ministack.core.responses import get_region
from ministack.services import lambda_svc

from localaws.lambda_.request_constraints import operation_of

CHANGE_SECONDS = 0.2
"""How long a function is `Pending`, and an update in progress. AWS takes seconds."""
UPDATES = ("UpdateFunctionCode", "UpdateFunctionConfiguration")
REASON = "The function is being created."  # AWS says so of an update too
EMPTY: tuple[Any, ...] = ("", None, [])
OMITTED = (
    "FileSystemConfigs",
    "KMSKeyArn",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "Layers",
    "StateReason",
    "StateReasonCode",
)
UPDATING = {
    "State": "Active",
    "StateReason": "",
    "StateReasonCode": "",
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": REASON,
    "LastUpdateStatusReasonCode": "Creating",
}


def as_described(value: Any) -> Any:
    """Return an answer of the API, with the configurations of functions in it as AWS describes them."""
    if isinstance(value, list):
        return [as_described(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "CodeSha256" in value and "FunctionArn" in value:
        return configuration(value)
    described = {name: as_described(item) if name in CONTAINERS else item for name, item in value.items()}
    if "Configuration" in described and not described.get("Tags"):
        described.pop("Tags", None)
    return described


CONTAINERS = ("Configuration", "Functions", "Versions")


def configuration(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a function as AWS describes it."""
    creating = config.get("State") == "Pending"
    described = {
        name: value
        for name, value in config.items()
        if not (name in OMITTED and value in EMPTY) and not (creating and name.startswith("LastUpdateStatus"))
    }
    if not described.get("VpcConfig", {}).get("SubnetIds"):
        described.pop("VpcConfig", None)
    if described.get("RuntimeVersionConfig") == {"RuntimeVersionArn": ""}:
        version = hashlib.sha256(described["Runtime"].encode()).hexdigest()
        arn = f"arn:aws:lambda:{get_region()}::runtime:{version}"
        described["RuntimeVersionConfig"] = {"RuntimeVersionArn": arn}
    return described


def with_described_functions(respond: Any) -> Any:
    """Wrap the emulator's function that builds a response."""

    def response(data: Any, *arguments: Any, **options: Any) -> Any:
        return respond(as_described(data), *arguments, **options)

    return response


def keeping_active(update: Any) -> Any:
    """Wrap an update of a function: it stays `Active`."""

    def update_function(name: str, data: dict[str, Any]) -> Any:
        status, headers, body = update(name, data)
        if status >= 400:
            return status, headers, body
        lambda_svc._functions[name]["config"].update(UPDATING)
        return lambda_svc.json_response(json.loads(body) | UPDATING, status)

    return update_function


def conflict(name: str, *, updates: bool) -> Any:
    """Return the error for an operation on the function while it is not ready, or None."""
    config = (lambda_svc._functions.get(name) or {}).get("config") or {}
    reason = ""
    if config.get("State") == "Pending":
        reason = "The function is currently in the following state: Pending"
    elif updates and config.get("LastUpdateStatus") == "InProgress":
        reason = f"An update is in progress for resource: {config['FunctionArn']}"
    if not reason:
        return None
    message = f"The operation cannot be performed at this time. {reason}"
    return lambda_svc.error_response_json("ResourceConflictException", message, 409)


def refusing_updates(handle_request: Any) -> Any:
    """Wrap the handler of Lambda's API. A stack waits by itself."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if method == "PUT" and (found := operation_of(method, path)) and found[0].name in UPDATES:
            name = lambda_svc._resolve_request_scoped_name(found[1]["FunctionName"])
            if error := conflict(name, updates=True):
                return error
        return await handle_request(method, path, headers, body, query)

    return handle


def refusing_invocations(invoke: Any) -> Any:
    async def invoke_function(name: str, *arguments: Any) -> Any:
        return conflict(name, updates=False) or await invoke(name, *arguments)

    return invoke_function


def apply() -> None:
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = CHANGE_SECONDS
    lambda_svc.json_response = with_described_functions(lambda_svc.json_response)
    lambda_svc._update_code = keeping_active(lambda_svc._update_code)
    lambda_svc._update_config = keeping_active(lambda_svc._update_config)
    lambda_svc.handle_request = refusing_updates(lambda_svc.handle_request)
    lambda_svc._invoke = refusing_invocations(lambda_svc._invoke)
