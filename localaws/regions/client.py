"""A client of the control call `regions`."""

from __future__ import annotations

import json
import urllib.error
from typing import Literal
from urllib.parse import urlencode

from localaws import control_client

type Change = Literal["up", "down"]


class NoRegion(Exception):
    """What was given is not the name of a Region."""


def turned(endpoint: str, change: Change, *regions: str) -> list[str]:
    """Take Regions away, or bring them back. Return those that are down then. Raises NoRegion."""
    query = urlencode([(change, region) for region in regions])
    try:
        answer = control_client.call(f"{endpoint}/_localaws/regions?{query}", b"")
    except urllib.error.HTTPError as error:
        if error.code != 400:
            raise
        raise NoRegion(json.load(error)["message"]) from None
    down: list[str] = json.loads(answer)["down"]
    return down
