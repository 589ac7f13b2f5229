"""Gap: an operation on a Glue table is authorized for its database only, so a policy cannot allow or deny one table.

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
    authorize_on("glue", _table)
    evaluate = iam.evaluate

    def evaluate_all(context: Any, *policies: Any) -> Any:
        for arn in _resources(context.resource_arn):
            result = evaluate(replace(context, resource_arn=arn), *policies)
            if result.decision != "Allow":
                break
        return result

    iam.evaluate = evaluate_all


def _table(headers: Any, body: bytes, region: str, account_id: str) -> str | None:
    """Return the ARN of the table that a request names."""
    try:
        request = json.loads(body or b"{}")
        name = request.get("TableName") or request.get("Name") or request.get("TableInput", {}).get("Name")
        return f"arn:aws:glue:{region}:{account_id}:table/{request['DatabaseName']}/{name}" if name else None
    except (ValueError, KeyError, AttributeError):
        return None


def _resources(arn: str) -> list[str]:
    """Return all resources that a request for *arn* needs permission for."""
    if not arn.startswith("arn:aws:glue:") or arn.count("/") != 2:
        return [arn]
    catalog, _, table = arn.partition(":table/")
    return [f"{catalog}:catalog", f"{catalog}:database/{table.partition('/')[0]}", arn]
