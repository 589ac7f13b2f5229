"""Gap: UpdateMethod and UpdateRequestValidator take any patch operation, and keep its value and path as they are.

AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateMethod.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateRequestValidator.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
No longer needed when UpdateMethod of `/httpMethod` gets 400.
"""

from typing import Any

from ministack.services import apigateway_v1 as gateway

from localaws.apigateway.integrations import Refused, bad_request, validate_method

REPLACED = ("apiKeyRequired", "authorizationType", "authorizerId", "operationName", "requestValidatorId")
MAPS = ("requestModels", "requestParameters")
VALIDATOR_PATHS = ("/name", "/validateRequestParameters", "/validateRequestBody")


def patched(method: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """Return the method after the patch operation. Raises Refused."""
    op, path, value = operation.get("op"), operation.get("path") or "", operation.get("value")
    member, _, key = path.removeprefix("/").partition("/")
    if member in REPLACED and not key:
        if op != "replace":
            raise bad_request("Invalid patch operation specified. Must be one of: [replace]")
        return method | {member: value == "true" if member == "apiKeyRequired" else value}
    if member == "authorizationScopes":
        scopes = [scope for scope in method.get("authorizationScopes") or [] if scope != (key or value)]
        return method | {member: scopes if op == "remove" else [*scopes, value]}
    if member not in MAPS or not key or "/" in key:
        raise bad_request(f"Invalid patch path {path}")
    key = key.replace("~1", "/").replace("~0", "~")
    items = dict(method.get(member) or {})
    if op == "remove":
        items.pop(key, None)
    else:
        items[key] = value == "true" if member == "requestParameters" else value
    return method | {member: items}


def with_method_check(update: Any) -> Any:
    def update_method(api_id: str, resource_id: str, http_method: str, data: dict[str, Any]) -> Any:
        resource = gateway._resources.get(api_id, {}).get(resource_id)
        if api_id not in gateway._rest_apis or not resource or http_method not in resource["resourceMethods"]:
            return update(api_id, resource_id, http_method, data)
        method = resource["resourceMethods"][http_method]
        changed = method
        try:
            for operation in data.get("patchOperations", []):
                changed = patched(changed, operation)
            if changed.get("authorizationType") not in ("CUSTOM", "COGNITO_USER_POOLS"):
                changed = changed | {"authorizerId": None}
            validate_method(api_id, http_method, changed)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        method.update(changed)
        return gateway._v1_response(method)

    return update_method


def validate_validator_patch(operation: dict[str, Any]) -> None:
    """Raise Refused if the patch operation of a request validator is invalid."""
    op, path = operation.get("op"), operation.get("path")
    if path not in VALIDATOR_PATHS:
        raise bad_request(
            f"Invalid patch path  '{path}' specified for op '{op}'. Must be one of: [{', '.join(VALIDATOR_PATHS)}]"
        )
    if op != "replace":
        raise bad_request(f"Invalid patch path  '{path}' specified for op '{op}'. Please choose supported operations")
    if path == "/name" and not operation.get("value"):
        raise bad_request("Request Validator name cannot be blank")


def with_validator_check(update: Any) -> Any:
    def update_validator(api_id: str, validator_id: str, data: dict[str, Any]) -> Any:
        try:
            for operation in data.get("patchOperations", []):
                validate_validator_patch(operation)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        return update(api_id, validator_id, data)

    return update_validator


def with_unknown_resource(handle_request: Any) -> Any:
    """Wrap the handler of requests: of an unknown API, AWS names its resource as unknown."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        match method, path.strip("/").split("/"):
            case "PATCH", ["restapis", api_id, "resources", _, "methods", _] if api_id not in gateway._rest_apis:
                return gateway._v1_error("NotFoundException", "Invalid Resource identifier specified", 404)
        return await handle_request(method, path, headers, body, query)

    return handle


def apply() -> None:
    gateway.handle_request = with_unknown_resource(gateway.handle_request)
    gateway._update_method = with_method_check(gateway._update_method)
    gateway._update_request_validator = with_validator_check(gateway._update_request_validator)
