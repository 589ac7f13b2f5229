"""Gap: the physical id of an `AWS::SecretsManager::Secret`, which `Ref` returns, is its name instead of its ARN.

A secret without a value has an empty one, instead of no version. An update and an
`AWS::SecretsManager::SecretTargetAttachment` send the token that a new version needs.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
No longer needed when `Ref` of a secret is its ARN.
"""

import uuid
from contextvars import ContextVar
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

updating: ContextVar[bool] = ContextVar("updating", default=False)
"""Whether CloudFormation changes a secret: it sends a token with the new value."""


def name_of(physical_id: str) -> str:
    """Return the name of a secret by its ARN or name."""
    for name, secret in secretsmanager._secrets.items():
        if physical_id in (name, secret["ARN"]):
            return str(name)
    return physical_id


def with_token(run: Any) -> Any:
    """Wrap a request that creates a version."""

    def request(data: dict[str, Any]) -> Any:
        return run({"ClientRequestToken": str(uuid.uuid4())} | data if updating.get() else data)

    return request


def as_update(change: Any) -> Any:
    """Wrap a function with which CloudFormation changes a secret."""

    def change_secret(*arguments: Any, **options: Any) -> Any:
        token = updating.set(True)
        try:
            return change(*arguments, **options)
        finally:
            updating.reset(token)

    return change_secret


def apply() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handlers["create"], as_update(handlers["update"]), handlers["delete"]

    def create_with_arn(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        name, attributes = create(logical_id, properties, stack)
        if not {"SecretString", "GenerateSecretString"} & properties.keys():
            secretsmanager._secrets[name]["Versions"] = {}
        return attributes["Arn"], attributes

    def update_with_arn(physical_id: str, *resource: Any, **more: Any) -> Any:
        _, attributes = update(name_of(physical_id), *resource, **more)
        return attributes["Arn"], attributes

    handlers["create"], handlers["update"] = create_with_arn, update_with_arn
    handlers["delete"] = lambda physical_id, properties: delete(name_of(physical_id), properties)
    provisioners._sm_rewrite_secret = as_update(provisioners._sm_rewrite_secret)
    for name in ("_put_secret_value", "_update_secret"):
        setattr(secretsmanager, name, with_token(getattr(secretsmanager, name)))
