"""Gap: CloudFormation creates permissions of functions and subscriptions of topics that do not exist, without effect.

AWS: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
AWS: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
No longer needed when a stack fails that contains a permission for a function that does not exist.
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import sns
from ministack.services.cloudformation import provisioners


def check_function(properties: dict[str, Any]) -> None:
    name = properties["FunctionName"]
    if provisioners._lambda_function_for_cfn_ref(name)[0] is None:
        region, account = get_region(), get_account_id()
        arn = name if name.startswith("arn:") else f"arn:aws:lambda:{region}:{account}:function:{name}"
        raise ValueError(f"Function not found: {arn} (Service: Lambda, Status Code: 404)")


def check_topic(properties: dict[str, Any]) -> None:
    if properties["TopicArn"] not in sns._topics:
        raise ValueError("Topic does not exist (Service: Sns, Status Code: 404)")


def patch(kind: str, check: Any) -> None:
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    original = handlers["create"]

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        check(properties)
        return original(logical_id, properties, stack)

    handlers["create"] = create


def apply() -> None:
    patch("AWS::Lambda::Permission", check_function)
    patch("AWS::SNS::Subscription", check_topic)
