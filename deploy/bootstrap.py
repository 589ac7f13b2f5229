"""What an account needs once for each Region, before the first release there.

* The bucket for code and templates.
* API Gateway's role for logs. It is a setting of the account: a role that is there already is kept.
"""

from __future__ import annotations

from deploy import stacks
from deploy.account import client
from deploy.apps import ROOT

STACK = "chalice-suite-account"
TEMPLATE = ROOT / "deploy" / "account.yaml"


def bootstrap() -> dict[str, str]:
    """Make what is missing; return the bucket and the role. Raises StackFailed. The same call resumes."""
    return {"bucket": stacks.artifacts(), "API Gateway's role": logs_role() or _make_logs_role()}


def logs_role() -> str | None:
    """Return the ARN of the role with which API Gateway writes logs, if the account has one in this Region."""
    role: str | None = client("apigateway").get_account().get("cloudwatchRoleArn")
    return role


def _make_logs_role() -> str:
    return stacks.deploy(STACK, TEMPLATE.read_text(), {})["LogsRole"]
