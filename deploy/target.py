"""Where deploy commands act: the account, the Region and the endpoint that this environment points to."""

from __future__ import annotations

import boto3


def target() -> str:
    """Return account, Region and endpoint in one line. Raises BotoCoreError without credentials or a Region."""
    session = boto3.Session()
    account = session.client("sts").get_caller_identity()["Account"]
    cloudformation = session.client("cloudformation").meta
    return f"account {account}, Region {cloudformation.region_name}, endpoint {cloudformation.endpoint_url}"
