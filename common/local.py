"""Makes `chalice local` refuse whom API Gateway refuses. In Lambda it does nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalice.app import CORSConfig


def install(cors: CORSConfig) -> None:
    """Under the Chalice command, change its local server; the refusals have the headers of *cors*."""
    if "AWS_CHALICE_CLI_MODE" in os.environ:
        from common import local_gateway  # `chalice.local` is not in the zip

        local_gateway.install(cors, is_open=os.environ.get("CHALICE_LOCAL_OPEN") == "1")
