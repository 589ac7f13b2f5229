"""Gap: a function may have an unknown runtime, a reserved or too large environment, and a package over the limits.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
No longer needed when CreateFunction refuses an environment of 5 KB and the variable AWS_REGION.
"""

import json
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import lambda_svc, s3
from ministack.services.cloudformation import provisioners

from localaws.lambda_.error_responses import Answer
from localaws.lambda_.request_constraints import operation_of, validation_message

ENVIRONMENT_LIMIT = 4096  # bytes of the variables as JSON
ZIP_LIMIT = 50 * 1024 * 1024  # bytes of a package that is uploaded directly
REQUEST_LIMIT = 70_167_211  # bytes of a request with a package
NAME_LIMIT = 64
LAYER_LIMIT = 5
RESERVED_VARIABLES = (
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
)
# The runtimes in the order in which AWS prints them.
RUNTIMES = (
    *("nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25"),
    *("python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17"),
    *("nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2"),
)
DEPRECATED_RUNTIMES = (
    *("dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "go1.x", "java8", "nodejs", "nodejs4.3"),
    *("nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "provided"),
    *("python2.7", "python3.6", "python3.7", "ruby2.5", "ruby2.7"),
)
CONFIGURATION = ("Description", "Environment", "Handler", "Layers", "MemorySize", "Role", "Runtime", "Timeout")


def configuration_error(settings: dict[str, Any]) -> str | None:
    """Return the message of the InvalidParameterValueException for a function's settings, or None."""
    runtime = settings.get("Runtime")
    if runtime in DEPRECATED_RUNTIMES:
        return (
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )
    if runtime and runtime not in RUNTIMES:
        return (
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(RUNTIMES)}] or be a valid ARN"
        )
    if len(settings.get("Layers") or ()) > LAYER_LIMIT:
        return f"Cannot reference more than {LAYER_LIMIT} layers."
    return environment_error((settings.get("Environment") or {}).get("Variables") or {})


def environment_error(variables: dict[str, str]) -> str | None:
    """Return the message with which AWS rejects environment variables, or None."""
    refusal = "Lambda was unable to configure your environment variables because the environment variables you have"
    if reserved := [name for name in variables if name in RESERVED_VARIABLES]:
        return (
            f"{refusal} provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > ENVIRONMENT_LIMIT:
        return f"{refusal} provided exceeded the 4KB limit. String measured: {measured}"
    return None


def code_error(code: dict[str, Any]) -> Answer | None:
    """Return the error for a package that is too large, or that S3 does not have, or None."""
    if len(code.get("ZipFile") or "") * 3 // 4 > ZIP_LIMIT:
        message = f"Zipped size must be smaller than {ZIP_LIMIT} bytes"
        return _error("RequestEntityTooLargeException", message, 413)
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if not bucket or not key or lambda_svc.s3_code_region_message(bucket):
        return None
    missing = ""
    if bucket not in s3._buckets:
        missing = "NoSuchBucket. S3 Error Message: The specified bucket does not exist"
    elif lambda_svc._fetch_code_from_s3(bucket, key, version_id=code.get("S3ObjectVersion")) is None:
        missing = "NoSuchKey. S3 Error Message: The specified key does not exist."
    if not missing:
        return None
    return _error("InvalidParameterValueException", f"Error occurred while GetObject. S3 Error Code: {missing}", 400)


def _error(code: str, message: str, status: int) -> Answer:
    answer: Answer = lambda_svc.error_response_json(code, message, status)
    return answer


def name_error(name: str) -> str | None:
    """Return the message with which AWS rejects the name of a new function, or None."""
    if len(name) > NAME_LIMIT and ":" not in name:
        return (
            f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {NAME_LIMIT}"
        )
    return None


def create_within_limits(create: Any) -> Any:
    def create_function(data: dict[str, Any]) -> Any:
        if reason := name_error(data["FunctionName"]) or configuration_error(data):
            return lambda_svc._invalid_parameter_value(reason)
        return code_error(data["Code"]) or create(data)

    return create_function


def update_within_limits(update: Any) -> Any:
    def update_configuration(name: str, data: dict[str, Any]) -> Any:
        if reason := configuration_error(data):
            return lambda_svc._invalid_parameter_value(reason)
        return update(name, data)

    return update_configuration


def update_code_within_limits(update: Any) -> Any:
    def update_code(name: str, data: dict[str, Any]) -> Any:
        return code_error(data) or update(name, data)

    return update_code


def with_small_requests(handle_request: Any) -> Any:
    """Wrap the handler of Lambda's API: refuse a request that is too large before it is read."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
        if len(body) > REQUEST_LIMIT and (found := operation_of(method, path)):
            text = f"Request must be smaller than {REQUEST_LIMIT} bytes for the {found[0].name} operation"
            error: Answer = error_response_json(
                "RequestEntityTooLargeException", text, 413, message_key="Message", content_type="application/json"
            )
            return error
        answer: Answer = await handle_request(method, path, headers, body, query)
        return answer

    return handle


def create_in_stack_within_limits(provision: Any) -> Any:
    def create_function(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        check_template(properties)
        return provision(logical_id, properties, stack)

    return create_function


def update_in_stack_within_limits(provision: Any) -> Any:
    def update_function(physical_id: str, old: dict[str, Any], new: dict[str, Any], *stack: str) -> Any:
        check_template(new)
        return provision(physical_id, old, new, *stack)

    return update_function


def check_template(properties: dict[str, Any]) -> None:
    """Raise ValueError if AWS rejects the settings of a template's function."""
    settings = template_settings(properties)
    known = {"FunctionName": properties.get("FunctionName", "function")} | settings
    if reason := validation_message("UpdateFunctionConfiguration", known) or configuration_error(settings):
        raise ValueError(reason)


def template_settings(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a template's function with the types of the API."""
    settings = {name: properties[name] for name in CONFIGURATION if properties.get(name) is not None}
    settings |= {name: int(settings[name]) for name in ("MemorySize", "Timeout") if name in settings}
    variables = (settings.get("Environment") or {}).get("Variables") or {}
    return settings | {"Environment": {"Variables": {name: str(value) for name, value in variables.items()}}}


def apply() -> None:
    lambda_svc.handle_request = with_small_requests(lambda_svc.handle_request)
    lambda_svc._create_function = create_within_limits(lambda_svc._create_function)
    lambda_svc._update_config = update_within_limits(lambda_svc._update_config)
    lambda_svc._update_code = update_code_within_limits(lambda_svc._update_code)
    function = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    function["create"] = create_in_stack_within_limits(function["create"])
    function["update"] = update_in_stack_within_limits(function["update"])
