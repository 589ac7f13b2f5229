"""Gap: the physical id of an `AWS::SecretsManager::Secret`, which `Ref` returns, is its name instead of its ARN.

A secret without a value has an empty one, instead of no version. An update sends the token that UpdateSecret needs for
a new version.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
No longer needed when `Ref` of a secret is its ARN.
"""

import uuid
from contextvars import ContextVar
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

updating: ContextVar[bool] = ContextVar("updating", default=False)
"""Whether CloudFormation updates a secret: it sends a token with the new value."""


def name_of(physical_id: str) -> str:
    """Return the name of a secret by its ARN or name."""
    for name, secret in secretsmanager._secrets.items():
        if physical_id in (name, secret["ARN"]):
            return str(name)
    return physical_id


def with_token(update_secret: Any) -> Any:
    def update(data: dict[str, Any]) -> Any:
        return update_secret({"ClientRequestToken": str(uuid.uuid4())} | data if updating.get() else data)

    return update


def apply() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def create_with_arn(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        name, attributes = create(logical_id, properties, stack)
        if not {"SecretString", "GenerateSecretString"} & properties.keys():
            secretsmanager._secrets[name]["Versions"] = {}
        return attributes["Arn"], attributes

    def update_with_arn(physical_id: str, *resource: Any, **more: Any) -> Any:
        token = updating.set(True)
        try:
            _, attributes = update(name_of(physical_id), *resource, **more)
        finally:
            updating.reset(token)
        return attributes["Arn"], attributes

    handlers["create"], handlers["update"] = create_with_arn, update_with_arn
    handlers["delete"] = lambda physical_id, properties: delete(name_of(physical_id), properties)
    secretsmanager._update_secret = with_token(secretsmanager._update_secret)
