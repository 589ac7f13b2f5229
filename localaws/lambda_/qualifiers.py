"""Gap: the qualifier of a function is missing in ARNs and errors, and its name may have another than the request.

AWS: https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
No longer needed when GetFunctionConfiguration with the qualifier $LATEST returns an ARN that ends with :$LATEST.
"""

import json
from typing import Any

from ministack.services import lambda_svc

from localaws.lambda_.error_responses import Answer
from localaws.lambda_.request_constraints import operation_of

UNQUALIFIED_ONLY = ("PutFunctionConcurrency",)


def qualifier_error(method: str, path: str, query: Any) -> Any:
    """Return the error for a request whose function has two qualifiers, or one that is not possible; or None."""
    operation, in_path = operation_of(method, path) or (None, {})
    if operation is None or "FunctionName" not in in_path:
        return None
    _, qualifier = lambda_svc._resolve_request_scoped_name_and_qualifier(in_path["FunctionName"])
    if qualifier and (given := lambda_svc._qp_first(query, "Qualifier")) and given != qualifier:
        return lambda_svc._invalid_parameter_value(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    if qualifier and operation.name in UNQUALIFIED_ONLY:
        return lambda_svc._invalid_parameter_value(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN."
        )
    return None


def refusing_qualifiers(handle_request: Any) -> Any:
    """Wrap the handler of Lambda's API."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
        error: Answer | None = qualifier_error(method, path, query)
        return error or await handle_request(method, path, headers, body, query)

    return handle


def with_qualified_arn(get: Any) -> Any:
    """Wrap GetFunction or GetFunctionConfiguration: the ARN has the qualifier that was asked for."""

    def get_function(name: str, qualifier: str | None = None) -> Any:
        if not lambda_svc._function_qualifier_exists(lambda_svc._functions.get(name), qualifier):
            return lambda_svc._function_qualifier_not_found(name, qualifier)
        answer = get(name, qualifier)
        if not qualifier or answer[0] >= 400:
            return answer
        described = json.loads(answer[2])
        config = described.get("Configuration", described)
        config["FunctionArn"] = f"{lambda_svc._func_arn(name)}:{qualifier}"
        return lambda_svc.json_response(described)

    return get_function


def deleting_twice(delete: Any) -> Any:
    """Wrap DeleteFunction: a version that does not exist is no error."""

    def delete_function(name: str, query: Any, qualifier: str | None = None) -> Any:
        function = lambda_svc._functions.get(name)
        given = lambda_svc._qualifier_from_path_or_query(qualifier, query)
        if function and given and given.isdigit() and given not in function["versions"]:
            return 204, {}, b""
        return delete(name, query, qualifier)

    return delete_function


def with_qualified_error(invoke: Any) -> Any:
    """Wrap Invoke: without a qualifier, it is $LATEST that does not exist."""

    async def invoke_function(name: str, event: Any, headers: Any, qualifier: Any = None, query: Any = None) -> Any:
        if name not in lambda_svc._functions:
            given = lambda_svc._qualifier_from_path_or_query(qualifier, query)
            return lambda_svc._function_qualifier_not_found(name, given or "$LATEST")
        return await invoke(name, event, headers, qualifier, query)

    return invoke_function


def apply() -> None:
    lambda_svc.handle_request = refusing_qualifiers(lambda_svc.handle_request)
    lambda_svc._delete_function = deleting_twice(lambda_svc._delete_function)
    lambda_svc._get_function = with_qualified_arn(lambda_svc._get_function)
    lambda_svc._get_function_config = with_qualified_arn(lambda_svc._get_function_config)
    lambda_svc._invoke = with_qualified_error(lambda_svc._invoke)
