"""Each property of a resource has an effect, is a listed exception with its consequence, or fails the stack by name."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import boto3
import pytest

from localaws.cloudformation import schemas, value_types
from localaws.coverage import properties
from localaws.testing import refusal, until
from localaws.tests.test_account import api
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
    "AWS::CDK::Metadata": {"Analytics": "v2"},
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
        "BillingMode": "PAY_PER_REQUEST",
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
    "AWS::WAFv2::WebACL": {
        "Name": "limit",
        "Scope": "REGIONAL",
        "DefaultAction": {"Allow": {}},
        "VisibilityConfig": {"CloudWatchMetricsEnabled": True, "MetricName": "limit", "SampledRequestsEnabled": True},
        "CustomResponseBodies": {"limit": {"ContentType": "TEXT_PLAIN", "Content": "too many requests"}},
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


def test_a_value_reaches_the_service_in_the_type_of_its_schema(stack: Stack) -> None:
    limit = {"BytesScannedCutoffPerQuery": {"Ref": "Limit"}, "EnforceWorkGroupConfiguration": "true"}
    group = {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": stack.name, "WorkGroupConfiguration": limit}}
    template = {"Parameters": {"Limit": {"Type": "Number"}}, "Resources": {"Group": group}}
    athena = boto3.client("athena", endpoint_url=stack.client.meta.endpoint_url)

    def configuration() -> Any:
        settings = athena.get_work_group(WorkGroup=stack.name)["WorkGroup"]["Configuration"]
        return settings["BytesScannedCutoffPerQuery"], settings["EnforceWorkGroupConfiguration"]

    for action, value in ("create", "20000000"), ("update", "30000000"):
        status = stack.deploy(action, template, Parameters=[{"ParameterKey": "Limit", "ParameterValue": value}])

        assert status == f"{action.upper()}_COMPLETE"
        assert configuration() == (int(value), True)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", "5", 5),
        ("integer", "many", "many"),
        ("number", "0.5", 0.5),
        ("boolean", "False", False),
        ("boolean", "no", "no"),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", "5", "5"),
        (["string", "integer"], 5, 5),
        ("object", {"a": "5"}, {"a": "5"}),
    ],
)
def test_a_value_that_fits_its_type_is_converted(kind: Any, value: Any, expected: Any) -> None:
    document = {
        "definitions": {"Inner": {"type": kind}},
        "properties": {"List": {"items": {"$ref": "#/definitions/Inner"}}},
        "patternProperties": {".*": {"type": kind}},
    }

    result = value_types.converted({"List": [value], "Other": value}, document, document)

    assert repr(result) == repr({"List": [expected], "Other": expected})


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
        **api(),
    }
    del resources["Stage"]["Properties"]["AccessLogSetting"]
    resources["Stage"]["Properties"]["CanarySetting"] = {"PercentTraffic": 10, "StageVariableOverrides": {"a": "b"}}
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
    canary = client("apigateway").get_stage(restApiId=ids["Api"], stageName="v1")["canarySettings"]
    assert (canary["percentTraffic"], canary["stageVariableOverrides"]) == (10, {"a": "b"})


def test_a_stack_makes_resources_as_their_apis_do(stack: Stack) -> None:
    def client(service: str) -> Any:
        return boto3.client(service, "us-east-1", endpoint_url=stack.client.meta.endpoint_url)

    keys = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    resources = {
        "Fifo": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True, "DelaySeconds": "2"}},
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": "arn:aws:sqs:us-east-1:000000000000:any",
                "FilterPolicy": {"a": ["b"]},
            },
        },
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": stack.name}},
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {"EventBusName": {"Ref": "Bus"}, "EventPattern": {"source": ["a"]}},
        },
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": keys | {"BillingMode": "PAY_PER_REQUEST"}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}},
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "p",
                "Roles": [{"Ref": "Role"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}],
                },
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "DependsOn": "Policy",
            "Properties": {
                "DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:us-east-1:000000000000:{stack.name}"},
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Handler": "index.handler",
                "Runtime": "python3.13",
                "Code": {"ZipFile": "handler = print"},
            },
        },
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Ref": "Name"}}},
        "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}},
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "ComparisonOperator": "GreaterThanThreshold",
                "EvaluationPeriods": 1,
                "ExtendedStatistic": "p99",
                "MetricName": "Duration",
                "Namespace": "a",
                "Period": 60,
                "Threshold": 1,
            },
        },
    }
    template = {
        "Parameters": {"Name": {"Type": "String", "Default": "AWS::NoValue"}},
        "Resources": resources,
        "Outputs": {name: {"Value": {"Ref": name}} for name in resources},
    }
    capabilities = ["CAPABILITY_IAM"]
    assert stack.deploy("create", template, Capabilities=capabilities) == "CREATE_COMPLETE", stack.reasons()
    described = stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]["Outputs"]
    ids = {output["OutputKey"]: output["OutputValue"] for output in described}

    queue = client("sqs").get_queue_attributes(QueueUrl=ids["Fifo"], AttributeNames=["All"])["Attributes"]
    fifo = {"ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"}
    assert fifo.items() <= queue.items()
    assert "Tags" not in client("sqs").list_queue_tags(QueueUrl=ids["Fifo"])
    topic = client("sns").get_topic_attributes(TopicArn=ids["Topic"])["Attributes"]
    assert topic["DisplayName"] == ""
    assert "SNS:SetTopicAttributes" in topic["Policy"]
    subscription = client("sns").get_subscription_attributes(SubscriptionArn=ids["Subscription"])["Attributes"]
    assert subscription["SubscriptionPrincipal"].startswith("arn:aws:iam::")
    assert json.loads(subscription["FilterPolicy"]) == {"a": ["b"]}
    bus, name = ids["Rule"].split("|")
    assert bus == stack.name
    assert client("events").describe_rule(Name=name, EventBusName=bus)["CreatedBy"] == "000000000000"
    table = client("dynamodb").describe_table(TableName=ids["Table"])["Table"]
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    function = client("lambda").get_function_configuration(FunctionName=ids["Function"])
    assert "Environment" not in function
    assert function["DeadLetterConfig"]["TargetArn"].endswith(stack.name)
    assert function["RuntimeVersionConfig"]["RuntimeVersionArn"].startswith("arn:aws:lambda:us-east-1::runtime:")
    assert ids["Logs"].startswith(f"{stack.name}-Logs-")
    assert ids["Parameter"].startswith("CFN-Parameter-")
    assert ids["Policy"].startswith(f"{stack.name[:5]}-Poli-")
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[ids["Alarm"]])["MetricAlarms"]
    assert alarm["StateTransitionedTimestamp"] == alarm["StateUpdatedTimestamp"]
    assert "Statistic" not in alarm

    resources["Logs"]["Properties"] = {"RetentionInDays": 1}
    resources["Rule"]["Properties"] |= {"Description": "changed"}
    resources["Function"]["Properties"] |= {"Description": "changed"}
    del resources["Function"]["Properties"]["DeadLetterConfig"]
    assert stack.deploy("update", template, Capabilities=capabilities) == "UPDATE_COMPLETE", stack.reasons()
    (group,) = client("logs").describe_log_groups(logGroupNamePrefix=ids["Logs"])["logGroups"]
    assert group["retentionInDays"] == 1
    assert client("events").describe_rule(Name=name, EventBusName=bus)["Description"] == "changed"
    function = client("lambda").get_function_configuration(FunctionName=ids["Function"])
    assert not {"Environment", "DeadLetterConfig", "FileSystemConfigs"} & function.keys()
    stack.client.delete_stack(StackName=stack.name)
    until(lambda: stack.name not in str(stack.client.describe_stacks()["Stacks"]))
    assert not client("events").list_event_buses(NamePrefix=bus)["EventBuses"]


def test_an_inline_subscription_that_an_update_adds_is_a_subscription(stack: Stack) -> None:
    topic: dict[str, Any] = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "a"}}
    template = {"Resources": {"T": topic}, "Outputs": {"T": {"Value": {"Ref": "T"}}}}
    stack.deploy("create", template)
    topic["Properties"] = {"Subscription": [{"Protocol": "email", "Endpoint": "a@example.com"}]}
    assert stack.deploy("update", template) == "UPDATE_COMPLETE"

    (output,) = stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]["Outputs"]
    sns = boto3.client("sns", endpoint_url=stack.client.meta.endpoint_url)
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=output["OutputValue"])["Subscriptions"]
    assert subscription["Endpoint"] == "a@example.com"
    assert sns.get_topic_attributes(TopicArn=output["OutputValue"])["Attributes"]["DisplayName"] == ""
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
    assert attributes["Protocol"] == "email"


def test_a_secret_gets_the_connection_of_its_database(stack: Stack) -> None:
    password = {"SecretStringTemplate": '{"username": "a"}', "GenerateStringKey": "password"}
    resources = {
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": password}},
        "Database": {
            "Type": "AWS::RDS::DBCluster",
            "Properties": {"Engine": "aurora-mysql", "MasterUsername": "a", "MasterUserPassword": "long-enough"},
        },
        "Attachment": {
            "Type": "AWS::SecretsManager::SecretTargetAttachment",
            "Properties": {
                "SecretId": {"Ref": "Secret"},
                "TargetId": {"Ref": "Database"},
                "TargetType": "AWS::RDS::DBCluster",
            },
        },
    }
    template = {"Resources": resources, "Outputs": {"S": {"Value": {"Ref": "Secret"}}}}
    assert stack.deploy("create", template) == "CREATE_COMPLETE", stack.reasons()
    (output,) = stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]["Outputs"]
    secrets = boto3.client("secretsmanager", endpoint_url=stack.client.meta.endpoint_url)
    value = json.loads(secrets.get_secret_value(SecretId=output["OutputValue"])["SecretString"])
    assert {"username", "password", "engine", "host", "port"} <= value.keys()


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
            "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            # The second replica of a Region has settings of its own, so the list has no equal items.
            "Replicas": [
                {"Region": region, "DeletionProtectionEnabled": number > 0} for number, region in enumerate(replicas)
            ],
        }
        resource = {"Type": "AWS::DynamoDB::GlobalTable", "Properties": settings}

        assert stack.deploy("create", {"Resources": {"T": resource}}) == "ROLLBACK_COMPLETE"
        assert reason in stack.reasons()
