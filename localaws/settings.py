"""The settings of a local AWS: its folder, ports, Regions, and whether it keeps its state."""

from __future__ import annotations

import json
import os
import secrets
import string
from dataclasses import dataclass
from pathlib import Path

from localaws import efs

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """The settings of one local AWS.

    ``folder`` holds its state, log and process id. ``regions[0]`` is the Region of clients that name none. With
    ``keep`` the state of the last run is loaded at the start and saved at the end.
    """

    folder: Path
    port: int = 4566
    dax_port: int = 8111
    mqtt_port: int = 8883
    regions: tuple[str, ...] = ("us-east-1",)
    keep: bool = False
    origins: tuple[str, ...] = ()
    """The origins of the web pages that may call it, such as `http://localhost:3000`; `*` allows every page."""
    grant_requests: bool = False
    """Whether AWS grants requests (a higher quota, SES outside its sandbox) at once. If not, they are pending."""
    consistency_delay: float = 0
    """Seconds until another service knows a new role, and the name of a deleted bucket is free."""
    retry_delay: float = 2
    """Seconds between two tries of a failed batch, at most. AWS waits longer; here a developer is waiting."""
    buffer_interval: float = 900
    """Seconds of a Firehose buffer, at most. A lower value delivers before the deployed ``IntervalInSeconds`` ends, so
    that a template can have an interval that AWS accepts."""

    @property
    def clock(self) -> Path:
        """The file of the clock that all processes share. The state lives on this clock."""
        return self.state / "clock"

    @property
    def state(self) -> Path:
        """The folder of everything that is deleted at a start without `keep`."""
        return self.folder / "state"

    @property
    def file_systems(self) -> Path:
        """The folder of the file systems of EFS."""
        return self.state / efs.FOLDER

    @property
    def endpoint(self) -> str:
        """The URL of every AWS API, without a closing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ports(self) -> dict[str, int]:
        """The ports to listen on, by their use."""
        return {"AWS": self.port, "DAX": self.dax_port, "MQTT": self.mqtt_port}

    def make_root_key(self) -> None:
        """Make the root key of this start, in a file that only its owner may read.

        LOCALAWS_ACCESS_KEY_ID and LOCALAWS_SECRET_ACCESS_KEY give a known key, for example to a tool.
        """
        letters = "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
        key_id = os.environ.get("LOCALAWS_ACCESS_KEY_ID") or f"AKIA{letters}"
        secret = os.environ.get("LOCALAWS_SECRET_ACCESS_KEY") or secrets.token_urlsafe(30)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._root_key_file.unlink(missing_ok=True)
        self._root_key_file.touch(mode=0o600)
        self._root_key_file.write_text(json.dumps([key_id, secret]))

    def delete_root_key(self) -> None:
        """Delete the file of a key that no longer works."""
        self._root_key_file.unlink(missing_ok=True)

    @property
    def root_key(self) -> tuple[str, str]:
        """ID and secret of the root key. Raises FileNotFoundError if none was made."""
        key_id, secret = json.loads(self._root_key_file.read_text())
        return key_id, secret

    @property
    def _root_key_file(self) -> Path:
        return self.folder / "root-key.json"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point boto3, Chalice, SAM and the AWS CLI to this AWS.

        AWS_DATA_PATH shortens the waiters of CloudFormation and Lambda, whose delays suit a slower cloud.
        """
        key_id, secret = self.root_key
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": self.regions[0],
            "AWS_DATA_PATH": str(PACKAGE / "botodata"),
        }
