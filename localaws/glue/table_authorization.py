"""Gap: an operation on a Glue table is authorized for its database only, so a policy cannot allow or deny one table.

AWS requires permission on the catalog, on the database and on the table.
AWS: https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html
No longer needed when a user whose policy allows one table gets AccessDenied for another table of the database.
"""

import json
from dataclasses import replace
from typing import Any

from ministack.core import iam_actions
from ministack.core import iam_evaluator as iam


def apply() -> None:
    resource_arn = iam_actions.extract_resource_arn
    evaluate = iam.evaluate

    def table_arn(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, list[str]],
        region: str,
        account_id: str,
    ) -> str:
        if service == "glue" and (table := _table(body)):
            return f"arn:aws:glue:{region}:{account_id}:table/{table}"
        return str(resource_arn(service, method, path, headers, body, query, region, account_id))

    def evaluate_all(context: Any, *policies: Any) -> Any:
        for arn in _resources(context.resource_arn):
            result = evaluate(replace(context, resource_arn=arn), *policies)
            if result.decision != "Allow":
                break
        return result

    iam_actions.extract_resource_arn = table_arn
    iam.evaluate = evaluate_all


def _table(body: bytes) -> str:
    """Return ``database/table`` of a request that names a table, else an empty string."""
    try:
        request = json.loads(body or b"{}")
        name = request.get("TableName") or request.get("Name") or request.get("TableInput", {}).get("Name")
        return f"{request['DatabaseName']}/{name}" if name else ""
    except (ValueError, KeyError, AttributeError):
        return ""


def _resources(arn: str) -> list[str]:
    """Return all resources that a request for *arn* needs permission for."""
    if not arn.startswith("arn:aws:glue:") or arn.count("/") != 2:
        return [arn]
    catalog, _, table = arn.partition(":table/")
    return [f"{catalog}:catalog", f"{catalog}:database/{table.partition('/')[0]}", arn]
