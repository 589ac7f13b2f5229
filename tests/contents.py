"""The contents of a stage's tables and buckets."""

from __future__ import annotations

import boto3

from deploy.delete import contents


def everything(stage: str) -> str:
    """Return every item and every object key of a stage as text, one a line."""
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    found = []
    for kind, name in contents(stage):
        if kind == "AWS::S3::Bucket":
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name)
            found += [item["Key"] for page in pages for item in page.get("Contents", [])]
        elif kind.startswith("AWS::DynamoDB::"):
            found += [
                str(item) for page in dynamodb.get_paginator("scan").paginate(TableName=name) for item in page["Items"]
            ]
    return "\n".join(found)
