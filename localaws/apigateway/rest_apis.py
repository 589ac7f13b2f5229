"""Gap: an API takes any setting, and a patch of an unknown path.

AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_CreateRestApi.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
No longer needed when CreateRestApi with an empty description, and UpdateRestApi of `/other`, get 400.
"""

import json
from typing import Any

from ministack.services import apigateway_v1 as gateway

MAX_COMPRESSION_SIZE = 10_485_760
COMPRESSION = f"Invalid minimum compression size, must be between 0 and {MAX_COMPRESSION_SIZE}"
ENDPOINT_TYPES = ("PRIVATE", "EDGE", "REGIONAL")
ADDRESS_TYPES = ("ipv4", "dualstack")
OPERATIONS = ("add", "remove", "move", "test", "replace", "copy")
REPLACED = frozenset(
    (
        "/apiKeySource",
        "/description",
        "/disableExecuteApiEndpoint",
        "/endpointConfiguration/ipAddressType",
        "/minimumCompressionSize",
        "/name",
        "/policy",
        "/version",
    )
)
"""Paths that are only replaced, never added or removed."""


class Refused(Exception):
    """The arguments are an error code and a message; the status is 400."""


def bad_request(message: str) -> Refused:
    return Refused("BadRequestException", message)


def invalid(value: Any, member: str, constraint: str) -> Refused:
    return Refused("ValidationException", f"1 validation error detected: {failed(value, member, constraint)}")


def validate_create(data: dict[str, Any]) -> None:
    """Raise Refused if the API cannot be created."""
    endpoint = data.get("endpointConfiguration") or {}
    types, address = endpoint.get("types"), endpoint.get("ipAddressType")
    validate_endpoint_form(types or [], address)
    if not data.get("name"):
        raise bad_request("API name must be specified")
    if types == []:
        raise bad_request("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")
    if types and len(types) > 1:
        raise bad_request("Cannot create an api with multiple Endpoint Types.")
    if types == ["PRIVATE"] and address == "ipv4":
        raise bad_request("Only dualstack ipAddressType is supported for Private APIs.")
    validate_compression(data.get("minimumCompressionSize"))


def validate_endpoint_form(types: list[str], address: Any) -> None:
    errors = []
    where = "createRestApiInput.endpointConfiguration"
    if not set(types) <= set(ENDPOINT_TYPES):
        one_of = f"[Member must satisfy enum value set: [{', '.join(ENDPOINT_TYPES)}]]"
        errors.append(failed(f"[{', '.join(types)}]", f"{where}.types", f"Member must satisfy constraint: {one_of}"))
    if address not in (None, *ADDRESS_TYPES):
        one_of = f"Member must satisfy enum value set: [{', '.join(ADDRESS_TYPES)}]"
        errors.append(failed(address, f"{where}.ipAddressType", one_of))
    if errors:
        count = "1 validation error" if len(errors) == 1 else f"{len(errors)} validation errors"
        raise Refused("ValidationException", f"{count} detected: {'; '.join(errors)}")


def failed(value: Any, member: str, constraint: str) -> str:
    return f"Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"


def validate_compression(size: Any) -> None:
    if size in (None, ""):
        return
    if not str(size).isdigit() or int(size) > MAX_COMPRESSION_SIZE:
        raise bad_request(COMPRESSION)


def validate_patch(operation: dict[str, Any], private: bool) -> None:
    """Raise Refused if the patch operation of an API is invalid."""
    op, path, value = operation.get("op"), operation.get("path") or "", operation.get("value")
    if path in REPLACED and op != "replace" and (op, path) != ("remove", "/description"):
        raise bad_request("Invalid patch operation specified. Must be one of: [replace]")
    if path == "/minimumCompressionSize":
        validate_compression(value)
    elif path.startswith("/endpointConfiguration/"):
        validate_endpoint_patch(op, path.removeprefix("/endpointConfiguration/"), value, private)
    elif path not in REPLACED and not path.startswith("/binaryMediaTypes/"):
        raise bad_request(f"Invalid patch path {path}")


def validate_endpoint_patch(op: Any, member: str, value: Any, private: bool) -> None:
    if member == "ipAddressType":
        if value not in ADDRESS_TYPES:
            raise bad_request("ipAddressType must be either ipv4 or dualstack.")
        if private and value == "ipv4":
            raise bad_request("Only dualstack ipAddressType is supported for Private APIs.")
    elif op not in ("add", "replace"):
        raise bad_request("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")
    elif value not in (None, *ENDPOINT_TYPES):
        raise bad_request("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")


def validate_operations(operations: list[dict[str, Any]]) -> None:
    """Raise Refused if a patch operation has an unknown name."""
    one_of = f"failed to satisfy constraint: Member must satisfy enum value set: [{', '.join(OPERATIONS)}]"
    errors = [
        f"Value '{operation['op']}' at 'updateRestApiInput.patchOperations.{number}.member.op' {one_of}"
        for number, operation in enumerate(operations, 1)
        if operation.get("op") not in OPERATIONS
    ]
    if errors:
        count = "1 validation error" if len(errors) == 1 else f"{len(errors)} validation errors"
        raise Refused("ValidationException", f"{count} detected: {'; '.join(errors)}")


def with_address_type(endpoint: dict[str, Any]) -> dict[str, Any]:
    types = endpoint.get("types") or ["EDGE"]
    address = "dualstack" if types == ["PRIVATE"] else endpoint.get("ipAddressType") or "ipv4"
    return endpoint | {"types": types, "ipAddressType": address}


def with_create_check(create: Any) -> Any:
    def create_rest_api(data: dict[str, Any]) -> Any:
        try:
            validate_create(data)
        except Refused as refused:
            return gateway._v1_error(*refused.args, 400)
        return create(data | {"endpointConfiguration": with_address_type(data.get("endpointConfiguration") or {})})

    return create_rest_api


def patched_binary_types(types: list[str], operation: dict[str, Any]) -> list[str]:
    """Return the binary media types after the operation on one of them, whose name is the end of the path."""
    named = operation["path"].removeprefix("/binaryMediaTypes/").replace("~1", "/").replace("~0", "~")
    if operation["op"] == "add":
        return [*types, named]
    kept = [one for one in types if one != named]
    return [*kept, operation["value"]] if operation["op"] == "replace" else kept


def with_patch_check(update: Any) -> Any:
    def update_rest_api(api_id: str, data: dict[str, Any]) -> Any:
        api = gateway._rest_apis.get(api_id)
        operations = data.get("patchOperations", [])
        if api is None or not all(isinstance(operation.get("value"), str | None) for operation in operations):
            return update(api_id, data)  # unknown, or CloudFormation in the emulator
        try:
            validate_operations(operations)
            for operation in operations:
                private = api["endpointConfiguration"]["types"] == ["PRIVATE"]
                validate_patch(operation, private)
                if operation["path"].startswith("/binaryMediaTypes/"):
                    api["binaryMediaTypes"] = patched_binary_types(api.get("binaryMediaTypes") or [], operation)
                else:
                    if operation["path"] == "/disableExecuteApiEndpoint":
                        operation = operation | {"value": operation.get("value") == "true"}
                    status, headers, body = update(api_id, {"patchOperations": [operation]})
                    if status >= 400:
                        return status, headers, body
                    api["endpointConfiguration"] = with_address_type(api["endpointConfiguration"])
        except Refused as refused:
            return gateway._v1_error(*refused.args, 400)
        return update(api_id, {"patchOperations": []})

    return update_rest_api


def with_description_check(handle_request: Any) -> Any:
    """Wrap the handler of requests: the emulator's own CloudFormation creates APIs with an empty description."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: dict[str, Any]) -> Any:
        if (method, path.strip("/")) == ("POST", "restapis") and not gateway._qp(query, "mode"):
            data = json.loads(body or b"{}")
            try:
                if data.get("name") and data.get("description") == "":
                    endpoint = data.get("endpointConfiguration") or {}
                    validate_endpoint_form(endpoint.get("types") or [], endpoint.get("ipAddressType"))
                    raise bad_request("Description cannot be an empty string")
                validate_create(data)
            except Refused as refused:
                return gateway._v1_error(*refused.args, 400)
        return await handle_request(method, path, headers, body, query)

    return handle


def apply() -> None:
    gateway.handle_request = with_description_check(gateway.handle_request)
    gateway._create_rest_api = with_create_check(gateway._create_rest_api)
    gateway._update_rest_api = with_patch_check(gateway._update_rest_api)
