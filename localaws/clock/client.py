"""Turns the clock of a running localaws, with the root key of this environment."""

from __future__ import annotations

import argparse
import json
import re

from localaws import control_client

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def seconds(text: str) -> float:
    """Return the seconds of a text such as ``+2h30m``, for a command. Raises ArgumentTypeError."""
    if not re.fullmatch(r"\+(\d+[dhms])+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as +1d or +2h30m")
    return float(sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", text)))


def turned(endpoint: str, by: float) -> str:
    """Turn the clock forward by seconds; return its time, ISO 8601 in UTC. Raises OSError, as without the root key."""
    body = json.dumps({"advance": by}).encode()
    return str(json.loads(control_client.call(f"{endpoint}/_localaws/clock", body))["now"])
