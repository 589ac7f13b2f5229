"""Gap: UpdateGatewayResponse is missing, and other operations of gateway responses refuse less than on AWS.

A response of a type takes the status of a customized DEFAULT_4XX or DEFAULT_5XX, too.
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateGatewayResponse.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
No longer needed when UpdateGatewayResponse of `/statusCode` changes the status of a response.
"""

import json
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import apigateway_v1 as gateway

from localaws.apigateway.rest_apis import OPERATIONS, Refused, bad_request, invalid

TYPES = (
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "MISSING_AUTHENTICATION_TOKEN",
    "BAD_REQUEST_BODY",
    "INVALID_SIGNATURE",
    "INVALID_API_KEY",
    "BAD_REQUEST_PARAMETERS",
    "AUTHORIZER_FAILURE",
    "UNAUTHORIZED",
    "INTEGRATION_TIMEOUT",
    "ACCESS_DENIED",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "WAF_FILTERED",
    "QUOTA_EXCEEDED",
    "THROTTLED",
    "API_CONFIGURATION_ERROR",
    "UNSUPPORTED_MEDIA_TYPE",
    "INTEGRATION_FAILURE",
    "EXPIRED_TOKEN",
)
"""The types in the order in which AWS lists them."""


def validate_type(kind: str) -> None:
    if kind not in TYPES:
        raise invalid(kind, "responseType", f"Member must satisfy enum value set: [{', '.join(TYPES)}]")


def validate_operation(number: int, operation: dict[str, Any], response: dict[str, Any]) -> tuple[str, str]:
    """Return the member and the key of the patch operation, which may be empty. Raises Refused."""
    op, path, value = operation.get("op"), operation.get("path"), operation.get("value")
    if op not in OPERATIONS:
        where = f"updateGatewayResponseInput.patchOperations.{number}.member.op"
        raise invalid(op, where, f"Member must satisfy enum value set: [{', '.join(OPERATIONS)}]")
    member, _, key = (path or "").removeprefix("/").partition("/")
    key = key.replace("~1", "/").replace("~0", "~")
    if member not in ("statusCode", "responseParameters", "responseTemplates") or (member == "statusCode") == bool(key):
        raise bad_request(f"Invalid patch path {'null' if path is None else path}")
    if member == "statusCode" and op != "replace":
        raise bad_request(f"Invalid patch path {path}")
    if member != "statusCode" and op in ("add", "replace") and not value:
        raise bad_request(f"Invalid null or empty value in {member}")
    if op in ("replace", "remove") and member != "statusCode" and key not in response[member]:
        raise Refused("NotFoundException", "Invalid parameter name specified", 404)
    return member, key


def update(api_id: str, kind: str, operations: list[dict[str, Any]]) -> Any:
    """Apply the patch operations to the API's response of the type. Raises Refused."""
    current = gateway._gateway_response_for_type(gateway._gateway_responses.get(api_id, {}), kind)
    response = json.loads(json.dumps(current)) | {"defaultResponse": False}
    for number, operation in enumerate(operations, 1):
        member, key = validate_operation(number, operation, response)
        if member == "statusCode":
            response["statusCode"] = operation.get("value")
        elif operation["op"] == "remove":
            del response[member][key]
        else:
            response[member][key] = operation["value"]
    gateway._gateway_responses.setdefault(api_id, {})[kind] = response
    return gateway._v1_response(response)


def respond(method: str, api_id: str, kind: str, body: bytes) -> Any:
    """Return the response to a request that the emulator does not answer as AWS, or None. Raises Refused."""
    if api_id not in gateway._rest_apis:
        unknown = f"Invalid API identifier specified {get_account_id()}:{api_id}"
        return gateway._v1_error("NotFoundException", unknown, 404)
    validate_type(kind)
    if method == "PATCH":
        return update(api_id, kind, json.loads(body or b"{}").get("patchOperations", []))
    if method == "DELETE" and kind not in gateway._gateway_responses.get(api_id, {}):
        return gateway._v1_error("NotFoundException", "Gateway response type not defined on api", 404)
    return None


def with_all_operations(handle_request: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        match path.strip("/").split("/"):
            case ["restapis", api_id, "gatewayresponses", kind]:
                try:
                    response = respond(method, api_id, kind, body)
                except Refused as refused:
                    response = gateway._v1_error(*(*refused.args, 400)[:3])
                if response is not None:
                    return response
        return await handle_request(method, path, headers, body, query)

    return handle


def with_status_of_family(find: Any) -> Any:
    def response_for_type(customized: dict[str, Any], kind: str) -> Any:
        response = find(customized, kind)
        family = customized.get(gateway._gateway_response_family(kind))
        if kind in customized or not family or family.get("statusCode") is None:
            return response
        return response | {"statusCode": family["statusCode"]}

    return response_for_type


def apply() -> None:
    gateway._gateway_response_for_type = with_status_of_family(gateway._gateway_response_for_type)
    gateway.handle_request = with_all_operations(gateway.handle_request)
