"""Gap: generated names are the same in all Regions, and those of some types have another form than on AWS.

Roles are global, so stacks of one name in two Regions would share theirs, and the second one replace the policies.
A log group is called after the stack and the resource, a parameter begins with `CFN-`, and neither has a slash. The id
of an `AWS::IAM::Policy` has five letters of the stack and four of the resource.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html
No longer needed when a log group without a name has no slash in its name, and two Regions generate two names of a role.
"""

import hashlib
import os
from typing import Any

from ministack.core.responses import get_region
from ministack.services.cloudformation import provisioners

type Properties = dict[str, Any]

SUFFIX = 13
"""Letters of the suffix of a generated name."""


def differing_by_region(generate: Any) -> Any:
    """Wrap the generation of a name, which ends in a suffix: give it another one in a Region that is not the first."""

    def name(stack: str, logical_id: str, **options: Any) -> str:
        made = str(generate(stack, logical_id, **options))
        if get_region() == os.environ.get("MINISTACK_REGION", "us-east-1"):
            return made
        suffix = hashlib.sha256(f"{made[-SUFFIX:]} {get_region()}".encode()).hexdigest()[:SUFFIX]
        return made[:-SUFFIX] + (suffix if options.get("lowercase") else suffix.upper())

    return name


def log_group_name(stack: str, logical_id: str) -> str:
    return str(provisioners._physical_name(stack, logical_id, max_len=512))


def parameter_name(stack: str, logical_id: str) -> str:
    return f"CFN-{logical_id}-{suffix(stack, logical_id)}"


def policy_id(stack: str, logical_id: str) -> str:
    return f"{stack[:5]}-{logical_id[:4]}-{suffix(stack, logical_id)}"


def suffix(stack: str, logical_id: str) -> str:
    return str(provisioners._physical_name(stack, logical_id)).rpartition("-")[2]


def named(handlers: dict[str, Any], name: str, generate: Any) -> None:
    """Wrap the handlers of a type to generate its name, which is the physical id."""
    create, update = handlers["create"], handlers["update"]

    def create_named(logical_id: str, properties: Properties, stack: str) -> Any:
        if not properties.get(name):
            properties[name] = generate(stack, logical_id)
        return create(logical_id, properties, stack)

    def update_named(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str) -> Any:
        if not new.get(name):
            new[name] = generate(stack, logical_id) if old.get(name) else physical_id
        return update(physical_id, old, new, stack, logical_id)

    handlers["create"], handlers["update"] = create_named, update_named


def with_policy_id(create: Any) -> Any:
    def create_policy(logical_id: str, properties: Properties, stack: str) -> Any:
        create(logical_id, properties, stack)
        physical_id = policy_id(stack, logical_id)
        return physical_id, {"Id": physical_id}

    return create_policy


def apply() -> None:
    provisioners._physical_name = differing_by_region(provisioners._physical_name)
    handlers = provisioners._RESOURCE_HANDLERS
    named(handlers["AWS::Logs::LogGroup"], "LogGroupName", log_group_name)
    named(handlers["AWS::SSM::Parameter"], "Name", parameter_name)
    policy = handlers["AWS::IAM::Policy"]
    policy["create"] = with_policy_id(policy["create"])
