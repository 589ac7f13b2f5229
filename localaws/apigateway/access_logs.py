"""Gap: a stage writes no access logs.

Each request adds a line in the stage's format to the log group, or nothing if the group does not exist. Variables
that are not known here are `-`. Firehose streams as destinations are not supported.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
No longer needed when a request to a stage with access log settings adds a line to the log group.
"""

import hashlib
import re
import time
from typing import Any

from ministack.core.responses import get_request_client_ip
from ministack.services import apigateway_v1 as gateway
from ministack.services import cloudwatch_logs

from localaws.apigateway.proxy_event import exchange

VARIABLE = re.compile(r"\$context\.([A-Za-z.]+)")
LOG_GROUP = re.compile(r"arn:[^:]+:logs:[^:]+:[^:]+:log-group:([^:]+)(?::\*)?")
ERROR_MESSAGE = re.compile(rb'\{"[mM]essage": ?"([^"]*)"\}')


def variables(
    api_id: str, stage_name: str, method: str, path: str, headers: Any, response: Any, seconds: float
) -> dict[str, str]:
    current = exchange.get()
    status, response_headers, body = response
    failed = response_headers.get("x-amzn-ErrorType")
    message = ERROR_MESSAGE.fullmatch(body) if failed else None
    latency = str(round(seconds * 1000))
    now = time.time()
    return {
        "accountId": gateway.get_account_id(),
        "apiId": api_id,
        "error.message": message[1].decode() if message else "-",
        "extendedRequestId": current.extended_request_id,
        "httpMethod": method,
        "identity.sourceIp": get_request_client_ip(),
        "identity.userAgent": headers.get("user-agent", "-"),
        "path": f"/{stage_name}{path}",
        "protocol": "HTTP/1.1",
        "requestId": response_headers.get("x-amzn-RequestId", current.request_id),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": str(int(now * 1000)),
        "resourcePath": current.resource_path or "-",
        "responseLatency": latency,
        "responseLength": str(len(body)),
        "stage": stage_name,
        "status": str(status),
    }


def write(destination: str, line: str) -> None:
    """Add a line to the log group, in the stream of this moment's hour."""
    found = LOG_GROUP.fullmatch(destination)
    if not found or found[1] not in cloudwatch_logs._log_groups:
        return
    stream = hashlib.md5(time.strftime("%Y%m%d%H").encode(), usedforsecurity=False).hexdigest()
    target = {"logGroupName": found[1], "logStreamName": stream}
    if stream not in cloudwatch_logs._log_groups[found[1]]["streams"]:
        cloudwatch_logs._create_log_stream(target)
    event = {"timestamp": int(time.time() * 1000), "message": line}
    cloudwatch_logs._put_log_events(target | {"logEvents": [event]})


def with_access_log(execute: Any) -> Any:
    async def respond(api_id: str, stage_name: str, method: str, path: str, headers: Any, *call: Any) -> Any:
        started = time.perf_counter()
        response = await execute(api_id, stage_name, method, path, headers, *call)
        settings = (gateway._stages_v1.get(api_id, {}).get(stage_name) or {}).get("accessLogSettings") or {}
        if settings.get("destinationArn") and settings.get("format"):
            seconds = time.perf_counter() - started
            known = variables(api_id, stage_name, method, path, headers, response, seconds)
            write(settings["destinationArn"], VARIABLE.sub(lambda found: known.get(found[1], "-"), settings["format"]))
        return response

    return respond


def apply() -> None:
    gateway._handle_execute_in_scope = with_access_log(gateway._handle_execute_in_scope)
