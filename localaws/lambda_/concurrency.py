"""Gap: an account has a high concurrency for all Regions together, and reserved concurrency is not checked.

A Region of a new account has 10 concurrent executions. What is reserved for a function is taken from the others, who
must keep 100, or all if the account has fewer. API Gateway answers 500 for a rejected invocation. CloudFormation sets
`ReservedConcurrentExecutions`, which the emulator drops.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html
No longer needed when GetAccountSettings of a new account returns 10 concurrent executions, and PutFunctionConcurrency
refuses to reserve one of them.
"""

import json
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import apigateway_v1 as gateway
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from localaws.account.quotas import CONCURRENT_EXECUTIONS, applied

MINIMUM_UNRESERVED = 100

type Json = dict[str, Any]


def account_limit() -> int:
    """Return the concurrent executions of the account in the Region of the request."""
    return int(applied(CONCURRENT_EXECUTIONS))


def reserved(name: str) -> int | None:
    """Return what is reserved for a function in the Region of the request."""
    concurrency = (lambda_svc._functions.get(name) or {}).get("concurrency")
    return None if concurrency is None else int(concurrency)


def reserved_by(exclude: str = "") -> int:
    """Return the sum of what is reserved in the Region, without that of the function *exclude*."""
    return sum(reserved(name) or 0 for name in list(lambda_svc._functions) if name != exclude)


def unreserved_in_use(region_key: str) -> int:
    """Return the executions in the Region, given as ``account:region:``, of functions that reserve nothing."""
    return sum(
        running
        for key, running in lambda_svc._inflight.items()
        if key.startswith(region_key) and reserved(key.rpartition(":")[2]) is None
    )


def acquire(function: Json, config: Json) -> tuple[str | None, str | None]:
    """Take one execution; return its key, or None and what is exhausted: ``function`` or ``account``."""
    key = lambda_svc._inflight_key(config)
    own = reserved(config["FunctionName"])
    unreserved = account_limit() - reserved_by() if own is None else 0
    with lambda_svc._inflight_lock:
        running = lambda_svc._inflight.get(key, 0)
        if own is not None and running >= own:
            return None, "function"
        if own is None and unreserved_in_use(key.rpartition(":")[0] + ":") >= unreserved:
            return None, "account"
        lambda_svc._inflight[key] = running + 1
        lambda_svc._inflight_total += 1
    return key, None


def throttled(reason_code: str, msg: str, retry_after: int = 1) -> Json:
    body = {"__type": "TooManyRequestsException", "Reason": reason_code, "Type": "User", "message": "Rate Exceeded."}
    return {"throttle": True, "error": True, "body": body, "log": ""}


def reservation_error(name: str, value: int, kind: str = "ReservedConcurrentExecutions") -> str | None:
    """Return why the function cannot reserve *value* executions. 0, which stops a function, is always possible."""
    minimum = min(MINIMUM_UNRESERVED, account_limit())
    if value == 0 or account_limit() - reserved_by(exclude=name) - value >= minimum:
        return None
    return (
        f"Specified {kind} for function decreases account's UnreservedConcurrentExecution below its minimum value of "
        f"[{minimum}]."
    )


def put_function_concurrency(put: Any) -> Any:
    def put_valid(name: str, data: Json) -> Any:
        if name not in lambda_svc._functions:
            return lambda_svc._function_qualifier_not_found(name, "$LATEST")
        if reason := reservation_error(name, int(data.get("ReservedConcurrentExecutions") or 0)):
            return error_response_json("InvalidParameterValueException", reason, content_type="application/json")
        return put(name, data)

    return put_valid


def put_provisioned_concurrency(put: Any) -> Any:
    def put_valid(name: str, qualifier: str, data: Json) -> Any:
        requested = int(data.get("ProvisionedConcurrentExecutions") or 0)
        unreserved = name in lambda_svc._functions and reserved(name) is None
        if unreserved and (reason := reservation_error(name, requested, "ConcurrentExecutions")):
            return lambda_svc._invalid_parameter_value(reason)
        return put(name, qualifier, data)

    return put_valid


def get_account_settings(get: Any) -> Any:
    def get_with_limit() -> Any:
        status, headers, body = get()
        settings = json.loads(body)
        limit = account_limit()
        settings["AccountLimit"] |= {
            "ConcurrentExecutions": limit,
            "UnreservedConcurrentExecutions": limit - reserved_by(),
        }
        return status, headers, json.dumps(settings).encode()

    return get_with_limit


def provision_with_reservation(provision: Any, *, update: bool) -> Any:
    """Wrap the create or update of a function by CloudFormation to reserve its concurrency."""

    def provision_function(*arguments: Any, **named: Any) -> Any:
        properties = arguments[2 if update else 1]
        name, attributes = provision(*arguments, **named)
        if "ReservedConcurrentExecutions" in properties:
            data = {"ReservedConcurrentExecutions": int(properties["ReservedConcurrentExecutions"])}
            status, _, body = lambda_svc._put_function_concurrency(name, data)
            if status >= 400:
                if not update:
                    lambda_svc._functions.pop(name, None)
                raise ValueError(json.loads(body)["message"])
        elif update and "ReservedConcurrentExecutions" in arguments[1]:
            lambda_svc._delete_function_concurrency(name)
        return name, attributes

    return provision_function


def proxy_response(respond: Any) -> Any:
    """Wrap API Gateway's use of a function's result: a rejected invocation is an internal error."""

    def respond_to(result: Json) -> Any:
        if result.get("throttle"):
            body = json.dumps({"message": "Internal server error"})
            return {"statusCode": 500, "headers": {"Content-Type": "application/json"}, "body": body}, None
        return respond(result)

    return respond_to


def apply() -> None:
    lambda_svc._acquire_execution_slot = acquire
    lambda_svc._throttle_response = throttled
    lambda_svc._put_function_concurrency = put_function_concurrency(lambda_svc._put_function_concurrency)
    lambda_svc._put_provisioned_concurrency = put_provisioned_concurrency(lambda_svc._put_provisioned_concurrency)
    lambda_svc._get_account_settings = get_account_settings(lambda_svc._get_account_settings)
    gateway._lambda_proxy_response = proxy_response(gateway._lambda_proxy_response)
    function = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    function["create"] = provision_with_reservation(function["create"], update=False)
    function["update"] = provision_with_reservation(function["update"], update=True)
