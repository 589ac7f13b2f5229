"""Gap: a stage of a REST API has no metrics, so no alarm on errors or latency changes its state.

Each request adds to Count, 4XXError, 5XXError and Latency of the stage, and to those of its method where the settings
of the method have `metricsEnabled`. The sample count of an error metric is that of the requests, so its average is the
rate of errors. IntegrationLatency is not recorded.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
No longer needed when a request to a stage adds one to its metric Count.
"""

import time
from typing import Any

from ministack.services import apigateway_v1 as gateway

from localaws.apigateway.proxy_event import exchange
from localaws.apigateway.stage_cache import NAMESPACE, method_settings, stage_dimensions
from localaws.cloudwatch.service_metrics import record


def record_request(dimensions: dict[str, str], status: int, seconds: float) -> None:
    record(NAMESPACE, "Count", 1.0, "Count", dimensions)
    record(NAMESPACE, "4XXError", float(400 <= status < 500), "Count", dimensions)
    record(NAMESPACE, "5XXError", float(status >= 500), "Count", dimensions)
    record(NAMESPACE, "Latency", float(round(seconds * 1000)), "Milliseconds", dimensions)


def with_metrics(execute: Any) -> Any:
    """Wrap the execution of a request to a stage."""

    async def respond(api_id: str, stage_name: str, method: str, *call: Any) -> Any:
        started = time.perf_counter()
        response = await execute(api_id, stage_name, method, *call)
        stage = gateway._stages_v1.get(api_id, {}).get(stage_name)
        if stage is None:
            return response
        seconds, resource = time.perf_counter() - started, exchange.get().resource_path
        dimensions = stage_dimensions(api_id, stage_name)
        record_request(dimensions, response[0], seconds)
        if resource and method_settings(stage, resource, method).get("metricsEnabled"):
            record_request(dimensions | {"Method": method, "Resource": resource}, response[0], seconds)
        return response

    return respond


def apply() -> None:
    gateway._handle_execute_in_scope = with_metrics(gateway._handle_execute_in_scope)
