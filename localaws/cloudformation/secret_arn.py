"""Gap: the physical id of an `AWS::SecretsManager::Secret`, which `Ref` returns, is its name instead of its ARN.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
No longer needed when `Ref` of a secret is its ARN.
"""

from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners


def name_of(physical_id: str) -> str:
    """Return the name of a secret by its ARN or name."""
    for name, secret in secretsmanager._secrets.items():
        if physical_id in (name, secret["ARN"]):
            return str(name)
    return physical_id


def apply() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def create_with_arn(*resource: Any) -> Any:
        _, attributes = create(*resource)
        return attributes["Arn"], attributes

    def update_with_arn(physical_id: str, *resource: Any, **more: Any) -> Any:
        _, attributes = update(name_of(physical_id), *resource, **more)
        return attributes["Arn"], attributes

    handlers["create"], handlers["update"] = create_with_arn, update_with_arn
    handlers["delete"] = lambda physical_id, properties: delete(name_of(physical_id), properties)
