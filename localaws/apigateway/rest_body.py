"""Gap: an import of an OpenAPI document reads only its paths, authorizers and integration URIs.

This module also imports parameters, cache keys, method, integration and gateway responses, binary media types and the
resource policy.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
No longer needed when a REST API with a MOCK integration for OPTIONS in its `Body` answers OPTIONS with CORS headers.
"""

import json
from typing import Any

from ministack.services import apigateway_v1 as gateway

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
    method["requestParameters"] = {
        f"method.request.{LOCATIONS[parameter['in']]}.{parameter['name']}": parameter.get("required", False)
        for parameter in operation.get("parameters", [])
        if parameter.get("in") in LOCATIONS
    }
    require_success(gateway._put_method(*method_id, method))
    for status, response in operation.get("responses", {}).items():
        headers = {f"method.response.header.{name}": False for name in response.get("headers", {})}
        require_success(gateway._put_method_response(*method_id, str(status), {"responseParameters": headers}))
    if integration := operation.get("x-amazon-apigateway-integration"):
        import_integration(method_id, integration)


def import_integration(method_id: tuple[str, str, str], integration: dict[str, Any]) -> None:
    settings = {name: integration[name] for name in INTEGRATION_FIELDS if name in integration}
    settings |= {name: integration[name].upper() for name in UPPERCASE_FIELDS if name in integration}
    require_success(gateway._put_integration(*method_id, settings))
    for pattern, response in integration.get("responses", {}).items():
        selection = {"selectionPattern": None if pattern == "default" else pattern}
        require_success(
            gateway._put_integration_response(*method_id, str(response["statusCode"]), response | selection)
        )


def import_rest_api(document: dict[str, Any], settings: dict[str, Any] | None = None) -> str:
    settings = dict(settings or {})
    binary = [
        *(settings.get("binaryMediaTypes") or []),
        *document.get("x-amazon-apigateway-binary-media-types", []),
    ]
    settings["binaryMediaTypes"] = list(dict.fromkeys(binary))
    settings["policy"] = settings.get("policy") or document.get("x-amazon-apigateway-policy")
    settings.setdefault("name", document.get("info", {}).get("title", "unnamed"))
    settings.setdefault("version", document.get("info", {}).get("version", ""))
    api_id: str = json.loads(gateway._create_rest_api(settings)[2])["id"]
    try:
        schemes = gateway._import_security_schemes(api_id, document)
        for path, item in document.get("paths", {}).items():
            gateway._import_path_item(api_id, path, item, schemes, document.get("security"))
        for kind, response in document.get("x-amazon-apigateway-gateway-responses", {}).items():
            require_success(gateway._put_gateway_response(api_id, kind, response))
    except Exception:
        gateway._delete_rest_api(api_id)
        raise
    return api_id


def apply() -> None:
    gateway._import_operation = import_operation
    gateway._import_rest_api = import_rest_api
