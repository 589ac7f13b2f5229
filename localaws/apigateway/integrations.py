"""Gap: a resource, a method and an integration are stored whatever they refer to.

AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_CreateResource.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_PutMethod.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegration.html
No longer needed when PutIntegration of the type AWS_PROXY with a function's ARN as `uri` gets 400.
"""

import json
import re
from typing import Any

from ministack.services import apigateway_v1 as gateway

TYPES = ("HTTP", "MOCK", "AWS_PROXY", "HTTP_PROXY", "AWS")
STATUS = re.compile(r"[1-5]\d\d")
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
PATH_PART = re.compile(r"[A-Za-z0-9._:~%$*+!'(),;=@&-]+|\{[A-Za-z0-9._-]+\+?\}")
INTEGRATION_ARN = re.compile(r"arn:[^:]+:apigateway:[^:]*:([^:]+):(path|action)/(.+)")
FUNCTION_PATH = re.compile(r"2015-03-31/functions/.+/invocations")
MAX_TIMEOUT = 29_000


class Refused(Exception):
    """The arguments are an error code, a message and a status."""


def bad_request(message: str) -> Refused:
    return Refused("BadRequestException", message, 400)


def validate_resource(api_id: str, parent_id: str, part: str) -> None:
    """Raise Refused if the parent cannot have a child with the path part."""
    resources = gateway._resources.get(api_id, {})
    parent = resources[parent_id]
    siblings = [one["pathPart"] for one in resources.values() if one.get("parentId") == parent_id]
    if parent["pathPart"].endswith("+}"):
        raise bad_request(f"Cannot create a child of a resource with a greedy path variable: {parent['pathPart']}")
    if not PATH_PART.fullmatch(part):
        raise bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable "
            "and curly braces at the beginning and the end."
        )
    variable = next((sibling for sibling in siblings if sibling.startswith("{")), None)
    if part.startswith("{") and variable and part not in siblings:
        raise bad_request(
            f"A sibling ({variable}) of this resource already has a variable path part -- only one is allowed"
        )


def validate_method(api_id: str, http_method: str, data: dict[str, Any]) -> None:
    """Raise Refused if the method refers to something that does not exist."""
    if http_method not in METHODS:
        raise bad_request(f"Invalid HttpMethod specified. Valid options are {','.join(METHODS)}")
    needs_authorizer = data.get("authorizationType", "").upper() in ("CUSTOM", "COGNITO_USER_POOLS")
    if needs_authorizer and data.get("authorizerId") not in gateway._authorizers_v1.get(api_id, {}):
        raise bad_request(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
            "requires a valid authorizer."
        )
    validator = data.get("requestValidatorId")
    if validator and validator not in gateway._request_validators.get(api_id, {}):
        raise bad_request("Invalid Request Validator identifier specified")
    known = {model["name"] for model in gateway._models.get(api_id, {}).values()} | {"Empty", "Error"}
    for model in (data.get("requestModels") or {}).values():
        if model not in known:
            raise bad_request(f"Invalid model identifier specified: {model}")
    names = [parameter.rpartition(".")[2] for parameter in data.get("requestParameters") or {}]
    if len(names) != len(set(names)):
        raise bad_request("Parameter names must be unique across querystring, header and path")


def validate_integration(data: dict[str, Any]) -> None:
    """Raise Refused if the integration has no method, an invalid URI, or a time-out that API Gateway does not have."""
    kind, uri = data.get("type"), data.get("uri") or ""
    if kind in ("HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY") and not data.get("httpMethod"):
        raise bad_request("Enumeration value for HttpMethod must be non-empty")
    if kind in ("HTTP", "HTTP_PROXY") and not re.match(r"https?://|\$\{stageVariables\.", uri):
        raise bad_request("Invalid HTTP endpoint specified for URI")
    if kind in ("AWS", "AWS_PROXY"):
        validate_target(kind, uri)
    timeout = data.get("timeoutInMillis")
    if timeout is not None and not 50 <= int(timeout) <= MAX_TIMEOUT:
        raise bad_request(f"Timeout should be between 50 ms and {MAX_TIMEOUT} ms")


def validate_target(kind: str, uri: str) -> None:
    if not re.match(r"arn:[^:]*:[^:]+:", uri):
        raise bad_request("Invalid ARN specified in the request")
    target = INTEGRATION_ARN.fullmatch(uri)
    if not target:
        raise bad_request("AWS ARN for integration must contain path or action")
    service, _, path = target.groups()
    is_function = service == "lambda" and FUNCTION_PATH.fullmatch(path)
    if kind == "AWS_PROXY" and not is_function and not (service == "firehose" and target[2] == "action"):
        raise bad_request(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
        )


def with_resource_check(create: Any) -> Any:
    def create_resource(api_id: str, parent_id: str, data: dict[str, Any]) -> Any:
        try:
            if parent_id in gateway._resources.get(api_id, {}):
                validate_resource(api_id, parent_id, data.get("pathPart", ""))
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        return create(api_id, parent_id, data)

    return create_resource


def with_children(delete: Any) -> Any:
    """Wrap the deletion of a resource to delete those below it, too."""

    def delete_resource(api_id: str, resource_id: str) -> Any:
        response = delete(api_id, resource_id)
        resources = gateway._resources.get(api_id, {})
        for child in [one["id"] for one in resources.values() if one.get("parentId") == resource_id]:
            delete_resource(api_id, child)
        return response

    return delete_resource


def with_method_check(put: Any) -> Any:
    def put_method(api_id: str, resource_id: str, http_method: str, data: dict[str, Any]) -> Any:
        try:
            if resource_id in gateway._resources.get(api_id, {}):
                validate_method(api_id, http_method, data)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        return put(api_id, resource_id, http_method, data)

    return put_method


def with_integration_check(put: Any) -> Any:
    def put_integration(api_id: str, resource_id: str, http_method: str, data: dict[str, Any]) -> Any:
        resource = gateway._resources.get(api_id, {}).get(resource_id) or {}
        try:
            if http_method in resource.get("resourceMethods", {}):
                validate_integration(data)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        response = put(api_id, resource_id, http_method, data)
        if response[0] >= 400:
            return response
        # AWS shows no connection for the types that have none, and no method for a mock without one.
        integration = resource["resourceMethods"][http_method]["methodIntegration"]
        if integration["type"] in ("AWS", "AWS_PROXY", "MOCK"):
            integration["connectionType"] = data.get("connectionType")
            integration["httpMethod"] = data.get("httpMethod")
        return gateway._v1_response(integration, 201)

    return put_integration


def with_given_pattern(put: Any) -> Any:
    """Wrap PutIntegrationResponse: without a selection pattern, AWS shows none."""

    def put_response(api_id: str, resource_id: str, http_method: str, status: str, data: dict[str, Any]) -> Any:
        response = put(api_id, resource_id, http_method, status, data)
        if response[0] >= 400:
            return response
        method = gateway._resources[api_id][resource_id]["resourceMethods"][http_method]
        stored = method["methodIntegration"]["integrationResponses"][status]
        stored["selectionPattern"] = data.get("selectionPattern")
        return gateway._v1_response(stored, 201)

    return put_response


def with_known_method(delete: Any) -> Any:
    def delete_method(api_id: str, resource_id: str, http_method: str) -> Any:
        resource = gateway._resources.get(api_id, {}).get(resource_id)
        if resource and http_method not in resource["resourceMethods"]:
            return gateway._v1_error("NotFoundException", "Invalid Method identifier specified", 404)
        return delete(api_id, resource_id, http_method)

    return delete_method


def with_sorted_parameters(missing: Any) -> Any:
    """Wrap the list of parameters that a request lacks: headers come before the path, and the query comes last."""

    def missing_parameters(method: dict[str, Any], *request: Any) -> Any:
        parameters = dict(sorted((method.get("requestParameters") or {}).items()))
        return missing(method | {"requestParameters": parameters}, *request)

    return missing_parameters


def validate_form(method: str, parts: list[str], body: bytes) -> None:
    """Raise Refused if a value of the request has not the form that the API's model requires."""
    match parts:
        case ["restapis", _, "resources", _, "methods", _, "integration"] if method == "PUT":
            kind = json.loads(body or b"{}").get("type")
            if kind not in TYPES:
                raise invalid(kind, "putIntegrationInput.type", f"enum value set: [{', '.join(TYPES)}]")
        case ["restapis", _, "resources", _, "methods", _, *_, "responses", status] if not STATUS.fullmatch(status):
            raise invalid(status, "statusCode", f"regular expression pattern: {STATUS.pattern}")


def invalid(value: Any, member: str, constraint: str) -> Refused:
    message = f"Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy {constraint}"
    return Refused("ValidationException", f"1 validation error detected: {message}", 400)


def with_form_check(handle_request: Any) -> Any:
    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        try:
            validate_form(method, path.strip("/").split("/"), body)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        return await handle_request(method, path, headers, body, query)

    return handle


def validate_resource_patch(api_id: str, resource: dict[str, Any], operation: dict[str, Any]) -> None:
    """Raise Refused if the patch operation of a resource is invalid."""
    op, path, value = operation.get("op"), operation.get("path"), operation.get("value")
    resources = gateway._resources[api_id]
    member = {"/parentId": "parentId", "/pathPart": "pathPart"}.get(path or "")
    if member is None:
        raise bad_request(
            f"Invalid patch path  '{path}' specified for op '{op}'. Must be one of: [/parentId, /pathPart]"
        )
    if op != "replace":
        raise bad_request(f"Invalid patch path  '{path}' specified for op '{op}'. Please choose supported operations")
    if not resource.get("parentId"):
        raise bad_request(f"Root resource cannot update its {member}.")
    validate_place(resources, resource, resource | {member: value})


def validate_place(resources: dict[str, Any], resource: dict[str, Any], changed: dict[str, Any]) -> None:
    """Raise Refused if the changed resource has no parent, is below itself, or has the name of a sibling."""
    if changed["parentId"] not in resources:
        raise Refused("NotFoundException", "Invalid Resource identifier specified", 404)
    ancestor = resources[changed["parentId"]]
    while ancestor.get("parentId"):
        if ancestor["id"] == resource["id"]:
            raise bad_request("Resources cannot be cyclical.")
        ancestor = resources[ancestor["parentId"]]
    siblings = [one["pathPart"] for one in resources.values() if one.get("parentId") == changed["parentId"]]
    if changed != resource and changed["pathPart"] in siblings:
        reason = f"Another resource with the same parent already has this name: {changed['pathPart']}"
        raise Refused("ConflictException", reason, 409)


def with_resource_patch_check(update: Any) -> Any:
    def update_resource(api_id: str, resource_id: str, data: dict[str, Any]) -> Any:
        resource = gateway._resources.get(api_id, {}).get(resource_id)
        try:
            for operation in data.get("patchOperations", []) if resource else []:
                validate_resource_patch(api_id, resource, operation)
        except Refused as refused:
            return gateway._v1_error(*refused.args)
        response = update(api_id, resource_id, data)
        for other in gateway._resources.get(api_id, {}).values():  # the paths below it have changed
            other["path"] = gateway._compute_path(api_id, other["id"])
        return response

    return update_resource


def apply() -> None:
    gateway.handle_request = with_form_check(gateway.handle_request)
    gateway._missing_request_parameters = with_sorted_parameters(gateway._missing_request_parameters)
    gateway._update_resource = with_resource_patch_check(gateway._update_resource)
    gateway._create_resource = with_resource_check(gateway._create_resource)
    gateway._delete_resource = with_children(gateway._delete_resource)
    gateway._put_method = with_method_check(gateway._put_method)
    gateway._delete_method = with_known_method(gateway._delete_method)
    gateway._put_integration = with_integration_check(gateway._put_integration)
    gateway._put_integration_response = with_given_pattern(gateway._put_integration_response)
