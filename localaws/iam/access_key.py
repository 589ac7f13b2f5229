"""Gap: CloudFormation does not support AWS::IAM::AccessKey.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-accesskey.html
No longer needed when CloudFormation creates a stack that contains an AWS::IAM::AccessKey.
"""

from typing import Any

from ministack.services import iam
from ministack.services.cloudformation import provisioners


def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, str]]:
    before = set(iam._access_keys)
    status, _, answer = iam._create_access_key({"UserName": [props["UserName"]]})
    if status >= 400:
        raise ValueError(answer.decode())
    (key_id,) = set(iam._access_keys) - before
    return key_id, {"SecretAccessKey": iam._access_keys[key_id]["SecretAccessKey"]}


def delete(key_id: str, props: dict[str, Any]) -> None:
    iam._delete_access_key({"AccessKeyId": [key_id]})


def apply() -> None:
    provisioners._RESOURCE_HANDLERS["AWS::IAM::AccessKey"] = {"create": create, "delete": delete}
    provisioners._REPLACING_PROPERTIES["AWS::IAM::AccessKey"] = ("UserName", "Serial")
