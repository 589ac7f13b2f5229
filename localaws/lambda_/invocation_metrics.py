"""Gap: CloudWatch counts only invocations through Lambda's API, not those by API Gateway, EventBridge, SNS or Cognito.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
No longer needed when a request to a REST API adds one to the Invocations metric of its function.
"""

import time
from typing import Any

from ministack.services import lambda_svc


def apply() -> None:
    execute, count = lambda_svc._execute_function, lambda_svc._emit_lambda_metrics

    def execute_and_count(function: dict[str, Any], event: dict[str, Any]) -> Any:
        config = function.get("config") or function
        if lambda_svc._function_config_scope_mismatch(config):
            return execute(function, event)  # calls this again in the function's account and Region
        started = time.monotonic()
        result = execute(function, event)
        duration, throttled = (time.monotonic() - started) * 1000, bool(result.get("throttle"))
        count(config["FunctionName"], 0 if throttled else duration, bool(result.get("error")), throttled)
        return result

    lambda_svc._execute_function = execute_and_count
    lambda_svc._emit_lambda_metrics = lambda *given, **named: None
