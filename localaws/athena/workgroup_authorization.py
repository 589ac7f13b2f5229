"""Gap: operations on a query ID are authorized for the resource `*`, so a policy limited to one workgroup denies them.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html
No longer needed when a user whose policy allows one workgroup can call GetQueryExecution for a query of the workgroup.
"""

import json

from ministack.core import iam_actions
from ministack.services import athena


def apply() -> None:
    resource_arn = iam_actions.extract_resource_arn

    def workgroup_arn(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, list[str]],
        region: str,
        account_id: str,
    ) -> str:
        if service == "athena" and b'"QueryExecutionId"' in body:
            execution = athena._executions.get(json.loads(body)["QueryExecutionId"])
            if execution:
                return f"arn:aws:athena:{region}:{account_id}:workgroup/{execution['WorkGroup']}"
        return str(resource_arn(service, method, path, headers, body, query, region, account_id))

    iam_actions.extract_resource_arn = workgroup_arn
