"""Create the stack of each template in moto, an emulator of AWS, and print a line of JSON for each that fails.

It runs in the environment of the tools, which has moto and none of this project. Resources of types that moto does not
know are left out, with those that refer to them. A parameter without a default gets the text that its name suggests.
"""

import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws
from moto.cloudformation.parsing import get_model_map
from samtranslator.yaml_helper import yaml_parse

ARN = "arn:aws:iam::123456789012:role/x"


def reduced(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template with the resources that moto knows, without the outputs."""
    known, resources = get_model_map(), dict(template["Resources"])
    left_out = {name for name, resource in resources.items() if resource["Type"] not in known}
    while True:
        left_out |= {name for name, resource in resources.items() if set(references(resource)) & left_out}
        if not left_out & resources.keys():
            return {"Parameters": {}, **template, "Resources": resources, "Outputs": {}}
        resources = {name: resource for name, resource in resources.items() if name not in left_out}


def references(node: Any) -> Iterator[str]:
    """Yield the names that intrinsic functions and DependsOn refer to."""
    if isinstance(node, list):
        for each in node:
            yield from references(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from REFERENCES.get(key, lambda value: [])(value)
            yield from references(value)


REFERENCES: dict[str, Callable[[Any], list[str]]] = {
    "Ref": lambda value: [value],
    "Fn::GetAtt": lambda value: [value.partition(".")[0] if isinstance(value, str) else value[0]],
    "Fn::Sub": lambda value: re.findall(r"\$\{([A-Za-z0-9]+)", value if isinstance(value, str) else value[0]),
    "DependsOn": lambda value: [value] if isinstance(value, str) else value,
}


def values(template: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield a value of each parameter that has no default."""
    for name, parameter in template["Parameters"].items():
        if "Default" not in parameter:
            value = "dev" if name == "Stage" else ARN if name.endswith("Arn") else name.lower()
            yield {"ParameterKey": name, "ParameterValue": value}


@mock_aws
def state(template: dict[str, Any]) -> str:
    """Return the state in which the creation of the stack ends."""
    cloudformation: Any = boto3.client("cloudformation", "us-east-1")
    for bucket, key in (("bucket", "key"), ("clientbucket", "clientkey")):  # with the code of functions and layers
        boto3.client("s3", "us-east-1").create_bucket(Bucket=bucket)
        boto3.client("s3", "us-east-1").put_object(Bucket=bucket, Key=key, Body=b"PK\x05\x06" + bytes(18))
    text = json.dumps(template, default=str)
    cloudformation.create_stack(StackName="x", TemplateBody=text, Parameters=list(values(template)))
    return str(cloudformation.describe_stacks(StackName="x")["Stacks"][0]["StackStatus"])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    for each in sys.argv[1:]:
        found = reduced(yaml_parse(Path(each).read_text()))
        try:
            if not found["Resources"] or (ended := state(found)) == "CREATE_COMPLETE":
                continue
            error, message = "state", ended
        except Exception as raised:
            error, message = type(raised).__name__, str(raised).partition("\n")[0]
        print(json.dumps({"file": each, "error": error, "message": message}))
