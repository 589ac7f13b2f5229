"""Each property of a resource has an effect, is a listed exception with its consequence, or fails the stack by name."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import boto3
import pytest

from localaws.cloudformation import schemas
from localaws.coverage import properties
from localaws.testing import refusal
from localaws.tests.test_cloudformation_refusals import Stack

SAMPLES: dict[str, dict[str, Any]] = {
    "AWS::ApiGateway::RestApi": {"Name": "api", "Parameters": {"endpointConfigurationTypes": "REGIONAL"}},
    "AWS::Athena::WorkGroup": {"Name": "group", "RecursiveDeleteOption": True},
    "AWS::AutoScaling::AutoScalingGroup": {
        "MinSize": "0",
        "MaxSize": "1",
        "AvailabilityZones": ["us-east-1a"],
        "DefaultInstanceWarmup": 60,
        "TargetGroupARNs": ["arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/a/1"],
    },
    "AWS::DAX::Cluster": {
        "IAMRoleARN": "arn:aws:iam::000000000000:role/dax",
        "NodeType": "dax.t3.small",
        "ReplicationFactor": 1,
        "SSESpecification": {"SSEEnabled": True},
        "SecurityGroupIds": ["sg-1"],
        "SubnetGroupName": "group",
    },
    "AWS::DAX::ParameterGroup": {"Description": "group"},
    "AWS::DAX::SubnetGroup": {"Description": "group", "SubnetIds": ["subnet-1"]},
    "AWS::DynamoDB::GlobalTable": {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "Replicas": [{"Region": "us-east-1"}],
        "SSESpecification": {"SSEEnabled": True},
    },
    "AWS::Glue::Database": {"CatalogId": "000000000000", "DatabaseInput": {"Name": "database"}},
    "AWS::Glue::Table": {
        "CatalogId": "000000000000",
        "DatabaseName": {"Ref": "AWSGlueDatabase"},
        "TableInput": {"Name": "table"},
    },
    "AWS::Lambda::Function": {
        "Role": "arn:aws:iam::000000000000:role/function",
        "Handler": "index.handler",
        "Runtime": "python3.13",
        "Code": {"ZipFile": "handler = print"},
        "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    },
}
"""By type of an exception: properties that include it."""


def test_the_listed_exceptions_are_those_that_no_handler_reads(tmp_path: Any) -> None:
    assert SAMPLES.keys() == properties.exceptions().keys()
    resources = {kind.replace("::", ""): {"Type": kind, "Properties": sample} for kind, sample in SAMPLES.items()}
    template = tmp_path / "template.json"
    template.write_text(json.dumps({"Resources": resources}))

    done = subprocess.run(
        [sys.executable, "-m", "localaws.coverage", str(template)], capture_output=True, text=True, check=True
    )

    assert done.stderr == ""
    unread = [line.split("\t") for line in done.stdout.splitlines()]
    assert unread == [
        [kind, path, consequence]
        for kind, listed in sorted(properties.exceptions().items())
        for path, consequence in sorted(listed.items())
    ]


def test_the_table_of_exceptions_has_a_row_for_each() -> None:
    rows = properties.table().splitlines()

    assert len(rows) == 2 + sum(map(len, properties.exceptions().values()))
    assert "| `AWS::DAX::Cluster` | `ReplicationFactor` | A cluster has one node. |" in rows


def test_the_schemas_are_those_of_cfn_lint() -> None:
    assert schemas.FILE.read_text() == schemas.generate()


@pytest.fixture
def stack(emulator: str) -> Stack:
    return Stack(emulator)


def bucket(**settings: Any) -> dict[str, Any]:
    return {"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": settings}}}


TIERING = [{"Id": "a", "Status": "Enabled", "Tierings": [{"AccessTier": "ARCHIVE_ACCESS", "Days": 90}]}]


def test_a_property_without_effect_fails_the_stack_by_name_and_leaves_nothing(stack: Stack) -> None:
    name = f"{stack.name}-bucket"

    assert (
        stack.deploy("create", bucket(BucketName=name, IntelligentTieringConfigurations=TIERING)) == "ROLLBACK_COMPLETE"
    )
    reason = "NotImplemented: AWS::S3::Bucket has no effect here for IntelligentTieringConfigurations"
    assert reason in stack.reasons()
    s3 = boto3.client("s3", endpoint_url=stack.client.meta.endpoint_url)
    assert name not in {b["Name"] for b in s3.list_buckets()["Buckets"]}


def test_an_update_to_a_property_without_effect_rolls_back(stack: Stack) -> None:
    stack.deploy("create", bucket())

    assert stack.deploy("update", bucket(IntelligentTieringConfigurations=TIERING)) == "UPDATE_ROLLBACK_COMPLETE"
    assert "NotImplemented: AWS::S3::Bucket" in stack.reasons()


def test_an_attribute_that_is_not_played_fails_by_name(stack: Stack) -> None:
    template = bucket() | {"Outputs": {"A": {"Value": {"Fn::GetAtt": ["B", "DualStackDomainName"]}}}}

    assert stack.deploy("create", template) == "ROLLBACK_COMPLETE"
    assert "NotImplemented: the attribute DualStackDomainName of AWS::S3::Bucket" in stack.reasons()


def test_the_services_store_the_settings_of_their_resources(stack: Stack) -> None:
    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=stack.client.meta.endpoint_url)

    key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/aws/s3"}
    resources = {
        "B": bucket(
            BucketEncryption={"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": key}]},
            OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
            Tags=[{"Key": "team", "Value": "blog"}],
        )["Resources"]["B"],
        "T": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {"SSEEnabled": True},
            },
        },
        "K": {
            "Type": "AWS::Kinesis::Stream",
            "Properties": {
                "ShardCount": 1,
                "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
            },
        },
        "N": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": "alias/aws/sns"}},
        "S": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"GenerateSecretString": {"ExcludePunctuation": True, "PasswordLength": 64}},
        },
        "E": {"Type": "AWS::SecretsManager::Secret"},
        "L": {"Type": "AWS::Logs::LogGroup"},
    }
    outputs = {name: {"Value": {"Ref": name}} for name in resources} | {
        "TopicName": {"Value": {"Fn::GetAtt": ["N", "TopicName"]}},
        "LogGroupArn": {"Value": {"Fn::GetAtt": ["L", "Arn"]}},
    }
    assert stack.deploy("create", {"Resources": resources, "Outputs": outputs}) == "CREATE_COMPLETE"
    described = stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]["Outputs"]
    ids = {output["OutputKey"]: output["OutputValue"] for output in described}

    s3, dynamodb = client("s3"), client("dynamodb")
    rules = s3.get_bucket_encryption(Bucket=ids["B"])["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == key
    ownership = s3.get_bucket_ownership_controls(Bucket=ids["B"])["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    assert {"Key": "team", "Value": "blog"} in s3.get_bucket_tagging(Bucket=ids["B"])["TagSet"]
    backups = dynamodb.describe_continuous_backups(TableName=ids["T"])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert dynamodb.describe_table(TableName=ids["T"])["Table"]["SSEDescription"]["Status"] == "ENABLED"
    stream = client("kinesis").describe_stream_summary(StreamName=ids["K"])["StreamDescriptionSummary"]
    assert stream["EncryptionType"] == "KMS"
    topic = client("sns").get_topic_attributes(TopicArn=ids["N"])["Attributes"]
    assert topic["KmsMasterKeyId"] == "alias/aws/sns"
    secret = client("secretsmanager").get_secret_value(SecretId=ids["S"])["SecretString"]
    assert len(secret) == 64
    without_value = refusal(lambda: client("secretsmanager").get_secret_value(SecretId=ids["E"]))
    assert without_value.startswith("ResourceNotFoundException: Secrets Manager can't find the specified secret value")
    assert secret.isalnum()
    assert ids["TopicName"] == ids["N"].rpartition(":")[2]
    assert ids["LogGroupArn"].endswith(":*")


def test_a_resource_that_exists_fails_the_stack(stack: Stack) -> None:
    logs = boto3.client("logs", endpoint_url=stack.client.meta.endpoint_url)
    logs.create_log_group(logGroupName="/aws/lambda/exists")
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/exists"}}

    assert stack.deploy("create", {"Resources": {"L": group}}) == "ROLLBACK_COMPLETE"

    identifier = '{"/properties/LogGroupName":"/aws/lambda/exists"}'
    assert f"Resource of type 'AWS::Logs::LogGroup' with identifier '{identifier}' already exists." in stack.reasons()
    assert logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/exists")["logGroups"]


NAMED: dict[str, dict[str, Any]] = {
    "AWS::CloudFront::OriginAccessControl": {
        "OriginAccessControlConfig": {
            "Name": "taken",
            "OriginAccessControlOriginType": "s3",
            "SigningBehavior": "always",
            "SigningProtocol": "sigv4",
        }
    },
    "AWS::Kinesis::Stream": {"Name": "taken", "ShardCount": 1},
    "AWS::SNS::Topic": {"TopicName": "taken"},
    "AWS::SQS::Queue": {"QueueName": "taken"},
    "AWS::SecretsManager::Secret": {"Name": "taken"},
}


@pytest.mark.parametrize("kind", NAMED)
def test_a_name_that_another_stack_has_is_refused(emulator: str, kind: str) -> None:
    template = {"Resources": {"R": {"Type": kind, "Properties": NAMED[kind]}}}
    first, second = Stack(emulator), Stack(emulator)

    assert first.deploy("create", template) == "CREATE_COMPLETE"
    assert second.deploy("create", template) == "ROLLBACK_COMPLETE"
    assert f"Resource of type '{kind}' with identifier 'taken' already exists." in second.reasons()
    assert first.deploy("update", template | {"Description": "first"}) == "UPDATE_COMPLETE"


def test_a_permission_needs_its_function_and_a_subscription_its_topic(emulator: str) -> None:
    permission = {"Action": "lambda:InvokeFunction", "FunctionName": "missing", "Principal": "s3.amazonaws.com"}
    topic = "arn:aws:sns:us-east-1:000000000000:missing"
    subscription = {"TopicArn": topic, "Protocol": "email", "Endpoint": "a@example.com"}
    first, second = Stack(emulator), Stack(emulator)

    first.deploy("create", {"Resources": {"P": {"Type": "AWS::Lambda::Permission", "Properties": permission}}})
    second.deploy("create", {"Resources": {"S": {"Type": "AWS::SNS::Subscription", "Properties": subscription}}})

    assert "Function not found" in first.reasons()
    assert "Topic does not exist" in second.reasons()


def test_a_global_table_needs_one_replica_in_each_of_its_regions(emulator: str) -> None:
    regions = {
        "include the Region of the stack": ["eu-west-1"],
        "have Regions that differ": ["us-east-1", "us-east-1"],
    }
    for reason, replicas in regions.items():
        stack = Stack(emulator)
        settings = SAMPLES["AWS::DynamoDB::GlobalTable"] | {
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            # The second replica of a Region has settings of its own, so the list has no equal items.
            "Replicas": [
                {"Region": region, "DeletionProtectionEnabled": number > 0} for number, region in enumerate(replicas)
            ],
        }
        resource = {"Type": "AWS::DynamoDB::GlobalTable", "Properties": settings}

        assert stack.deploy("create", {"Resources": {"T": resource}}) == "ROLLBACK_COMPLETE"
        assert reason in stack.reasons()
