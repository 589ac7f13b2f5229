"""Gap: an operation on a Glue table is authorized for its database only, and one on a database for a table of its name.

AWS requires permission on the catalog, on the database and on the table.
AWS: https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html
No longer needed when a user whose policy allows one table gets AccessDenied for another table of the database.
"""

import json
from dataclasses import replace
from typing import Any

from ministack.core import iam_evaluator as iam

from localaws.iam.resource_arns import authorize_on


def apply() -> None:
    authorize_on("glue", _arn)
    evaluate = iam.evaluate

    def evaluate_all(context: Any, *policies: Any) -> Any:
        for arn in _resources(context.resource_arn):
            result = evaluate(replace(context, resource_arn=arn), *policies)
            if result.decision != "Allow":
                break
        return result

    iam.evaluate = evaluate_all


def _arn(headers: Any, body: bytes, region: str, account_id: str) -> str | None:
    """Return the ARN of the table or the database that a request names."""
    try:
        request = json.loads(body or b"{}")
        if str(headers.get("x-amz-target")).endswith("Database"):
            name = request.get("Name") or request["DatabaseInput"]["Name"]
            return f"arn:aws:glue:{region}:{account_id}:database/{name}"
        name = request.get("TableName") or request.get("Name") or request.get("TableInput", {}).get("Name")
        return f"arn:aws:glue:{region}:{account_id}:table/{request['DatabaseName']}/{name}" if name else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def _resources(arn: str) -> list[str]:
    """Return all resources that a request for *arn* needs permission for."""
    if not arn.startswith("arn:aws:glue:"):
        return [arn]
    account, kind, name = arn.rpartition(":")[0], *arn.rpartition(":")[2].partition("/")[::2]
    if kind == "database":
        return [f"{account}:catalog", arn]
    if kind == "table" and "/" in name:
        return [f"{account}:catalog", f"{account}:database/{name.partition('/')[0]}", arn]
    return [arn]
