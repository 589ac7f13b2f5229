"""The IAM roles of a delivery stream: Firehose makes every call with the credentials of the stream's role.

AWS: https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import boto3
import botocore.session
from botocore.credentials import DeferredRefreshableCredentials

from localaws.lambda_.clients import Clients

# With this header, the emulator authorizes AssumeRole for Firehose; see localaws/iam/service_roles.py.
PRINCIPAL = {"x-localaws-service": "firehose.amazonaws.com"}


class Roles:
    """The clients of each role in one Region."""

    def __init__(self, region: str, endpoint: str | None) -> None:
        self._region, self._endpoint = region, endpoint
        self.service = Clients(region, endpoint)
        self.service("sts").meta.events.register("before-call.sts.AssumeRole", _as_firehose)
        self._clients: dict[str, Clients] = {}
        self._creating = Lock()

    def __call__(self, role_arn: str) -> Clients:
        """Return the clients of the role. Its credentials are fetched on first use and refreshed before they expire."""
        with self._creating:
            if role_arn not in self._clients:
                self._clients[role_arn] = Clients(self._region, self._endpoint, self._session(role_arn))
            return self._clients[role_arn]

    def _session(self, role_arn: str) -> boto3.session.Session:
        def assume_role() -> dict[str, Any]:
            answer = self.service("sts").assume_role(RoleArn=role_arn, RoleSessionName="AWSFirehose")
            credentials = answer["Credentials"]
            return {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": credentials["Expiration"].isoformat(),
            }

        session = botocore.session.get_session()
        session._credentials = DeferredRefreshableCredentials(assume_role, "assume-role")
        return boto3.session.Session(botocore_session=session)


def _as_firehose(params: dict[str, Any], **_: Any) -> None:
    params["headers"] |= PRINCIPAL
