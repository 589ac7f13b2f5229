"""Gap: some requests are authorized for the wrong action or resource, or not at all.

* A request whose action ministack cannot tell, such as DeleteEventSourceMapping, is not authorized. Here only a policy
  that allows every action of the service allows it.
* Lambda's operations are told by the last part of their path, so PutFunctionEventInvokeConfig needs permission for
  UpdateFunctionCode. Here the action is the one of AWS's route.
* An action that IAM cannot limit to resources is authorized for one. In AWS only a policy for `*` allows it.
* A request that names its resource by an ARN, such as the one of a DynamoDB stream, is authorized for `*`. In AWS a
  policy for that ARN allows it.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
No longer needed when a user without any policy gets AccessDenied for DeleteEventSourceMapping.
"""

import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_actions

from localaws.iam.authorization_reference import exists, has_resources

UNKNOWN = "UnknownAction"

LAMBDA_ACTIONS = {
    "Invoke": "InvokeFunction",
    "InvokeWithResponseStream": "InvokeFunction",
    "GetLayerVersionByArn": "GetLayerVersion",
}
"""The actions that differ from the names of their operations.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

# SES has two APIs under one prefix, whose resources the reference mixes. API Gateway's actions are HTTP methods.
UNCHECKED = ("ses", "apigateway")

ARN = re.compile(rb'"(arn:aws:([a-z0-9-]+):[^"]+)"')


def once(derive: Callable[..., str | None]) -> Callable[..., str | None]:
    """Wrap the function that derives a request's action: a second call for the same request returns the same result."""
    last: ContextVar[tuple[tuple[Any, ...], str | None] | None] = ContextVar("last", default=None)

    def derive_once(*request: Any) -> str | None:
        derived = last.get()
        if derived is None or any(this is not other for this, other in zip(request, derived[0], strict=True)):
            derived = request, derive(*request)
            last.set(derived)
        return derived[1]

    return derive_once


def apply() -> None:
    extract_iam_action = iam_actions.extract_iam_action
    extract_resource_arn = iam_actions.extract_resource_arn
    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]

    def action(service: str, method: str, path: str, headers: Any, body: bytes, query: Any) -> str | None:
        if service == "lambda" and (operation := iam_actions._match_rest_action(service, method, path, query)):
            return f"lambda:{LAMBDA_ACTIONS.get(operation, operation)}"
        found: str | None = extract_iam_action(service, method, path, headers, body, query)
        signed = "authorization" in headers or "X-Amz-Credential" in query
        if found is None and signed and (prefix := iam_actions.SERVICE_TO_IAM_NAMESPACE.get(service)):
            return f"{prefix}:{UNKNOWN}"
        return found

    def resource(
        service: str,
        method: str,
        path: str,
        headers: Any,
        body: bytes,
        query: Any,
        region: str,
        account_id: str,
    ) -> str:
        arn = str(extract_resource_arn(service, method, path, headers, body, query, region, account_id))
        name = iam_actions.extract_iam_action(service, method, path, headers, body, query) or ""
        if service in UNCHECKED or not exists(name):
            return arn
        if not has_resources(name):
            return "*"
        return arn if arn != "*" else _named_arn(name.partition(":")[0], body) or "*"

    iam_actions.extract_iam_action = once(action)
    iam_actions.extract_resource_arn = resource


def _named_arn(prefix: str, body: bytes) -> str | None:
    """Return the first ARN of the service in a JSON body."""
    return next((match[1].decode() for match in ARN.finditer(body) if match[2].decode() == prefix), None)
