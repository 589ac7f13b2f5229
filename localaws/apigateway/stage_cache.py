"""Gap: a REST API's stage cache is not used, flushed or validated, and CloudFormation drops its settings.

As on AWS, the lookup follows the authorizer, the API key and throttling. The cache key is the method, the cache
namespace and the declared `cacheKeyParameters`. The settings of `*/*` cache only GET; other methods need their own
settings. `Cache-Control: max-age=0` invalidates an entry if the caller has `execute-api:InvalidateCache`, which needs
a method with AWS_IAM. Caching headers of the response have no effect. AWS does not document whether errors are cached
(users report a cached 429); here, only a 200 is cached. Only Lambda integrations are cached, and canaries are not
supported.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html
No longer needed when two GETs of a method with CachingEnabled invoke the function once.
"""

from collections.abc import Hashable
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.arn import execute_api_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway_v1 as gateway
from ministack.services.cloudformation import provisioners

from localaws.apigateway.proxy_event import exchange
from localaws.apigateway.response_cache import DEFAULT_TTL, Response, StageCache
from localaws.cloudwatch.service_metrics import record

GIGABYTE = 1024**3
NAMESPACE = "AWS/ApiGateway"
WARNING = "199 Cache-control headers were ignored because the caller was unauthorized."

caches: dict[tuple[str, ...], StageCache] = {}


def stage_key(api_id: str, stage_name: str) -> tuple[str, ...]:
    return get_account_id(), get_region(), api_id, stage_name


def cache_of(api_id: str, stage_name: str, stage: dict[str, Any]) -> StageCache:
    """Return the stage's cache. A changed size creates a new, empty cache."""
    key = stage_key(api_id, stage_name)
    capacity = int(float(stage.get("cacheClusterSize") or 0.5) * GIGABYTE)
    if key not in caches or caches[key].capacity != capacity:
        caches[key] = StageCache(capacity)
    return caches[key]


def cache_setting(stage: dict[str, Any], resource_path: str, method: str) -> dict[str, Any] | None:
    """Return the method's settings, or for GET those of `*/*`, if caching is enabled in them."""
    if not stage.get("cacheClusterEnabled"):
        return None
    setting = method_settings(stage, resource_path, method, all_methods=method == "GET")
    return setting if setting.get("cachingEnabled") else None


def method_settings(stage: dict[str, Any], resource_path: str, method: str, all_methods: bool = True) -> dict[str, Any]:
    """Return the settings of a method, or those of `*/*` if it has none and *all_methods* is true."""
    # CloudFormation writes `/~1todos/GET`, UpdateStage `/todos/GET`.
    settings = {
        key.replace("~1", "/").replace("~0", "~").lstrip("/"): value
        for key, value in (stage.get("methodSettings") or {}).items()
    }
    others: dict[str, Any] = settings.get("*/*", {}) if all_methods else {}
    found: dict[str, Any] = settings.get(f"{resource_path}/{method}".lstrip("/"), others)
    return found


def stage_dimensions(api_id: str, stage_name: str) -> dict[str, str]:
    """Return the dimensions of a stage's metrics."""
    return {"ApiName": gateway._rest_apis[api_id]["name"], "Stage": stage_name}


def cache_key(
    integration: dict[str, Any], method: str, headers: Any, query: dict[str, Any], path: dict[str, str]
) -> Hashable:
    def value(parameter: str) -> Hashable:
        source = integration["requestParameters"].get(parameter, parameter)
        _, _, location, name = source.split(".", 3)
        if location == "header":
            return gateway._header_ci(headers, name) or None
        found = {"querystring": query, "path": path}[location].get(name)
        return tuple(found) if isinstance(found, list) else found

    parameters = integration["cacheKeyParameters"]
    return method, integration["cacheNamespace"], tuple((name, value(name)) for name in parameters)


def can_invalidate(setting: dict[str, Any], caller: dict[str, Any] | None, arn: str) -> bool:
    if not setting.get("requireAuthorizationForCacheControl", True):
        return True
    if not caller:
        return False
    error = iam_evaluator.enforce(caller["accessKey"], "execute-api:InvalidateCache", "apigateway", get_region(), arn)
    return error is None


def requests_invalidation(headers: Any) -> bool:
    return "max-age=0" in gateway._header_ci(headers, "cache-control").replace(" ", "").split(",")


def with_cache(invoke: Any) -> Any:
    """Wrap the invocation of an integration with the stage cache."""

    async def respond(
        integration: dict[str, Any],
        api_id: str,
        stage_name: str,
        stage: dict[str, Any],
        resource: dict[str, Any],
        request_path: str,
        method: str,
        headers: Any,
        body: bytes,
        query: dict[str, Any],
        path: dict[str, str],
        **context: Any,
    ) -> Any:
        request = (resource, request_path, method, headers, body, query, path)
        setting = cache_setting(stage, resource["path"], method)
        if setting is None:
            return await invoke(integration, api_id, stage_name, stage, *request, **context)

        warning = {}
        invalidate = requests_invalidation(headers)
        arn = execute_api_arn(get_region(), get_account_id(), api_id, stage_name, method, request_path)
        if invalidate and not can_invalidate(setting, context["caller_identity"], arn):
            invalidate = False
            strategy = setting.get("unauthorizedCacheControlHeaderStrategy")
            if strategy == "FAIL_WITH_403":
                return gateway._gw_error("ACCESS_DENIED", "User is not authorized to invalidate the cache")
            if strategy == "SUCCEED_WITH_RESPONSE_HEADER":
                warning["Warning"] = WARNING

        cache = cache_of(api_id, stage_name, stage)
        key = cache_key(integration, method, headers, query or {}, path or {})
        response = None if invalidate else cache.get(key)
        exchange.get().cache = "hit" if response else "miss"
        metric = "CacheHitCount" if response else "CacheMissCount"
        record(NAMESPACE, metric, 1.0, "Count", stage_dimensions(api_id, stage_name))
        if response is None:
            answer = await invoke(integration, api_id, stage_name, stage, *request, **context)
            response = store(cache, key, answer, setting)
        return with_headers(response, warning)

    return respond


def store(cache: StageCache, key: Hashable, answer: Any, setting: dict[str, Any]) -> Any:
    if not isinstance(answer, tuple):  # an error that API Gateway generates
        return answer
    response = Response(*answer)
    if response.status == 200:
        cache.put(key, response, setting.get("cacheTtlInSeconds", DEFAULT_TTL))
    return response


def with_headers(response: Any, headers: dict[str, str]) -> Any:
    # Return a copy: the emulator adds headers to the response of each request.
    if isinstance(response, Response):
        return response.status, response.headers | headers, response.body
    return response


def with_cache_cluster(provision: Any) -> Any:
    """Wrap the create or update of a stage by CloudFormation to store its cache cluster settings."""

    def provision_stage(*arguments: Any) -> Any:
        provisioned = provision(*arguments)
        properties = arguments[-2]
        stage = gateway._stages_v1[properties["RestApiId"]][properties["StageName"]]
        stage["cacheClusterEnabled"] = provisioners._cfn_bool(properties.get("CacheClusterEnabled"))
        stage["cacheClusterSize"] = properties.get("CacheClusterSize")
        return provisioned

    return provision_stage


def with_flush(handle_request: Any) -> Any:
    async def handle(method: str, path: str, *request: Any) -> Any:
        match method, path.strip("/").split("/"):
            case "DELETE", ["restapis", api_id, "stages", stage_name, "cache", "data"]:
                status, headers, body = gateway._get_stage(api_id, stage_name)
                if status != 200:
                    return status, headers, body
                caches.pop(stage_key(api_id, stage_name), None)
                return 202, {}, b""
        return await handle_request(method, path, *request)

    return handle


def with_cache_key_validation(put_integration: Any) -> Any:
    def put(api_id: str, resource_id: str, http_method: str, data: dict[str, Any]) -> Any:
        resource = gateway._resources.get(api_id, {}).get(resource_id, {})
        method = resource.get("resourceMethods", {}).get(http_method, {})
        sources = data.get("requestParameters", {})
        for parameter in data.get("cacheKeyParameters", []):
            if sources.get(parameter, parameter) not in method.get("requestParameters", {}):
                return gateway._v1_error("BadRequestException", "Invalid cache key parameter specified", 400)
        outcome = put_integration(api_id, resource_id, http_method, data)
        if "cacheNamespace" in data and outcome[0] < 400:
            method["methodIntegration"]["cacheNamespace"] = data["cacheNamespace"]
        return outcome

    return put


def apply() -> None:
    gateway.handle_request = with_flush(gateway.handle_request)
    gateway._put_integration = with_cache_key_validation(gateway._put_integration)
    gateway._invoke_lambda_proxy_v1 = with_cache(gateway._invoke_lambda_proxy_v1)
    gateway._invoke_lambda_custom_v1 = with_cache(gateway._invoke_lambda_custom_v1)
    stage = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Stage"]
    for action in ("create", "update"):
        stage[action] = with_cache_cluster(stage[action])
