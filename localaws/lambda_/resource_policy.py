"""Whether a function's resource policy lets another service invoke it.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc


def allows(function_arn: str, service: str, source_arn: str) -> bool:
    """Return whether *service* may invoke the function for *source_arn*: a topic, a rule or a bucket.

    The condition keys ``aws:SourceArn`` and ``aws:SourceAccount`` have its values. A function that does not exist has
    no policy.
    """
    function, _, _ = lambda_svc._get_func_record_for_ref(function_arn)
    context = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=function_arn,
        region=get_region(),
        service_context={
            "aws:sourcearn": source_arn,
            "aws:sourceaccount": parse_arn(source_arn).account_id or get_account_id(),  # a bucket's has none
        },
    )
    policy = (function or {}).get("policy")
    return bool(iam_evaluator.evaluate_resource_policy(policy, context, service=service).decision == "Allow")
