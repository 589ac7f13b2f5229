"""Gap: operations on a query ID are authorized for the resource `*`, so a policy limited to one workgroup denies them.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html
No longer needed when a user whose policy allows one workgroup can call GetQueryExecution for a query of the workgroup.
"""

import json
from typing import Any

from ministack.services import athena

from localaws.iam.resource_arns import authorize_on


def apply() -> None:
    authorize_on("athena", _workgroup)


def _workgroup(headers: Any, body: bytes, region: str, account_id: str) -> str | None:
    """Return the ARN of the workgroup of the query that a request names."""
    if b'"QueryExecutionId"' not in body:
        return None
    execution = athena._executions.get(json.loads(body)["QueryExecutionId"])
    return execution and f"arn:aws:athena:{region}:{account_id}:workgroup/{execution['WorkGroup']}"
