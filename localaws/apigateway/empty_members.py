"""Gap: responses of the control API contain members that have no value, and some that AWS does not send.

A client that compares what it gets with what it sent sees a difference. An error for an unknown API names the account
and the API.
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_Stage.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_RestApi.html
No longer needed when CreateStage with only the required parameters returns no `variables`, `tags` and
`accessLogSettings`.
"""

import json
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import apigateway_v1 as gateway

KEPT = frozenset(
    (
        "cacheKeyParameters",
        "item",
        "items",
        "methodSettings",
        "selectionPattern",
        "stageKeys",
    )
)
"""Members that AWS sends without a value, too."""

OBJECTS = frozenset(("item", "items", "methodIntegration"))
MAPS_OF_OBJECTS = frozenset(("integrationResponses", "methodResponses", "resourceMethods"))
MAPS_SENT_EMPTY = frozenset(("responseParameters", "responseTemplates"))
"""Members of a gateway response, which AWS sends without a value, too."""

OWN = frozenset(("apiStatus", "apiSummary"))
"""Members that AWS does not send: the first is of other API types, the second is embedded on request only."""

UNKNOWN_API = "Invalid API identifier specified"


def without_empty(value: Any) -> Any:
    """Return an object of the API, or a list of them, without members that have no value."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = KEPT | MAPS_SENT_EMPTY if "responseType" in value else KEPT
    found = {}
    for name, member in value.items():
        if name in OWN:
            continue
        if name in OBJECTS:
            member = without_empty(member)
        elif name in MAPS_OF_OBJECTS:
            member = {key: without_empty(item) for key, item in member.items()}
        if (name in kept and member is not None) or member not in (None, "", {}, []):
            found[name] = member
    return found


def view(data: Any) -> Any:
    found = without_empty(data)
    if isinstance(found, dict):
        for item in [found, *(found.get("item") or [])]:
            if isinstance(item, dict) and "stageName" in item and "methodSettings" in item:
                status = "AVAILABLE" if item.get("cacheClusterEnabled") else "NOT_AVAILABLE"
                item.setdefault("cacheClusterStatus", status)
    return found


def unknown_api(method: str, parts: list[str]) -> Any:
    """Return the response to a request for an API that does not exist. It differs by the kind of the request."""
    match method, parts[2:]:
        case "POST", ["authorizers"]:
            reason = "Unable to complete operation due to concurrent modification. Please try again later."
            return gateway._v1_error("ConflictException", reason, 409)
        case "POST", ["requestvalidators"]:
            return gateway._v1_error("BadRequestException", "Invalid REST API identifier specified", 400)
    return gateway._v1_error("NotFoundException", f"{UNKNOWN_API} {get_account_id()}:{parts[1]}", 404)


def with_aws_responses(handle_request: Any) -> Any:
    async def handle(method: str, path: str, *request: Any) -> Any:
        status, headers, body = await handle_request(method, path, *request)
        parts = path.strip("/").split("/")
        match method, parts:
            case _ if status == 404 and UNKNOWN_API.encode() in body:
                return unknown_api(method, parts)
            case "PATCH", ["restapis", _] if status == 200 and b'"tags"' not in body:
                return 200, headers, json.dumps(json.loads(body) | {"tags": {}}).encode()
            case "DELETE", ["restapis", _, "requestvalidators", _] if status == 204:
                return 202, headers, body
        return status, headers, body

    return handle


def apply() -> None:
    respond = gateway._v1_response
    gateway._v1_response = lambda data, status=200: respond(view(data), status)
    gateway.handle_request = with_aws_responses(gateway.handle_request)
