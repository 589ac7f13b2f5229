"""Gap: a custom Lambda integration ignores its request templates, selection patterns and response templates.

The function gets the request's body, or what the request template makes of it. An integration response is selected by
its pattern for the message of the function's error; the one without a pattern is for success. Templates are rendered
by the emulator, which has no `#if` and `#foreach`.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-custom-integrations.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/handle-errors-in-lambda-integration.html
No longer needed when the integration response with the pattern `.*failed.*` answers for a function that raises
`it failed`.
"""

import json
from typing import Any

from ministack.services import apigateway_v1 as gateway

from localaws.apigateway.proxy_event import lambda_event
from localaws.apigateway.proxy_response import IntegrationFailure


def media_type(headers: Any, name: str) -> str:
    """Return the first media type of a header, without parameters."""
    value = gateway._header_ci(headers, name) or "application/json"
    return str(value.partition(",")[0].partition(";")[0].strip().lower())


def request_payload(
    integration: dict[str, Any], headers: Any, body: str, params: dict[str, Any], context: dict[str, Any]
) -> Any:
    """Return what the function gets. Raises IntegrationFailure if it is not JSON."""
    templates = {key.partition(";")[0].strip().lower(): value for key, value in integration["requestTemplates"].items()}
    template = templates.get(media_type(headers, "content-type"))
    text = body if template is None else gateway._render_request_template_v1(template, body, params, context)
    try:
        return json.loads(text or "{}")
    except ValueError as error:
        raise IntegrationFailure from error


async def invoke(
    integration: dict[str, Any],
    api_id: str,
    stage_name: str,
    stage: dict[str, Any],
    resource: dict[str, Any],
    path: str,
    method: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, list[str]] | None,
    parameters: dict[str, str],
    *,
    owner_account_id: str,
    owner_region: str,
    **context: Any,
) -> Any:
    request = (api_id, stage_name, stage, resource, path, method, headers, body, query, parameters)
    variables = lambda_event(*request, **context)["requestContext"]
    params = {**headers, **{name: values[-1] for name, values in (query or {}).items()}, **parameters}
    payload = request_payload(integration, headers, (body or b"").decode(errors="replace"), params, variables)
    function = gateway._extract_lambda_ref_from_integration_uri(integration.get("uri", ""))
    result, error = await gateway._call_lambda_raw(function, payload, account_id=owner_account_id, region=owner_region)
    if error:
        return gateway._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
    if result.get("throttle"):
        raise IntegrationFailure
    answer = result.get("body")
    text = answer.decode() if isinstance(answer, bytes) else json.dumps(answer, ensure_ascii=False)
    failure = str(answer.get("errorMessage", "")) if result.get("error") and isinstance(answer, dict) else ""
    accept = media_type(headers, "accept")
    return gateway._service_integration_response(integration, failure, text, accept, params, variables)


def apply() -> None:
    gateway._invoke_lambda_custom_v1 = invoke
