"""Gap: an import of an OpenAPI document reads only its paths, authorizers and integration URIs.

This module also imports parameters, cache keys, models, validators, method, integration and gateway responses, binary
media types and the resource policy.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
No longer needed when a REST API with a MOCK integration for OPTIONS in its `Body` answers OPTIONS with CORS headers.
"""

import json
import re
from contextvars import ContextVar
from typing import Any

from ministack.services import apigateway_v1 as gateway

from localaws.apigateway import models

LOCATIONS = {"header": "header", "path": "path", "query": "querystring"}
INTEGRATION_FIELDS = (
    "cacheKeyParameters",
    "cacheNamespace",
    "connectionType",
    "credentials",
    "httpMethod",
    "requestParameters",
    "requestTemplates",
    "timeoutInMillis",
    "uri",
)
UPPERCASE_FIELDS = ("contentHandling", "passthroughBehavior", "type")

default_validator: ContextVar[str | None] = ContextVar("default_validator", default=None)
"""The name of the document's request validator, for operations that name none."""
warnings: ContextVar[list[str]] = ContextVar("warnings", default=[])  # noqa: B039  # replaced in each request
"""What the import of the current request leaves out of the document."""


def require_success(response: tuple[int, dict[str, str], bytes]) -> None:
    """Raise ValueError with AWS's message if a part of the document is rejected."""
    status, _, body = response
    if status >= 400:
        raise ValueError(f"Errors found during import: {json.loads(body)['message']}")


def import_operation(
    api_id: str,
    resource_id: str,
    http_method: str,
    operation: dict[str, Any],
    scheme_map: dict[str, Any] | None = None,
    default_security: list[Any] | None = None,
) -> None:
    method_id = (api_id, resource_id, http_method)
    method = gateway._method_security(operation.get("security", default_security), scheme_map or {})
    method["operationName"] = operation.get("operationId", "")
    method["requestModels"] = models.request_models(operation)
    validator = operation.get("x-amazon-apigateway-request-validator", default_validator.get())
    method["requestValidatorId"] = models.validator_id(api_id, validator)
    variables = re.findall(r"\{([^}+]+)\+?\}", gateway._resources[api_id][resource_id]["path"])
    method["requestParameters"] = {f"method.request.path.{variable}": True for variable in variables} | {
        f"method.request.{LOCATIONS[parameter['in']]}.{parameter['name']}": parameter.get("required", False)
        for parameter in operation.get("parameters", [])
        if parameter.get("in") in LOCATIONS
    }
    require_success(gateway._put_method(*method_id, method))
    for status, response in operation.get("responses", {}).items():
        headers = {f"method.response.header.{name}": False for name in response.get("headers", {})}
        stored = {"responseParameters": headers, "responseModels": models.response_models(response)}
        require_success(gateway._put_method_response(*method_id, str(status), stored))
    if integration := operation.get("x-amazon-apigateway-integration"):
        import_integration(method_id, integration)


def import_integration(method_id: tuple[str, str, str], integration: dict[str, Any]) -> None:
    settings = {name: integration[name] for name in INTEGRATION_FIELDS if name in integration}
    settings |= {name: integration[name].upper() for name in UPPERCASE_FIELDS if name in integration}
    if settings.get("type") == "MOCK":
        settings.pop("httpMethod", None)
    settings["requestParameters"] = texts(method_id, settings.get("requestParameters") or {})
    require_success(gateway._put_integration(*method_id, settings))
    for pattern, response in integration.get("responses", {}).items():
        selection = {"selectionPattern": None if pattern == "default" else pattern}
        require_success(
            gateway._put_integration_response(*method_id, str(response["statusCode"]), response | selection)
        )


def texts(method_id: tuple[str, str, str], parameters: dict[str, Any]) -> dict[str, str]:
    """Return the request parameters that are texts; warn of the others."""
    api_id, resource_id, http_method = method_id
    path = gateway._resources[api_id][resource_id]["path"]
    for name, value in parameters.items():
        if not isinstance(value, str):
            warnings.get().append(
                f"Invalid format for 'requestParameters'. Expected type string for property '{name}' of resource "
                f"'{path}' and method '{http_method}' but got '{json.dumps(value)}'"
            )
    return {name: value for name, value in parameters.items() if isinstance(value, str)}


def with_parameters_of_path(item: dict[str, Any]) -> dict[str, Any]:
    """Return the item of a path with its own parameters in each of its operations."""
    shared = item.get("parameters") or []
    return {
        name: operation | {"parameters": [*shared, *operation.get("parameters", [])]}
        if shared and isinstance(operation, dict)
        else operation
        for name, operation in item.items()
        if name != "parameters"
    }


def import_authorizers(api_id: str, document: dict[str, Any]) -> dict[str, Any]:
    """Import the authorizers; return what their names mean for a method. One of Cognito shows no time to live."""
    schemes: dict[str, Any] = gateway._import_security_schemes(api_id, document)
    for authorizer in gateway._authorizers_v1[api_id].values():
        if authorizer["type"] == "COGNITO_USER_POOLS":
            authorizer["authorizerResultTtlInSeconds"] = None
    return schemes


def import_rest_api(document: dict[str, Any], settings: dict[str, Any] | None = None) -> str:
    settings = dict(settings or {})
    binary = [
        *(settings.get("binaryMediaTypes") or []),
        *document.get("x-amazon-apigateway-binary-media-types", []),
    ]
    settings["binaryMediaTypes"] = list(dict.fromkeys(binary))
    settings["policy"] = settings.get("policy") or document.get("x-amazon-apigateway-policy")
    settings.setdefault("name", document.get("info", {}).get("title", "unnamed"))
    settings.setdefault("version", str(document.get("info", {}).get("version", "")))
    settings.setdefault("description", document.get("info", {}).get("description", ""))
    api_id: str = json.loads(gateway._create_rest_api(settings)[2])["id"]
    token = default_validator.set(document.get("x-amazon-apigateway-request-validator"))
    try:
        models.import_models(api_id, document)
        models.import_validators(api_id, document)
        schemes = import_authorizers(api_id, document)
        for path, item in document.get("paths", {}).items():
            gateway._import_path_item(api_id, path, with_parameters_of_path(item), schemes, document.get("security"))
        for kind, response in document.get("x-amazon-apigateway-gateway-responses", {}).items():
            require_success(gateway._put_gateway_response(api_id, kind, response))
    except Exception:
        gateway._delete_rest_api(api_id)
        raise
    finally:
        default_validator.reset(token)
    return api_id


def apply() -> None:
    gateway._import_operation = import_operation
    gateway._import_rest_api = import_rest_api
