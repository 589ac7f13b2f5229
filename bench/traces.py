"""What traces cost: requests a second to a function that reads and writes a table, without and with traces."""

from __future__ import annotations

import io
import json
import os
import statistics
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import boto3
import httpx

from bench.emulator import emulator
from localaws.testing import active

_ROUNDS, _REQUESTS, _CLIENTS = 15, 40, 2
_CODE = """
import boto3
table = boto3.resource("dynamodb").Table("todos")
def handler(event, context):
    table.put_item(Item={"id": "1"})
    table.get_item(Key={"id": "1"})
    return {"statusCode": 200, "body": "{}"}
"""


def run() -> None:
    """Print the requests a second of each, and their ratio. Both take turns, so that they meet the same machine."""
    with ExitStack() as stack:
        addresses = {}
        for kept in ("0", "2000"):
            os.environ["LOCALAWS_TRACES"] = kept
            addresses[kept] = _deploy(stack.enter_context(emulator()))
        rates: dict[str, list[float]] = {kept: [] for kept in addresses}
        with ThreadPoolExecutor(_CLIENTS) as pool, httpx.Client(timeout=60) as client:
            for _ in range(_ROUNDS):
                for kept, address in addresses.items():
                    began = time.perf_counter()
                    for answer in pool.map(client.get, [address] * _REQUESTS):
                        answer.raise_for_status()
                    rates[kept].append(_REQUESTS / (time.perf_counter() - began))
    ratios = [on / off for off, on in zip(*rates.values(), strict=True)]
    off, on = (statistics.median(each) for each in rates.values())
    print(f"without traces {off:6.1f} requests/s, with {on:6.1f}   ratio {statistics.median(ratios):.3f}")


def _deploy(endpoint: str) -> str:
    """Create a table, a function and an API; return the address of the API's one route."""
    clients: Any = [boto3.client(name, endpoint_url=endpoint) for name in ("iam", "dynamodb", "lambda", "apigateway")]
    iam, dynamodb, functions, gateway = clients
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    policies = [json.dumps({"Version": "2012-10-17", "Statement": [each]}) for each in (trust, allow)]
    role = iam.create_role(RoleName="todos", AssumeRolePolicyDocument=policies[0])["Role"]["Arn"]
    iam.put_role_policy(RoleName="todos", PolicyName="use", PolicyDocument=policies[1])
    dynamodb.create_table(
        TableName="todos",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", _CODE)
    settings = {"Runtime": "python3.13", "Handler": "app.handler", "Role": role, "Timeout": 60}
    functions.create_function(FunctionName="todos", Code={"ZipFile": code.getvalue()}, **settings)
    arn = active(functions, "todos")
    functions.add_permission(
        FunctionName="todos", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    method = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}}
    document = {"swagger": "2.0", "info": {"title": "todos", "version": "1"}, "paths": {"/todos": {"get": method}}}
    api = gateway.import_rest_api(body=json.dumps(document))["id"]
    gateway.create_deployment(restApiId=api, stageName="v1")
    return f"{endpoint}/_aws/execute-api/{api}/v1/todos"
