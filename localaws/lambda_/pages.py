"""Gap: ListFunctions lists no versions and too much of each function, ListFunctionEventInvokeConfigs has no pages.

A list has at most 50 items at once, and leaves out the state of a function.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctionEventInvokeConfigs.html
No longer needed when ListFunctions with the FunctionVersion ALL lists the versions of a function.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ministack.services import lambda_svc

LARGEST_PAGE = 50
NOT_LISTED = (
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RuntimeVersionConfig",
    "State",
    "StateReason",
    "StateReasonCode",
)

type Json = dict[str, Any]


def page(name: str, items: Iterable[Json], query: Json) -> Any:
    """Answer with the items that follow the request's marker."""
    marker = lambda_svc._qp_first(query, "Marker")
    size = min(int(lambda_svc._qp_first(query, "MaxItems") or LARGEST_PAGE), LARGEST_PAGE)
    rest = sorted((item for item in items if not marker or position(item) > marker), key=position)
    answer: Json = {name: rest[:size]}
    if len(rest) > size:
        answer["NextMarker"] = position(rest[size - 1])
    return lambda_svc.json_response(answer)


def position(item: Json) -> str:
    """Return what sorts by the name of the function, then $LATEST and the numbers of versions."""
    name, _, qualifier = item["FunctionArn"].partition(":function:")[2].partition(":")
    return f"{name}:{qualifier.zfill(20)}"


def listed(function: Json) -> Json:
    """Return the settings of a function or version without what lists leave out."""
    return {name: value for name, value in function["config"].items() if name not in NOT_LISTED}


def versions(function: Json) -> Iterator[Json]:
    """Yield $LATEST and the versions of a function, each with its own ARN."""
    latest = listed(function)
    yield latest | {"FunctionArn": f"{latest['FunctionArn']}:$LATEST"}
    yield from (listed(version) for version in list(function["versions"].values()))


def list_functions(query: Json) -> Any:
    """Answer with a page of the functions, or of all their versions."""
    functions = [lambda_svc._functions[name] for name in list(lambda_svc._functions)]
    if lambda_svc._qp_first(query, "FunctionVersion") == "ALL":
        return page("Functions", (version for function in functions for version in versions(function)), query)
    return page("Functions", map(listed, functions), query)


def list_versions(name: str, query: Json) -> Any:
    """Answer with a page of the function's versions."""
    if name not in lambda_svc._functions:
        return lambda_svc._function_qualifier_not_found(name, None)
    return page("Versions", versions(lambda_svc._functions[name]), query)


def list_event_invoke_configs(name: str, query: Json) -> Any:
    """Answer with a page of the function's settings for asynchronous invocations."""
    function = lambda_svc._functions.get(name)
    if not function:
        return lambda_svc.error_response_json("ResourceNotFoundException", "The function doesn't exist.", 404)
    return page("FunctionEventInvokeConfigs", (function.get("event_invoke_configs") or {}).values(), query)


def apply() -> None:
    lambda_svc._list_functions = list_functions
    lambda_svc._list_versions = list_versions
    lambda_svc._list_function_event_invoke_configs = list_event_invoke_configs
