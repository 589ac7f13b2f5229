"""`python -m localaws.coverage.parameters`: write which parameters of AWS's operations nothing here reads.

A parameter whose name occurs nowhere in the code of its service, the emulator's and ours, has no effect. The command
compares the names in botocore's service models with all strings of that code, and writes `unread_parameters.jsonl`. It
looks at the first level of a request: the members of a structure may be stored as a whole. It leaves out what is in the
path of a URL, and XML documents.

`parameters.toml` lists those that are accepted all the same, with the consequence. Every other one is refused by
`coverage.unread_parameters`.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from localaws.settings import PACKAGE

UNREAD = Path(__file__).with_name("unread_parameters.jsonl")
EXCEPTIONS = Path(__file__).with_name("parameters.toml")

SERVICES: dict[str, tuple[str, str]] = {
    "apigateway": ("apigateway_v1", "apigateway"),
    "athena": ("athena", "athena"),
    "autoscaling": ("autoscaling", "autoscaling"),
    "cloudformation": ("cloudformation", "cloudformation"),
    "cloudfront": ("cloudfront", "cloudfront"),
    "cloudwatch": ("cloudwatch", "cloudwatch"),
    "cognito-identity": ("cognito", "cognito"),
    "cognito-idp": ("cognito", "cognito"),
    "dynamodb": ("dynamodb", "dynamodb"),
    "dynamodbstreams": ("dynamodb_streams", "dynamodb"),
    "elbv2": ("alb", "elasticloadbalancing"),
    "events": ("eventbridge", "events"),
    "firehose": ("firehose", "firehose"),
    "glue": ("glue", "athena"),
    "iam": ("iam", "iam"),
    "iot": ("iot", "iot"),
    "iot-data": ("iot_data", "iot"),
    "kinesis": ("kinesis", "kinesis"),
    "lambda": ("lambda_svc", "lambda_"),
    "logs": ("cloudwatch_logs", "logs"),
    "s3": ("s3", "s3"),
    "secretsmanager": ("secretsmanager", "secretsmanager"),
    "sesv2": ("ses_v2", "ses"),
    "sns": ("sns", "sns"),
    "sqs": ("sqs", "sqs"),
    "ssm": ("ssm", "ssm"),
    "sts": ("sts", "iam"),
}
"""By service of botocore: the emulator's module and the folder here. These are the services that Chalice apps use."""

WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def code(service: str) -> Iterator[Path]:
    """Yield the files with the code of a service."""
    module, folder = SERVICES[service]
    spec = find_spec(f"ministack.services.{module}")
    assert spec
    assert spec.origin
    origin = Path(spec.origin)
    yield from sorted(origin.parent.glob("*.py")) if origin.name == "__init__.py" else [origin]
    yield from sorted((PACKAGE / folder).glob("*.py"))


def names_in(source: str) -> set[str]:
    """Return the words in the strings and in the arguments' names of Python code, in lower case."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(WORD.findall(node.value))
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            found.add(node.arg)
    return {name.lower() for name in found}


def is_read(spellings: tuple[str, ...], names: set[str]) -> bool:
    """Tell whether the code has one of the spellings, or a long prefix of it such as `x-amz-checksum-`."""
    lower = [spelling.lower() for spelling in spellings]
    prefixes = tuple(name for name in names if name.endswith("-") and len(name) > len("x-amz-meta-"))
    return any(spelling in names or spelling.startswith(prefixes) for spelling in lower)


def sent(operation: Any) -> dict[str, tuple[str, str]]:
    """Return location and name in a request of each parameter, but for those in the path and in XML documents."""
    shape = operation.input_shape
    left_out = {"uri", "body"} if operation.service_model.metadata["protocol"] == "rest-xml" else {"uri"}
    located = {
        name: (member.serialization.get("location", "body"), str(member.serialization.get("name", name)))
        for name, member in (shape.members if shape else {}).items()
        if name != shape.serialization.get("payload")
    }
    return {name: place for name, place in located.items() if place[0] not in left_out}


def generate() -> str:
    """Return the content of the file: a line for each operation that has such a parameter."""
    from botocore.loaders import Loader  # only the command needs it
    from botocore.model import ServiceModel

    loader = Loader()  # of its own: a client changes the description of its service
    lines = []
    for service in SERVICES:
        names = set().union(*(names_in(file.read_text()) for file in code(service)))
        model = ServiceModel(loader.load_service_model(service, "service-2"), service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            unread = {key: place for key, place in sent(operation).items() if not is_read((key, place[1]), names)}
            if unread:
                lines.append(line(service, name, operation, unread))
    return "".join(lines)


def line(service: str, name: str, operation: Any, parameters: dict[str, tuple[str, str]]) -> str:
    fields = {
        "service": service,
        "protocol": operation.service_model.metadata["protocol"],
        "operation": name,
        "method": operation.http["method"],
        "path": operation.http["requestUri"].partition("?")[0],
        "parameters": dict(sorted(parameters.items())),
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"


@cache
def unread() -> list[dict[str, Any]]:
    """Return the operations with the parameters that nothing reads.

    `parameters` has by name the location (`header`, `querystring` or `body`) and the name in a request.
    """
    return [json.loads(text) for text in UNREAD.read_text().splitlines()]


@cache
def exceptions() -> dict[str, dict[str, str]]:
    """Return, by `service.Operation` or `service.*` and by parameter, what the lack of an effect means."""
    return tomllib.loads(EXCEPTIONS.read_text())


def refused(service: str) -> list[dict[str, Any]]:
    """Return the operations of a service that have a parameter which is refused, with these parameters."""
    listed = exceptions()
    everywhere = listed.get(f"{service}.*", {})
    found = []
    for operation in unread():
        if operation["service"] == service:
            accepted = everywhere | listed.get(f"{service}.{operation['operation']}", {})
            remaining = {name: place for name, place in operation["parameters"].items() if name not in accepted}
            found += [operation | {"parameters": remaining}] if remaining else []
    return found


def table() -> str:
    """Return the listed exceptions as a Markdown table with a row for each parameter."""
    rows = [
        f"| `{operation}` | `{name}` | {consequence} |"
        for operation, listed in sorted(exceptions().items())
        for name, consequence in sorted(listed.items())
    ]
    return "\n".join(["| operation | parameter | consequence |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    UNREAD.write_text(generate())
