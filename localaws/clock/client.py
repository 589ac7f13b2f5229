"""Turns the clock of a running localaws, with the credentials and the Region of this environment."""

from __future__ import annotations

import argparse
import json
import re
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def seconds(text: str) -> float:
    """Return the seconds of a text such as ``+2h30m``, for a command. Raises ArgumentTypeError."""
    if not re.fullmatch(r"\+(\d+[dhms])+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as +1d or +2h30m")
    return float(sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", text)))


def turned(endpoint: str, by: float) -> str:
    """Turn the clock forward by seconds; return its time, ISO 8601 in UTC. Raises OSError, as without the root key."""
    body = json.dumps({"advance": by}).encode()
    request = AWSRequest("POST", f"{endpoint}/_localaws/clock", data=body)
    session = boto3.Session()
    SigV4Auth(session.get_credentials(), "localaws", session.region_name or "us-east-1").add_auth(request)
    call = urllib.request.Request(request.url, body, dict(request.headers.items()), method="POST")
    with urllib.request.urlopen(call, timeout=30) as answer:
        return str(json.load(answer)["now"])
