"""What traces cost: requests a second to a function that reads and writes a table, without and with traces.

A second ratio compares the requests for each second of CPU time, which other work on the machine changes less.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import boto3
import httpx
import psutil

from bench.emulator import cpu_seconds, emulator
from localaws.testing import active

_KEPT = ("0", "2000")
_STARTS, _ROUNDS, _REQUESTS, _CLIENTS = 6, 5, 100, 2
READS_AND_WRITES = """
import boto3
table = boto3.resource("dynamodb").Table("todos")
def handler(event, context):
    table.put_item(Item={"id": "1"})
    table.get_item(Key={"id": "1"})
    return {"statusCode": 200, "body": "{}"}
"""
PLAIN = """
def handler(event, context):
    return {"statusCode": 200, "body": "{}"}
"""


def run() -> None:
    """Print both of each, and their ratios. The two take turns, so that they meet the same machine."""
    rates: dict[str, list[float]] = {kept: [] for kept in _KEPT}
    work: dict[str, list[float]] = {kept: [] for kept in _KEPT}
    for number in range(_STARTS):
        _measure(_KEPT if number % 2 else _KEPT[::-1], rates, work)
    for title, measured in (("requests/s", rates), ("requests/CPU second", work)):
        ratios = [on / off for off, on in zip(*measured.values(), strict=True)]
        off, on = (statistics.median(each) for each in measured.values())
        print(f"without traces {off:6.1f} {title}, with {on:6.1f}   ratio {statistics.median(ratios):.3f}")


def _measure(order: Sequence[str], rates: dict[str, list[float]], work: dict[str, list[float]]) -> None:
    """Start an emulator of each kind, and add the requests a second, and a CPU second, of each round."""
    with ExitStack() as stack:
        addresses, processes = {}, {}
        for kept in order:
            os.environ["LOCALAWS_TRACES"] = kept
            others = set(psutil.Process().children())
            addresses[kept] = deploy(stack.enter_context(emulator()), "todos", READS_AND_WRITES)
            processes[kept] = (set(psutil.Process().children()) - others).pop()
        with ThreadPoolExecutor(_CLIENTS) as pool, httpx.Client(timeout=60) as client:
            for _ in range(_ROUNDS):
                for kept, address in addresses.items():
                    before, began = cpu_seconds(processes[kept]), time.perf_counter()
                    for answer in pool.map(client.get, [address] * _REQUESTS):
                        answer.raise_for_status()
                    rates[kept].append(_REQUESTS / (time.perf_counter() - began))
                    work[kept].append(_REQUESTS / (cpu_seconds(processes[kept]) - before))


def raise_limit() -> None:
    """Let a new account run more than ten functions at once. API Gateway answers 500 for the others.

    The account of the sandbox can already.
    """
    quotas = boto3.client("service-quotas")
    quotas.request_service_quota_increase(ServiceCode="lambda", QuotaCode="L-B99A9384", DesiredValue=1000)


def deploy(endpoint: str, name: str, source: str) -> str:
    """Create a table, a function and an API of this name; return the address of the API's one route."""
    clients: Any = [boto3.client(name, endpoint_url=endpoint) for name in ("iam", "dynamodb", "lambda", "apigateway")]
    iam, dynamodb, functions, gateway = clients
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    policies = [json.dumps({"Version": "2012-10-17", "Statement": [each]}) for each in (trust, allow)]
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policies[0])["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="use", PolicyDocument=policies[1])
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", source)
    settings = {"Runtime": "python3.13", "Handler": "app.handler", "Role": role, "Timeout": 60}
    functions.create_function(FunctionName=name, Code={"ZipFile": code.getvalue()}, **settings)
    arn = active(functions, name)
    functions.add_permission(
        FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    method = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}}
    document = {"swagger": "2.0", "info": {"title": name, "version": "1"}, "paths": {"/todos": {"get": method}}}
    api = gateway.import_rest_api(body=json.dumps(document))["id"]
    gateway.create_deployment(restApiId=api, stageName="v1")
    return f"{endpoint}/_aws/execute-api/{api}/v1/todos"
