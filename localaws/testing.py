"""Pytest fixtures of a local AWS: `pytest_plugins = ["localaws.testing"]` in a conftest.py."""

from __future__ import annotations

import functools
import json
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws import control_client, serve
from localaws.clock.client import turned
from localaws.ports import find_free_port


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """The function that finds a free port."""
    return find_free_port


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty emulator with its gaps closed, without the data planes that run beside it."""
    with serve.emulator(tmp_path_factory.mktemp("emulator")) as url:
        yield url


@pytest.fixture(scope="session")
def turn(emulator: str) -> Callable[[float], str]:
    """The function that turns the clock of `emulator` forward by seconds, and returns the time there.

    The clock does not run back: use an emulator of your own if other tests depend on its time.
    """
    return functools.partial(turned, emulator)


def eventually[T](look: Callable[[], T], seconds: float = 90) -> T:
    """Call *look* until it returns something true or *seconds* have passed; return its last result.

    The time is long, because a machine that is busy with other things is slow. A test that passes does not wait for it.
    The looks become rarer, up to two a second, because each of them takes CPU time from what is waited for.
    """
    began = time.monotonic()
    while not (found := look()) and (waited := time.monotonic() - began) < seconds:
        time.sleep(min(max(0.05, waited / 10), 0.5))
    return found


def until[T](look: Callable[[], T | None], seconds: float = 90) -> T:
    """Call *look* until it returns something true, and return that. Raises AssertionError after *seconds*."""
    found = eventually(look, seconds)
    assert found, f"nothing within {seconds} s"
    return found


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a process takes connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def active(functions: Any, name: str) -> str:
    """Wait until the function is active, by a client of Lambda; return its ARN.

    AWS refuses to invoke a function that is still `Pending`
    (https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html).
    """
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
    return str(functions.get_function_configuration(FunctionName=name)["FunctionArn"])


def refusal(call: Callable[[], object]) -> str:
    """Call an operation of boto3; return its error as `Code: message`, or an empty string if it succeeds."""
    try:
        call()
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"
    return ""


def verify_identity(endpoint: str, identity: str, region: str = "us-east-1") -> None:
    """Create the SES identity if there is none, and do what its owner does to verify it.

    The owner of an address opens the link that SES sends there. The owner of a domain adds the records to its DNS.
    """
    ses: Any = boto3.client("sesv2", region, endpoint_url=endpoint)
    if identity not in {each["IdentityName"] for each in ses.list_email_identities()["EmailIdentities"]}:
        ses.create_email_identity(EmailIdentity=identity)
    if "@" not in identity:
        _add_records(endpoint, identity, ses.get_email_identity(EmailIdentity=identity)["DkimAttributes"]["Tokens"])
        return
    kept = json.loads(control_client.call(f"{endpoint}/_ministack/ses/messages"))["messages"]
    mails = [mail for each in kept.values() for mail in each]
    for mail in mails:
        if mail["To"] == [identity] and (link := re.search(r"http\S+/_localaws/ses/verify\S+", mail["BodyText"])):
            urllib.request.urlopen(link[0], timeout=10).close()


def _add_records(endpoint: str, domain: str, tokens: list[str]) -> None:
    if not tokens:
        return
    route53: Any = boto3.client("route53", "us-east-1", endpoint_url=endpoint)
    zone = route53.create_hosted_zone(Name=domain, CallerReference=domain)["HostedZone"]["Id"]
    values = {f"{token}._domainkey.{domain}": f"{token}.dkim.amazonses.com" for token in tokens}
    records = [
        {"Name": name, "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": value}]}
        for name, value in values.items()
    ]
    changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in records]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
