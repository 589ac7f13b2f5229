"""Gap: a REST API invokes any function, without permission.

API Gateway invokes a function as the role in the integration's `credentials`, or as itself if the function's policy
allows `apigateway.amazonaws.com`. The policy's conditions are evaluated for the method's ARN. Otherwise, the request
gets 500.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html
No longer needed when a request to a function without a policy gets 500 with `Internal server error`.
"""

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.arn import execute_api_arn, parse_arn
from ministack.services import apigateway_v1 as gateway
from ministack.services import lambda_svc

from localaws.apigateway.proxy_response import IntegrationFailure
from localaws.iam.service_roles import trusts

SERVICE = "apigateway.amazonaws.com"
ACTION = "lambda:InvokeFunction"


def is_allowed(integration: dict[str, Any], source_arn: str, account: str, region: str) -> bool:
    """Return whether API Gateway may invoke the integration's function for the method with *source_arn*."""
    function_arn = gateway._extract_lambda_ref_from_integration_uri(integration.get("uri", ""))
    role = integration.get("credentials")
    function, _, _ = lambda_svc._get_func_record_for_ref_in_scope(function_arn, account_id=account, region=region)
    if function is None:
        return True  # a configuration error of its own
    context = iam_evaluator.EvalContext(
        principal_arn=role or "*",
        principal_type="AssumedRole" if role else "Service",
        principal_account=account if role else "",
        action=ACTION,
        resource_arn=function_arn,
        region=region,
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": account},
    )
    if not role:
        result = iam_evaluator.evaluate_resource_policy(function["policy"], context, service=SERVICE)
    elif trusts(role, SERVICE):
        name = parse_arn(role).resource.rpartition("/")[2]
        result = iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(name, account))
    else:
        return False
    return bool(result.decision == "Allow")


def with_permission(invoke: Any) -> Any:
    async def respond(
        integration: dict[str, Any],
        api_id: str,
        stage_name: str,
        stage: dict[str, Any],
        resource: dict[str, Any],
        path: str,
        method: str,
        *call: Any,
        owner_account_id: str,
        owner_region: str,
        **context: Any,
    ) -> Any:
        source = execute_api_arn(owner_region, owner_account_id, api_id, stage_name, method, resource["path"])
        if not is_allowed(integration, source, owner_account_id, owner_region):
            raise IntegrationFailure
        target = (integration, api_id, stage_name, stage, resource, path, method)
        scope = {"owner_account_id": owner_account_id, "owner_region": owner_region}
        return await invoke(*target, *call, **scope, **context)

    return respond


def apply() -> None:
    gateway._invoke_lambda_proxy_v1 = with_permission(gateway._invoke_lambda_proxy_v1)
    gateway._invoke_lambda_custom_v1 = with_permission(gateway._invoke_lambda_custom_v1)
