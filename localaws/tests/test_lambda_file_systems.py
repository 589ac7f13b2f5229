"""The file systems of functions: shared by all that mount one access point, and refused as on AWS."""

import io
import json
import zipfile
from typing import Any

import boto3
import pytest

from localaws.testing import active, refusal

CODE = """
import os
from pathlib import Path

def handler(event, context):
    file = Path(os.environ["FILES"]) / "note"
    if "text" in event:
        file.write_text(event["text"])
    return file.read_text()
"""
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


class Account:
    """A VPC with two subnets in two zones, and a file system with a mount target in the first."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        ec2, efs, iam = self.client("ec2"), self.client("efs"), self.client("iam")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
            for n, zone in enumerate("ab")
        ]
        self.group = ec2.create_security_group(GroupName="files", Description="files", VpcId=vpc)["GroupId"]
        self.files = efs.create_file_system(CreationToken="files")["FileSystemId"]
        efs.create_mount_target(FileSystemId=self.files, SubnetId=self.subnets[0]["SubnetId"])
        point = efs.create_access_point(ClientToken="files", FileSystemId=self.files)
        self.mounts = [{"Arn": point["AccessPointArn"], "LocalMountPath": "/mnt/files"}]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        self.role = iam.create_role(RoleName="files", AssumeRolePolicyDocument=policy)["Role"]["Arn"]

    def client(self, service: str) -> Any:
        return boto3.client(service, "us-east-1", endpoint_url=self.endpoint)

    def network(self, *subnets: int) -> dict[str, Any]:
        return {"SubnetIds": [self.subnets[n]["SubnetId"] for n in subnets], "SecurityGroupIds": [self.group]}

    def create(self, name: str, **settings: Any) -> str:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", CODE)
        self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=self.role,
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"FILES": "/mnt/files"}},
            **settings,
        )
        return active(self.client("lambda"), name)

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())


@pytest.fixture(scope="module")
def account(emulator: str) -> Account:
    return Account(emulator)


def test_functions_share_a_file_system(account: Account) -> None:
    account.create("writer", FileSystemConfigs=account.mounts, VpcConfig=account.network(0))
    template = {
        "Resources": {
            "Reader": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": "reader",
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "Role": account.role,
                    "Code": {"ZipFile": CODE},
                    "Environment": {"Variables": {"FILES": "/mnt/files"}},
                    "FileSystemConfigs": account.mounts,
                    "VpcConfig": account.network(0),
                },
            }
        }
    }
    cloudformation = account.client("cloudformation")
    cloudformation.create_stack(StackName="reader", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="reader", WaiterConfig={"Delay": 1})
    active(account.client("lambda"), "reader")

    account.invoke("writer", {"text": "shared"})

    assert account.invoke("reader", {}) == "shared"
    described = account.client("lambda").get_function_configuration(FunctionName="reader")
    assert described["FileSystemConfigs"] == account.mounts
    changed = account.client("lambda").update_function_configuration(FunctionName="reader", Timeout=9)
    assert changed["Timeout"] == 9


def test_a_file_system_needs_a_vpc_and_a_mount_target_in_each_zone(account: Account) -> None:
    outside = refusal(lambda: account.create("outside", FileSystemConfigs=account.mounts))
    elsewhere = refusal(
        lambda: account.create("elsewhere", FileSystemConfigs=account.mounts, VpcConfig=account.network(0, 1))
    )

    assert outside.startswith("InvalidParameterValueException: Function must be configured to execute in a VPC")
    assert elsewhere.startswith("InvalidParameterValueException: EFS file system arn:aws:elasticfilesystem:")
    assert "does not have mount targets created in all availability zones" in elsewhere
