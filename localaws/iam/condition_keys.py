"""Gap: a policy may use condition keys that ministack never sets, so its condition does not mean what it does in AWS.

A Deny with such a key denies nothing, and a negated condition allows everything. Here a policy with one is refused.
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
No longer needed when ministack sets every condition key of AWS, or refuses a policy with one that it does not set.
"""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from ministack.core import iam_evaluator

SET = (
    "aws:currenttime",
    "aws:epochtime",
    "aws:multifactorauthpresent",
    "aws:principal*",
    "aws:requestedregion",
    "aws:requesttag/*",
    "aws:resourceaccount",
    "aws:resourcetag/*",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:tagkeys",
    "aws:tokenissuetime",
    "aws:userid",
    "aws:username",
    "dynamodb:attributes",
    "dynamodb:enclosingoperation",
    "dynamodb:select",
    "logs:*",
    "s3:delimiter",
    "s3:existingobjecttag/*",
    "s3:max-keys",
    "s3:prefix",
    "s3:resourceaccount",
    "s3:x-amz-acl",
    "s3:x-amz-grant-*",
    "s3:x-amz-server-side-encryption",
    "ses:fromaddress",
    "sts:externalid",
    "sts:rolesessionname",
    "*.*:*",  # claims of identity providers, which are named by their hosts
)
"""Patterns of the keys that are set here, in lower case."""

LISTED = {
    "elasticfilesystem:accesspointarn": "Instances use a folder of this machine, which IAM does not guard.",
    "kms:*": "KMS keys are not used for encryption here.",
}
"""Keys that have no effect here but are accepted, each with its reason."""


def apply() -> None:
    validate = iam_evaluator.validate_policy_document

    def validate_with_keys(document: str | dict[str, Any]) -> str | None:
        if error := validate(document):
            return str(error)
        unknown = sorted({key for key in condition_keys(document) if not accepted(key)})
        if unknown:
            return f"NotImplemented: localaws does not set the condition keys {', '.join(unknown)}"
        return None

    iam_evaluator.validate_policy_document = validate_with_keys


def accepted(key: str) -> bool:
    """Return whether the key is set here, or listed as one without effect."""
    return any(fnmatchcase(key.lower(), pattern) for pattern in (*SET, *LISTED))


def condition_keys(document: str | dict[str, Any]) -> Iterator[str]:
    """Yield the condition keys of all statements of a valid policy document."""
    statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    for statement in [statements] if isinstance(statements, dict) else statements:
        for keys in statement.get("Condition", {}).values():
            yield from keys
