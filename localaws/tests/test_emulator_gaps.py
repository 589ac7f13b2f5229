"""The gap modules: each probe fails on the unpatched ministack and passes on ours, through public APIs."""

import base64
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, WaiterError
from ministack.services import kinesis

from localaws.kinesis import retention as kinesis_retention
from localaws.testing import active, eventually, is_listening, verify_identity

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
ACCOUNT = "000000000000"
STOCK = ("-c", "from ministack.app import main; main()")
PATCHED = ("-m", "localaws.emulator")
STOCK_SETTINGS = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
ONCE = """
import json, uuid
def handler(event, context):
    print("called")
    return {"statusCode": 200, "headers": {}, "body": uuid.uuid4().hex}
"""
numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Aws:
    """Clients of a running emulator, with factories for the tests' resources."""

    endpoint: str
    keys: dict[str, str] = field(default_factory=lambda: {"aws_access_key_id": "test", "aws_secret_access_key": "test"})

    def client(self, service: str) -> Any:
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, config=config, **self.keys)

    def with_keys(self, access_key: str, secret: str, token: str | None = None) -> "Aws":
        keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret}
        return Aws(self.endpoint, keys | ({"aws_session_token": token} if token else {}))

    @cached_property
    def lambda_role(self) -> str:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = self.client("iam").create_role(
            RoleName="functions", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
        )
        return str(role["Role"]["Arn"])

    def function(self, source: str) -> str:
        """Create a function; return its ARN."""
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", source)
        function = self.client("lambda").create_function(
            FunctionName=f"function-{next(numbers)}",
            Runtime="python3.13",
            Handler="app.handler",
            Role=self.lambda_role,
            Code={"ZipFile": code.getvalue()},
            Timeout=10,
        )
        self.client("lambda").add_permission(
            FunctionName=function["FunctionArn"],
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
        return active(self.client("lambda"), function["FunctionName"])

    def stack(self, resources: dict[str, Any], name: str = "", **outputs: Any) -> dict[str, str]:
        """Create a stack, or update the named one; return its outputs."""
        template = {
            "Resources": resources,
            "Outputs": {output: {"Value": value} for output, value in (outputs or {"None": "x"}).items()},
        }
        cloudformation = self.client("cloudformation")
        if name:
            waiter = cloudformation.get_waiter("stack_update_complete")
            change = cloudformation.update_stack
        else:
            name = f"stack-{next(numbers)}"
            waiter = cloudformation.get_waiter("stack_create_complete")
            change = cloudformation.create_stack
        change(StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1})
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return {"StackName": name} | {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}

    def api(self, document: dict[str, Any], **stage: Any) -> str:
        """Create an API with a stage v1 by CloudFormation; return its id."""
        resources = api_resources(document)
        resources["Stage"]["Properties"] |= stage
        return self.stack(resources, Id={"Ref": "Api"})["Id"]

    def call(
        self,
        api_id: str,
        path: str,
        method: str = "GET",
        *,
        signed: bool = False,
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        url = f"{self.endpoint}/_aws/execute-api/{api_id}/v1{path}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if signed:
            request = AWSRequest(method, url, data=body, headers=sent)
            SigV4Auth(Credentials(*self.keys.values()), "execute-api", REGION).add_auth(request)
            sent = dict(request.headers.items())
        response = urllib3.request(method, url, headers=sent, body=body, timeout=60, retries=False)
        return Answer(response.status, response.headers, response.data)


def run_emulator(command: tuple[str, ...], settings: dict[str, str], folder: Path) -> Iterator[Aws]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"} | settings
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment | {"GATEWAY_PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, process)
        yield Aws(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(90)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    assert eventually(lambda: is_listening(port) or process.poll() is not None)
    assert process.poll() is None, "the emulator exited during its start"


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    yield from run_emulator(STOCK, STOCK_SETTINGS, tmp_path_factory.mktemp("stock") / "home")


@pytest.fixture(scope="session")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    # Without other settings: the launcher's defaults must enforce IAM and bind to loopback.
    settings = {"LOCALAWS_GRANT_REQUESTS": "1", "LOCALAWS_ORIGINS": "https://page.example"}
    for aws in run_emulator(PATCHED, settings, tmp_path_factory.mktemp("patched") / "home"):
        aws.client("sesv2").put_account_details(
            MailType="TRANSACTIONAL", WebsiteURL="https://blog.example", ProductionAccessEnabled=True
        )
        yield aws


def document(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "swagger": "2.0",
        "info": {"title": f"api-{next(numbers)}", "version": "1"},
        "paths": paths,
    } | more


def operation(function: str, *, parameters: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Return a method that invokes a function. Its parameters have the form `header.X`, `query.x` or `path.x`."""
    declared = [
        {"in": where, "name": name, "required": where == "path", "type": "string"}
        for where, name in (parameter.split(".") for parameter in parameters)
    ]
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
    integration: dict[str, Any] = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
    cache_keys = [f"method.request.{p.replace('query.', 'querystring.')}" for p in parameters]
    if cache_keys:
        integration["cacheKeyParameters"] = cache_keys
    return {"parameters": declared, "responses": {}, "x-amazon-apigateway-integration": integration} | more


def preflight(**headers: str) -> dict[str, Any]:
    names = {name.replace("_", "-"): f"'{value}'" for name, value in headers.items()}
    parameters = {f"method.response.header.{name}": value for name, value in names.items()}
    return {
        "responses": {"200": {"description": "", "headers": {name: {"type": "string"} for name in names}}},
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200", "responseParameters": parameters}},
        },
    }


def api_resources(document: dict[str, Any]) -> dict[str, Any]:
    # Each version of the document has a new deployment resource, as in SAM.
    deployment = f"Deployment{next(numbers)}"
    return {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": document}},
        deployment: {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Api"}}},
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "DeploymentId": {"Ref": deployment},
                "StageName": "v1",
            },
        },
    }


CACHED: dict[str, Any] = {
    "CacheClusterEnabled": True,
    "CacheClusterSize": "0.5",
    "MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "CachingEnabled": True, "CacheTtlInSeconds": 60}],
}


@dataclass
class Pool:
    """A user pool with one user."""

    aws: Aws
    id: str
    client_id: str

    @classmethod
    def create(cls, aws: Aws) -> "Pool":
        cognito = aws.client("cognito-idp")
        pool_id = cognito.create_user_pool(PoolName=f"pool-{next(numbers)}")["UserPool"]["Id"]
        client = cognito.create_user_pool_client(
            UserPoolId=pool_id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )
        pool = cls(aws, pool_id, client["UserPoolClient"]["ClientId"])
        pool.add_user("ann")
        return pool

    def add_user(self, name: str) -> None:
        cognito = self.aws.client("cognito-idp")
        cognito.admin_create_user(UserPoolId=self.id, Username=name, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(UserPoolId=self.id, Username=name, Password="Passw0rd!x", Permanent=True)

    def tokens(self, name: str = "ann") -> dict[str, str]:
        answer: dict[str, str] = self.aws.client("cognito-idp").initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": "Passw0rd!x"},
        )["AuthenticationResult"]
        return answer

    @property
    def arn(self) -> str:
        return f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{self.id}"

    @property
    def provider(self) -> str:
        return f"cognito-idp.{REGION}.amazonaws.com/{self.id}"

    @property
    def definition(self) -> dict[str, Any]:
        return {
            "users": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "cognito_user_pools",
                "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [self.arn]},
            }
        }


SECURED: dict[str, Any] = {"security": [{"users": []}]}
SIGNED: dict[str, Any] = {"security": [{"signed": []}]}
SIGNED_DEFINITION = {
    "signed": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "awsSigv4",
    }
}


# --- rest_import ------------------------------------------------------------------------------------------


def import_rest_api_creates_a_working_api(aws: Aws) -> None:
    gateway = aws.client("apigateway")
    text = json.dumps(document({"/": {"get": operation(aws.function(ONCE))}}))
    api_id = gateway.import_rest_api(body=text, parameters={"endpointConfigurationTypes": "EDGE"})["id"]
    gateway.create_deployment(restApiId=api_id, stageName="v1")
    assert aws.call(api_id, "/").status == 200


def put_rest_api_changes_the_routes_and_keeps_the_id(aws: Aws) -> None:
    gateway = aws.client("apigateway")
    function = aws.function(ONCE)
    api_id = aws.api(document({"/old": {"get": operation(function)}}))
    for _ in range(2):
        text = json.dumps(document({"/new": {"get": operation(function)}}))
        gateway.put_rest_api(restApiId=api_id, mode="overwrite", body=text)
        kind = gateway.get_rest_api(restApiId=api_id)["endpointConfiguration"]["types"][0]
        path = f"/endpointConfiguration/types/{kind}"
        operations = [
            {"op": "replace", "path": "/minimumCompressionSize", "value": ""},
            {"op": "replace", "path": path, "value": "EDGE"},
        ]
        gateway.update_rest_api(restApiId=api_id, patchOperations=operations)
        gateway.create_deployment(restApiId=api_id, stageName="v1")
    assert aws.call(api_id, "/new").status == 200
    assert aws.call(api_id, "/old").status == 403
    assert [api["id"] for api in gateway.get_rest_apis(limit=500)["items"]].count(api_id) == 1


def a_stack_update_of_the_body_keeps_the_id(aws: Aws) -> None:
    function = aws.function(ONCE)
    outputs: dict[str, Any] = {"Id": {"Ref": "Api"}}
    made = aws.stack(api_resources(document({"/old": {"get": operation(function)}})), **outputs)
    changed = api_resources(document({"/new": {"get": operation(function)}}))
    updated = aws.stack(changed, made["StackName"], **outputs)
    assert made["Id"] == updated["Id"]
    assert aws.call(made["Id"], "/new").status == 200
    assert aws.call(made["Id"], "/old").status == 403


# --- rest_body --------------------------------------------------------------------------------------------


def a_preflight_in_the_body_answers_with_cors_headers(aws: Aws) -> None:
    api_id = aws.api(document({"/": {"options": preflight(Access_Control_Allow_Origin="*")}}))
    assert aws.call(api_id, "/", "OPTIONS").headers.get("Access-Control-Allow-Origin") == "*"


def a_gateway_response_in_the_body_answers_an_unauthorized_request(aws: Aws) -> None:
    allow_all = {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}}
    api_id = aws.api(
        document(
            {"/": {"get": operation(aws.function(ONCE), **SECURED)}},
            **{
                "securityDefinitions": Pool.create(aws).definition,
                "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": allow_all},
            },
        )
    )
    refused = aws.call(api_id, "/")
    assert refused.status == 401
    assert refused.headers.get("Access-Control-Allow-Origin") == "*"


def binary_media_types_in_the_body_pass_bytes_unchanged(aws: Aws) -> None:
    echo = """
def handler(event, context):
    print("called")
    return {"statusCode": 200, "body": event["body"], "isBase64Encoded": event["isBase64Encoded"]}
"""
    binary = {"x-amazon-apigateway-binary-media-types": ["image/*"]}
    api_id = aws.api(document({"/": {"post": operation(aws.function(echo))}}, **binary))
    answer = aws.call(api_id, "/", "POST", body=b"\xff\xd8\xff", Content_Type="image/jpeg", Accept="image/jpeg")
    assert answer.body == b"\xff\xd8\xff"


# --- invocation_metrics -----------------------------------------------------------------------------------


def a_request_to_an_api_counts_an_invocation(aws: Aws) -> None:
    function = aws.function(ONCE)
    aws.call(aws.api(document({"/": {"get": operation(function)}})), "/")

    now = datetime.now(UTC)
    counted = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": function.rpartition(":")[2]}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in counted) == 1


# --- shared_code ------------------------------------------------------------------------------------------


def two_execution_environments_run_the_same_file(aws: Aws) -> None:
    client = aws.client("lambda")
    values = "[os.getpid(), os.path.realpath(__file__), os.path.exists(__spec__.cached)]"
    function = aws.function(f"import os\ndef handler(event, context):\n    return {values}\n")

    def run() -> list[Any]:
        return json.loads(client.invoke(FunctionName=function)["Payload"].read())

    first = run()
    client.update_function_configuration(FunctionName=function, Timeout=11)
    second = run()
    assert first[0] != second[0]
    assert first[1] == second[1]
    assert second[2], "the bytecode is kept"


# --- rest_denial ------------------------------------------------------------------------------------------


def a_gateway_response_answers_a_request_that_iam_denies(aws: Aws) -> None:
    template = {"responseTemplates": {"application/json": '{"Code":"$context.error.responseType"}'}}
    api_id = aws.api(
        document(
            {"/": {"get": operation(aws.function(ONCE), **SIGNED)}},
            **{
                "securityDefinitions": SIGNED_DEFINITION,
                "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": template},
            },
        )
    )
    refused = user(aws, ["s3:ListBucket"], "*").call(api_id, "/", signed=True)
    assert refused.status == 403
    assert json.loads(refused.body) == {"Code": "ACCESS_DENIED"}


# --- cognito_authorizer -----------------------------------------------------------------------------------


def a_method_without_scopes_rejects_an_access_token(aws: Aws) -> None:
    pool = Pool.create(aws)
    secured = {"/": {"get": operation(aws.function(ONCE), **SECURED)}}
    api_id = aws.api(document(secured, securityDefinitions=pool.definition))
    tokens = pool.tokens()
    assert aws.call(api_id, "/", Authorization=tokens["IdToken"]).status == 200
    assert aws.call(api_id, "/", Authorization=tokens["AccessToken"]).status == 401


# --- policy_variables -------------------------------------------------------------------------------------


def an_identity_pool_user_can_access_only_their_own_folder(aws: Aws) -> None:
    bucket = f"bucket-{next(numbers)}"
    aws.client("s3").create_bucket(Bucket=bucket)
    pool = Pool.create(aws)
    identities = aws.client("cognito-identity")
    identity_pool = identities.create_identity_pool(
        IdentityPoolName=f"identities-{next(numbers)}",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[{"ProviderName": pool.provider, "ClientId": pool.client_id}],
    )["IdentityPoolId"]
    folder = "users/${cognito-identity.amazonaws.com:sub}/*"
    role = role_for_identities(
        aws,
        identity_pool,
        [
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/{folder}"},
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": f"arn:aws:s3:::{bucket}",
                "Condition": {"StringLike": {"s3:prefix": [folder]}},
            },
        ],
    )
    identities.set_identity_pool_roles(IdentityPoolId=identity_pool, Roles={"authenticated": role})
    logins = {pool.provider: pool.tokens()["IdToken"]}
    identity = identities.get_id(IdentityPoolId=identity_pool, Logins=logins)["IdentityId"]
    vended = identities.get_credentials_for_identity(IdentityId=identity, Logins=logins)["Credentials"]
    s3 = aws.with_keys(vended["AccessKeyId"], vended["SecretKey"], vended["SessionToken"]).client("s3")

    s3.put_object(Bucket=bucket, Key=f"users/{identity}/file", Body=b"mine")
    assert s3.list_objects_v2(Bucket=bucket, Prefix=f"users/{identity}/")["KeyCount"] == 1
    for stranger in ("us-east-1:other", "${cognito-identity.amazonaws.com:sub}"):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object(Bucket=bucket, Key=f"users/{stranger}/file", Body=b"not mine")
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.list_objects_v2(Bucket=bucket, Prefix=f"users/{stranger}/")


def role_for_identities(aws: Aws, identity_pool: str, statements: list[dict[str, Any]]) -> str:
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": "cognito-identity.amazonaws.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": identity_pool}},
    }
    iam = aws.client("iam")
    name = f"role-{next(numbers)}"
    document = {"Version": "2012-10-17", "Statement": [trust]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="own-folder", PolicyDocument=policy)
    return str(role["Role"]["Arn"])


def a_policy_variable_resolves_to_a_session_tag(aws: Aws) -> None:
    bucket = f"bucket-{next(numbers)}"
    aws.client("s3").create_bucket(Bucket=bucket)
    iam = aws.client("iam")
    name = f"role-{next(numbers)}"
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    resource = f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/team}}/*"
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": resource}
    iam.put_role_policy(RoleName=name, PolicyName="team", PolicyDocument=json.dumps({"Statement": [statement]}))
    vended = aws.client("sts").assume_role(
        RoleArn=role["Role"]["Arn"], RoleSessionName="member", Tags=[{"Key": "team", "Value": "blue"}]
    )["Credentials"]
    s3 = aws.with_keys(vended["AccessKeyId"], vended["SecretAccessKey"], vended["SessionToken"]).client("s3")
    s3.put_object(Bucket=bucket, Key="blue/file", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="red/file", Body=b"")


# --- stage_cache ------------------------------------------------------------------------------------------


def a_second_get_does_not_invoke_the_function(aws: Aws) -> None:
    api_id = aws.api(document({"/": {"get": operation(aws.function(ONCE))}}), **CACHED)
    assert aws.call(api_id, "/").body == aws.call(api_id, "/").body


def a_stack_sets_the_cache_cluster_of_a_stage(aws: Aws) -> None:
    api_id = aws.api(document({"/": {"get": operation(aws.function(ONCE))}}), **CACHED)
    stage = aws.client("apigateway").get_stage(restApiId=api_id, stageName="v1")
    assert stage["cacheClusterEnabled"] is True
    assert stage["cacheClusterSize"] == "0.5"
    setting = stage["methodSettings"]["*/*"]
    assert setting["cachingEnabled"]
    assert setting["cacheTtlInSeconds"] == 60
    assert setting["requireAuthorizationForCacheControl"]
    assert setting["unauthorizedCacheControlHeaderStrategy"] == "SUCCEED_WITH_RESPONSE_HEADER"


def after_a_flush_the_next_get_invokes_the_function(aws: Aws) -> None:
    api_id = aws.api(document({"/": {"get": operation(aws.function(ONCE))}}), **CACHED)
    before = aws.call(api_id, "/").body
    aws.client("apigateway").flush_stage_cache(restApiId=api_id, stageName="v1")
    assert aws.call(api_id, "/").body != before


def cloudwatch_counts_cache_hits_and_misses(aws: Aws) -> None:
    described = document({"/": {"get": operation(aws.function(ONCE))}})
    api_id = aws.api(described, **CACHED)
    for _ in range(3):
        aws.call(api_id, "/")
    assert cache_counts(aws, described["info"]["title"]) == (2, 1)


def a_cache_key_must_be_a_parameter_of_the_method(aws: Aws) -> None:
    described = document({"/": {"get": operation(aws.function(ONCE), parameters=("query.page",))}})
    del described["paths"]["/"]["get"]["parameters"]
    with pytest.raises(WaiterError, match="StackCreateComplete"):
        aws.api(described)


def cache_counts(aws: Aws, api_name: str) -> tuple[int, int]:
    def total(metric: str) -> int:
        points = aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            Dimensions=[{"Name": "ApiName", "Value": api_name}, {"Name": "Stage", "Value": "v1"}],
            StartTime=datetime.now(UTC) - timedelta(minutes=5),
            EndTime=datetime.now(UTC) + timedelta(minutes=5),
            Period=600,
            Statistics=["Sum"],
        )["Datapoints"]
        return int(sum(point["Sum"] for point in points))

    return total("CacheHitCount"), total("CacheMissCount")


# --- rest_limits ------------------------------------------------------------------------------------------


def a_request_over_ten_megabytes_is_rejected(aws: Aws) -> None:
    api_id = aws.api(document({"/": {"post": operation(aws.function(ONCE))}}))
    answer = aws.call(api_id, "/", "POST", body=b"x" * (10 * 1024 * 1024 + 1))
    assert answer.status == 413
    assert answer.json == {"message": "Request Too Long"}


def a_lambda_event_over_six_megabytes_is_rejected(aws: Aws) -> None:
    api_id = aws.api(document({"/": {"post": operation(aws.function(ONCE))}}))
    answer = aws.call(api_id, "/", "POST", body=b"x" * (6 * 1024 * 1024))
    assert answer.status == 413
    assert answer.json == {"message": "Request Too Long"}


# --- proxy_response ---------------------------------------------------------------------------------------


def a_failed_function_is_an_internal_server_error(aws: Aws) -> None:
    failing = "def handler(event, context):\n    raise RuntimeError('the secret')"
    api_id = aws.api(document({"/": {"get": operation(aws.function(failing))}}))
    answer = aws.call(api_id, "/")
    assert answer.status == 502
    assert answer.json == {"message": "Internal server error"}


def a_malformed_proxy_response_is_an_internal_server_error(aws: Aws) -> None:
    careless = "def handler(event, context):\n    print(1)\n    return {'the': 'secret'}"
    api_id = aws.api(document({"/": {"get": operation(aws.function(careless))}}))
    answer = aws.call(api_id, "/")
    assert answer.status == 502
    assert answer.json == {"message": "Internal server error"}


# --- rest_limits ------------------------------------------------------------------------------------------


def a_slow_function_exceeds_the_integration_timeout(aws: Aws) -> None:
    slow = """
import time
def handler(event, context):
    print("called")
    time.sleep(1)
    return {"statusCode": 200}
"""
    method = operation(aws.function(slow))
    method["x-amazon-apigateway-integration"]["timeoutInMillis"] = 50
    answer = aws.call(aws.api(document({"/": {"get": method}})), "/")
    assert answer.status == 504
    assert answer.json == {"message": "Endpoint request timed out"}


# --- secret_labels ----------------------------------------------------------------------------------------


def put_secret_value_moves_a_staging_label(aws: Aws) -> None:
    secrets = aws.client("secretsmanager")
    name = f"secret-{next(numbers)}"
    secrets.create_secret(Name=name, SecretString="current")
    for value in ("older", "newer"):
        secrets.put_secret_value(SecretId=name, SecretString=value, VersionStages=["AWSPENDING"])
    assert secrets.get_secret_value(SecretId=name, VersionStage="AWSPENDING")["SecretString"] == "newer"
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "current"


# --- table_ttl, bucket_lifecycle --------------------------------------------------------------------------


def a_stack_sets_the_ttl_of_a_table(aws: Aws) -> None:
    def table(**properties: Any) -> dict[str, Any]:
        return {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        } | properties}}  # fmt: skip

    def status(name: str) -> str:
        ttl = aws.client("dynamodb").describe_time_to_live(TableName=name)
        return str(ttl["TimeToLiveDescription"]["TimeToLiveStatus"])

    with_ttl = table(TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True})
    made = aws.stack(with_ttl, Name={"Ref": "Table"})
    assert status(made["Name"]) == "ENABLED"
    aws.stack(table(), made["StackName"], Name={"Ref": "Table"})
    assert status(made["Name"]) == "DISABLED"
    aws.stack(with_ttl, made["StackName"], Name={"Ref": "Table"})
    assert status(made["Name"]) == "ENABLED"


def a_stack_sets_the_lifecycle_of_a_bucket(aws: Aws) -> None:
    def bucket(*rules: dict[str, Any]) -> dict[str, Any]:
        properties = {"LifecycleConfiguration": {"Rules": list(rules)}}
        return {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}

    made = aws.stack(
        bucket(
            {"Id": "temporary", "Status": "Enabled", "Prefix": "tmp/", "ExpirationInDays": 1},
            {
                "Id": "old",
                "Status": "Enabled",
                "TagFilters": [{"Key": "keep", "Value": "no"}],
                "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 30}],
                "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
            },
        ),
        Name={"Ref": "Bucket"},
    )
    s3 = aws.client("s3")
    temporary, old = s3.get_bucket_lifecycle_configuration(Bucket=made["Name"])["Rules"]
    assert (temporary["ID"], temporary["Expiration"], temporary["Filter"]) == (
        "temporary",
        {"Days": 1},
        {"Prefix": "tmp/"},
    )
    assert old["Filter"]["Tag"] == {"Key": "keep", "Value": "no"}
    assert old["Transitions"] == [{"Days": 30, "StorageClass": "GLACIER"}]
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert old["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}

    changed = bucket({"Id": "temporary", "Status": "Disabled", "ExpirationInDays": 5})
    aws.stack(changed, made["StackName"], Name={"Ref": "Bucket"})
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=made["Name"])["Rules"]
    assert (rule["Status"], rule["Expiration"]) == ("Disabled", {"Days": 5})


def a_bucket_that_requires_tls_accepts_requests(aws: Aws) -> None:
    bucket = f"tls-only-{next(numbers)}"
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    aws.client("s3").create_bucket(Bucket=bucket)
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    user(aws, ["s3:PutObject"], f"arn:aws:s3:::{bucket}/*").client("s3").put_object(Bucket=bucket, Key="key")


def a_stranger_is_nobody(aws: Aws) -> None:
    secret = aws.client("secretsmanager").create_secret(Name=f"secret-{next(numbers)}", SecretString="x")["ARN"]
    bucket = f"bucket-{next(numbers)}"
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "x"}):
        target = {"X-Amz-Target": "secretsmanager.GetSecretValue", "Content-Type": "application/x-amz-json-1.1"}
        read = httpx.post(f"{aws.endpoint}/", json={"SecretId": secret}, headers=target | headers)
        assert read.status_code in (400, 403), read.text
        assert httpx.get(f"{aws.endpoint}/", headers=headers).status_code == 403
        assert httpx.put(f"{aws.endpoint}/{bucket}", headers=headers).status_code == 403
    assert bucket not in {each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]}


def a_web_identity_is_known_by_its_signature(aws: Aws) -> None:
    cognito = aws.client("cognito-identity")
    pool = cognito.create_identity_pool(IdentityPoolName=f"pool-{next(numbers)}", AllowUnauthenticatedIdentities=True)
    role = role_for_identities(aws, pool["IdentityPoolId"], [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    identity = cognito.get_id(IdentityPoolId=pool["IdentityPoolId"])["IdentityId"]
    token = cognito.get_open_id_token(IdentityId=identity)["Token"]
    header, claims, signature = token.split(".")
    other = base64.urlsafe_b64encode(json.dumps({"iss": "x"}).encode()).decode().rstrip("=")
    sts = Aws(aws.endpoint).client("sts")

    assert sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="genuine", WebIdentityToken=token)
    for forged in (
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-8]}AAAAAAAA",
        f"{header}.{other}.x",
        "words",
    ):
        with pytest.raises(ClientError, match="InvalidIdentityToken"):
            sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="forged", WebIdentityToken=forged)


def only_a_signed_link_leads_to_the_code_of_a_function(aws: Aws) -> None:
    name = aws.function(ONCE)
    link = aws.client("lambda").get_function(FunctionName=name)["Code"]["Location"]
    address, _, query = link.partition("?")
    assert httpx.get(link).content.startswith(b"PK")
    for forged in (address, f"{address}?{query[:-1]}x", link.replace("function-", "function-9")):
        assert httpx.get(forged).status_code == 403, forged


def an_error_response_of_s3_has_cors_headers(aws: Aws) -> None:
    bucket = f"cors-{next(numbers)}"
    rule = {"AllowedOrigins": ["https://page.example"], "AllowedMethods": ["GET"]}
    aws.client("s3").create_bucket(Bucket=bucket)
    aws.client("s3").put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    stranger = user(aws, ["s3:ListAllMyBuckets"], "*").client("s3")
    origin = "https://page.example"
    stranger.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header("Origin", origin))
    with pytest.raises(ClientError) as refused:
        stranger.get_object(Bucket=bucket, Key="secret")
    answer = refused.value.response["ResponseMetadata"]
    assert (answer["HTTPStatusCode"], answer["HTTPHeaders"].get("access-control-allow-origin")) == (403, origin)


# --- query_cost -------------------------------------------------------------------------------------------


def table_of(aws: Aws, **partitions: list[int]) -> Callable[..., Any]:
    """Create a table with items of the given sizes in each partition; return a function that reads it.

    The function calls GetItem if it gets a sort key, and Query otherwise.
    """
    dynamodb = aws.client("dynamodb")
    name = f"table-{next(numbers)}"

    def schema(sort_key: str) -> list[dict[str, str]]:
        return [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": sort_key, "KeyType": "RANGE"}]

    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk", "at")],
        KeySchema=schema("sk"),
        LocalSecondaryIndexes=[
            {"IndexName": "by-at", "KeySchema": schema("at"), "Projection": {"ProjectionType": "ALL"}}
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    items = [
        {"pk": {"S": pk}, "sk": {"S": f"{i:04}"}, "at": {"S": f"{i:04}"}, "x": {"B": b"x" * (size - len(pk) - 15)}}
        for pk, sizes in partitions.items()
        for i, size in enumerate(sizes)
    ]
    for batch in itertools.batched(items, 25, strict=False):
        dynamodb.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": item}} for item in batch]})

    def read(pk: str, sk: str | None = None, **request: Any) -> Any:
        request |= {"TableName": name, "ReturnConsumedCapacity": "INDEXES"}
        if sk is not None:
            return dynamodb.get_item(Key={"pk": {"S": pk}, "sk": {"S": sk}}, **request)
        request |= {"ExpressionAttributeNames": {"#pk": "pk"}, "ExpressionAttributeValues": {":pk": {"S": pk}}}
        return dynamodb.query(KeyConditionExpression="#pk = :pk", **request)

    return read


def a_read_consumes_one_unit_per_four_kilobytes(aws: Aws) -> None:
    read = table_of(aws, a=[3_000, 3_000, 3_000, 9_000])

    def units(*key: str, **request: Any) -> float:
        return float(read(*key, **request)["ConsumedCapacity"]["CapacityUnits"])

    assert units("a", "0003") == 1.5
    assert units("a", "0003", ConsistentRead=True) == 3
    assert units("a", "none") == 0.5
    assert units("a", Limit=3) == 1.5
    assert units("a", Limit=3, ConsistentRead=True, FilterExpression="attribute_not_exists(x)") == 3
    assert units("a", ConsistentRead=True) == 5
    assert units("none", ConsistentRead=True) == 1
    by_index = read("a", IndexName="by-at", ConsistentRead=True)["ConsumedCapacity"]
    assert by_index["LocalSecondaryIndexes"] == {"by-at": {"CapacityUnits": 5.0}}
    assert by_index["CapacityUnits"] == 5


def a_sent_email_publishes_events_with_its_tags(aws: Aws) -> None:
    made = aws.stack(
        {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Sender": {"Type": "AWS::SES::EmailIdentity", "Properties": {"EmailIdentity": "events.example"}},
            "Set": {"Type": "AWS::SES::ConfigurationSet"},
            "Events": {
                "Type": "AWS::SES::ConfigurationSetEventDestination",
                "Properties": {
                    "ConfigurationSetName": {"Ref": "Set"},
                    "EventDestination": {
                        "Enabled": True,
                        "MatchingEventTypes": ["send", "bounce"],
                        "SnsDestination": {"TopicARN": {"Ref": "Topic"}},
                    },
                },
            },
        },
        Topic={"Ref": "Topic"},
        Set={"Ref": "Set"},
    )
    sqs = aws.client("sqs")
    name = f"events-{next(numbers)}"
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }
    queue = sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps({"Statement": [allow]})})["QueueUrl"]
    aws.client("sns").subscribe(
        TopicArn=made["Topic"],
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
        Attributes={"RawMessageDelivery": "true"},
    )
    simple = {"Subject": {"Data": "subject"}, "Body": {"Text": {"Data": "text"}}}
    mail = {
        "FromEmailAddress": "sender@events.example",
        "Content": {"Simple": simple},
        "EmailTags": [{"Name": "subscriber", "Value": "ann"}],
    }
    ses = aws.client("sesv2")
    verify_identity(aws.endpoint, "events.example")
    for to in ("ann@example.com", "bounce@simulator.amazonses.com"):
        ses.send_email(Destination={"ToAddresses": [to]}, ConfigurationSetName=made["Set"], **mail)
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
    events = [json.loads(message["Body"]) for message in messages]
    assert sorted(event["eventType"] for event in events) == ["Bounce", "Send", "Send"]
    assert all(event["mail"]["tags"]["subscriber"] == ["ann"] for event in events)
    with pytest.raises(ClientError, match="NotFoundException"):
        ses.send_email(Destination={"ToAddresses": ["ann@example.com"]}, ConfigurationSetName="unknown", **mail)


def a_mapping_requires_that_the_role_can_read_the_source(aws: Aws) -> None:
    queue = f"queue-{next(numbers)}"
    aws.client("sqs").create_queue(QueueName=queue)
    with pytest.raises(ClientError, match="does not have permissions to call ReceiveMessage on SQS"):
        aws.client("lambda").create_event_source_mapping(
            FunctionName=aws.function(ONCE), EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
        )


def a_stack_creates_the_replicas_of_a_global_table(aws: Aws) -> None:
    properties = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
        "Replicas": [{"Region": REGION}, {"Region": "eu-west-1"}],
    }
    resources = {"Table": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}}
    table = aws.stack(resources, Name={"Ref": "Table"})["Name"]
    description = aws.client("dynamodb").describe_table(TableName=table)["Table"]
    assert [replica["RegionName"] for replica in description.get("Replicas", [])] == ["eu-west-1"]


def a_policy_can_allow_one_sender_identity(aws: Aws) -> None:
    domain = f"identity-{next(numbers)}.example"
    for each in (domain, f"not-{domain}"):
        verify_identity(aws.endpoint, each)
    sender = user(aws, ["ses:SendEmail"], f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{domain}").client("sesv2")
    mail = {
        "Destination": {"ToAddresses": ["ann@example.com"]},
        "Content": {"Simple": {"Subject": {"Data": "subject"}, "Body": {"Text": {"Data": "text"}}}},
    }
    assert sender.send_email(FromEmailAddress=f"hello@{domain}", **mail)["MessageId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        sender.send_email(FromEmailAddress=f"hello@not-{domain}", **mail)


def a_policy_can_allow_the_queries_of_one_workgroup(aws: Aws) -> None:
    name = f"workgroup-{next(numbers)}"
    aws.client("s3").create_bucket(Bucket=name)
    settings = {"ResultConfiguration": {"OutputLocation": f"s3://{name}/"}}
    for each in (name, f"not-{name}"):
        aws.client("athena").create_work_group(Name=each, Configuration=settings)
    query = {"QueryString": "SELECT 1", "WorkGroup": name}
    made = aws.client("athena").start_query_execution(**query)["QueryExecutionId"]
    other = aws.client("athena").start_query_execution(**query | {"WorkGroup": f"not-{name}"})["QueryExecutionId"]
    reader = user(aws, ["athena:*"], f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{name}").client("athena")
    assert reader.get_query_execution(QueryExecutionId=made)["QueryExecution"]["WorkGroup"] == name
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_query_execution(QueryExecutionId=other)


def a_policy_can_allow_one_table(aws: Aws) -> None:
    database, glue = f"database-{next(numbers)}", aws.client("glue")
    glue.create_database(DatabaseInput={"Name": database})
    for table in ("allowed", "other"):
        glue.create_table(DatabaseName=database, TableInput={"Name": table})
    catalog = f"arn:aws:glue:{REGION}:{ACCOUNT}"
    needed = [f"{catalog}:catalog", f"{catalog}:database/{database}", f"{catalog}:table/{database}/allowed"]
    reader = user(aws, ["glue:GetTable", "glue:BatchCreatePartition"], needed).client("glue")
    assert reader.get_table(DatabaseName=database, Name="allowed")["Table"]["Name"] == "allowed"
    partition = {"Values": ["2030-01-01"], "StorageDescriptor": {}}
    reader.batch_create_partition(DatabaseName=database, TableName="allowed", PartitionInputList=[partition])
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_table(DatabaseName=database, Name="other")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.batch_create_partition(DatabaseName=database, TableName="other", PartitionInputList=[partition])
    for missing in needed[:2]:
        outsider = user(aws, ["glue:GetTable"], [each for each in needed if each != missing]).client("glue")
        with pytest.raises(ClientError, match="AccessDenied"):
            outsider.get_table(DatabaseName=database, Name="allowed")
    assert user(aws, ["glue:GetDatabase"], needed[:2]).client("glue").get_database(Name=database)["Database"]
    with pytest.raises(ClientError, match="AccessDenied"):
        user(aws, ["glue:GetDatabase"], needed[2:]).client("glue").get_database(Name=database)


def a_permission_for_one_message_includes_batches(aws: Aws) -> None:
    name = f"batches-{next(numbers)}"
    url = aws.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    actions = ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"]
    sqs = user(aws, actions, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}").client("sqs")
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "body"}])
    received = {"Id": "1", "ReceiptHandle": sqs.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]}
    sqs.change_message_visibility_batch(QueueUrl=url, Entries=[received | {"VisibilityTimeout": 0}])
    with pytest.raises(ClientError, match="AccessDenied"):
        sqs.delete_message_batch(QueueUrl=url, Entries=[received])
    topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
    entries = [{"Id": "1", "Message": "body"}]
    sns = user(aws, ["sns:Publish"], topic).client("sns")
    assert sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]
    other = user(aws, ["sns:Publish"], f"{topic}-other").client("sns")
    with pytest.raises(ClientError, match="AuthorizationError"):
        other.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)


def a_stack_creates_an_access_key(aws: Aws) -> None:
    made = aws.stack(
        {
            "Author": {"Type": "AWS::IAM::User"},
            "Key": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "Author"}}},
        },
        Key={"Ref": "Key"},
        Secret={"Fn::GetAtt": ["Key", "SecretAccessKey"]},
    )
    caller = aws.with_keys(made["Key"], made["Secret"]).client("sts").get_caller_identity()
    assert ":user/" in caller["Arn"]


def a_composite_alarm_of_a_stack_wakes_once(aws: Aws) -> None:
    name = f"composite-{next(numbers)}"
    topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    sender = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [sender | {"Resource": queue}]})
    url = aws.client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    one = {"Namespace": name, "MetricName": name, "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    one |= {"Threshold": 1, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "ignore"}
    rule = {"Fn::Sub": 'ALARM("${Errors}") OR ALARM("${Throttles}")'}
    alarms = {child: {"Type": "AWS::CloudWatch::Alarm", "Properties": one} for child in ("Errors", "Throttles")}
    composite = {"AlarmRule": rule, "AlarmActions": [topic]}
    alarms["Fails"] = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": composite}
    made = aws.stack(alarms, **{child: {"Ref": child} for child in alarms})

    def woken() -> list[str]:
        received = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        return [json.loads(json.loads(each["Body"])["Message"])["AlarmName"] for each in received.get("Messages", [])]

    for child in ("Errors", "Throttles"):
        aws.client("cloudwatch").set_alarm_state(AlarmName=made[child], StateValue="ALARM", StateReason="test")
    assert woken() == [made["Fails"]]
    refused = {"AlarmRule": 'ALARM("nobody")'}
    alarms["Fails"] = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": refused}
    with pytest.raises(WaiterError, match="UPDATE_ROLLBACK"):
        aws.stack(alarms, made["StackName"])
    alarms["Fails"] = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": composite | {"ActionsEnabled": False}}
    aws.stack(alarms, made["StackName"])
    wanted = {"AlarmTypes": ["CompositeAlarm"], "AlarmNames": [made["Fails"]]}
    (found,) = aws.client("cloudwatch").describe_alarms(**wanted)["CompositeAlarms"]
    assert (found["AlarmName"], found["StateValue"], found["ActionsEnabled"]) == (made["Fails"], "ALARM", False)


def delivery_stream(aws: Aws, **destination: Any) -> str:
    """Create a Kinesis stream, a bucket, and a delivery stream between them; return their common name."""
    name = f"delivery-{next(numbers)}"
    aws.client("s3").create_bucket(Bucket=name)
    aws.client("kinesis").create_stream(StreamName=name, ShardCount=1)
    aws.client("kinesis").get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    aws.client("firehose").create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}",
            "RoleARN": aws.lambda_role,
        },
        ExtendedS3DestinationConfiguration={"RoleARN": aws.lambda_role, "BucketARN": f"arn:aws:s3:::{name}"}
        | destination,
    )
    return name


def a_delivery_stream_buffers_records(aws: Aws) -> None:
    name = delivery_stream(aws)
    aws.client("kinesis").put_record(StreamName=name, Data=b"1", PartitionKey="a")
    time.sleep(0.3)  # the stock emulator delivers within this time
    assert aws.client("s3").list_objects_v2(Bucket=name)["KeyCount"] == 0


def a_delivery_stream_stores_its_time_zone(aws: Aws) -> None:
    name = delivery_stream(aws, CustomTimeZone="Asia/Tokyo")
    described = aws.client("firehose").describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    assert described["Destinations"][0]["ExtendedS3DestinationDescription"].get("CustomTimeZone") == "Asia/Tokyo"


def dynamic_partitioning_requires_a_large_buffer(aws: Aws) -> None:
    partitioned = {"ErrorOutputPrefix": "errors/", "DynamicPartitioningConfiguration": {"Enabled": True}}
    with pytest.raises(ClientError, match="at least 64"):
        delivery_stream(aws, BufferingHints={"SizeInMBs": 5, "IntervalInSeconds": 60}, **partitioned)


def a_topic_rule_puts_its_messages_into_a_stream(aws: Aws) -> None:
    iam, kinesis, name = aws.client("iam"), aws.client("kinesis"), f"rule-{next(numbers)}"
    trust = {"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    policy = {"Statement": [{"Effect": "Allow", "Action": "kinesis:PutRecord", "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="rule", PolicyDocument=json.dumps(policy))
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    put = {"kinesis": {"streamName": name, "partitionKey": "${topic(2)}", "roleArn": role}}
    rule = {"sql": "SELECT * FROM 'devices/+'", "actions": [put]}
    aws.client("iot").create_topic_rule(ruleName=name.replace("-", "_"), topicRulePayload=rule)

    aws.client("iot-data").publish(topic="devices/pump-1", payload=b"{}")

    shard = {"StreamName": name, "ShardId": "shardId-000000000000"}
    iterator = kinesis.get_shard_iterator(ShardIteratorType="TRIM_HORIZON", **shard)["ShardIterator"]
    assert [each["PartitionKey"] for each in kinesis.get_records(ShardIterator=iterator)["Records"]] == ["pump-1"]


def a_service_can_assume_only_roles_that_trust_it(aws: Aws) -> None:
    sts = aws.client("sts")
    service = {"x-localaws-service": "firehose.amazonaws.com"}
    sts.meta.events.register("before-call.sts.AssumeRole", lambda params, **_: params["headers"].update(service))
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=aws.lambda_role, RoleSessionName="AWSFirehose")


@dataclass
class DeadLetters:
    """A queue whose dead-letter queue holds one message that came from it."""

    aws: Aws
    name: str = field(default_factory=lambda: f"letters-{next(numbers)}")

    def __post_init__(self) -> None:
        sqs = self.aws.client("sqs")
        self.dead = sqs.create_queue(QueueName=f"{self.name}-failed")["QueueUrl"]
        policy = json.dumps({"deadLetterTargetArn": self.arn("-failed"), "maxReceiveCount": "1"})
        self.url = sqs.create_queue(QueueName=self.name, Attributes={"RedrivePolicy": policy})["QueueUrl"]
        attributes = {"kind": {"DataType": "String", "StringValue": "order"}}
        sqs.send_message(QueueUrl=self.url, MessageBody="body", MessageAttributes=attributes)
        for _ in range(2):  # the second receive finds that the message has been received once
            sqs.receive_message(QueueUrl=self.url, VisibilityTimeout=0)

    def arn(self, suffix: str = "") -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}{suffix}"

    def received(self) -> list[dict[str, Any]]:
        sqs = self.aws.client("sqs")
        received: list[dict[str, Any]] = sqs.receive_message(
            QueueUrl=self.url, MessageAttributeNames=["All"], AttributeNames=["All"]
        ).get("Messages", [])
        return received


def a_dead_letter_moves_back_to_its_queue_with_its_attributes(aws: Aws) -> None:
    letters, sqs = DeadLetters(aws), aws.client("sqs")
    sqs.start_message_move_task(SourceArn=letters.arn("-failed"))
    (task,) = sqs.list_message_move_tasks(SourceArn=letters.arn("-failed"))["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    (message,) = letters.received()
    assert message["MessageAttributes"]["kind"]["StringValue"] == "order"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert "Messages" not in sqs.receive_message(QueueUrl=letters.dead)


def only_a_dead_letter_queue_is_moved(aws: Aws) -> None:
    letters, sqs = DeadLetters(aws), aws.client("sqs")
    with pytest.raises(ClientError, match="must be configured as a Dead Letter Queue"):
        sqs.start_message_move_task(SourceArn=letters.arn())
    for arns in ({"SourceArn": letters.arn("-none")}, {"DestinationArn": letters.arn("-none")}):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            sqs.start_message_move_task(**{"SourceArn": letters.arn("-failed")} | arns)


def a_message_without_an_origin_needs_a_destination(aws: Aws) -> None:
    letters, sqs = DeadLetters(aws), aws.client("sqs")
    sqs.purge_queue(QueueUrl=letters.dead)
    sqs.send_message(QueueUrl=letters.dead, MessageBody="body")
    source = letters.arn("-failed")
    sqs.start_message_move_task(SourceArn=source)
    (task,) = sqs.list_message_move_tasks(SourceArn=source)["Results"]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    sqs.start_message_move_task(SourceArn=source, DestinationArn=letters.arn())
    assert [message["Body"] for message in letters.received()] == ["body"]


def a_move_requires_permissions_on_both_queues(aws: Aws) -> None:
    letters = DeadLetters(aws)
    arns = {"SourceArn": letters.arn("-failed"), "DestinationArn": letters.arn()}
    actions = ["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "SendMessage"]
    allowed = [f"sqs:{action}" for action in actions]
    for missing in allowed:
        others = [action for action in allowed if action != missing]
        with pytest.raises(ClientError, match="AccessDenied"):
            user(aws, others, list(arns.values())).client("sqs").start_message_move_task(**arns)
    for queue in arns.values():
        with pytest.raises(ClientError, match="AccessDenied"):
            user(aws, allowed, [queue]).client("sqs").start_message_move_task(**arns)
    assert letters.received() == []
    mover = user(aws, allowed, list(arns.values())).client("sqs")
    mover.start_message_move_task(**arns)
    with pytest.raises(ClientError, match="AccessDenied"):
        mover.list_message_move_tasks(SourceArn=arns["SourceArn"])
    assert len(letters.received()) == 1


# --- xray.api ---------------------------------------------------------------------------------------------


def a_request_to_an_api_is_a_trace(aws: Aws) -> None:
    api_id = aws.api(document({"/": {"options": preflight()}}))
    aws.call(api_id, "/", "OPTIONS")
    now = datetime.now(UTC)
    period = {"StartTime": now - timedelta(minutes=1), "EndTime": now + timedelta(minutes=1)}
    traces = aws.client("xray").get_trace_summaries(**period)["TraceSummaries"]
    assert any(api_id in trace["Http"].get("HttpURL", "") for trace in traces)


GAPS: list[tuple[str, Callable[[Aws], None]]] = [
    ("apigateway.rest_import", import_rest_api_creates_a_working_api),
    ("apigateway.rest_import", put_rest_api_changes_the_routes_and_keeps_the_id),
    ("apigateway.rest_import", a_stack_update_of_the_body_keeps_the_id),
    ("apigateway.rest_body", a_preflight_in_the_body_answers_with_cors_headers),
    ("apigateway.rest_body", a_gateway_response_in_the_body_answers_an_unauthorized_request),
    ("apigateway.rest_body", binary_media_types_in_the_body_pass_bytes_unchanged),
    ("lambda_.invocation_metrics", a_request_to_an_api_counts_an_invocation),
    ("lambda_.shared_code", two_execution_environments_run_the_same_file),
    ("apigateway.rest_denial", a_gateway_response_answers_a_request_that_iam_denies),
    ("apigateway.cognito_authorizer", a_method_without_scopes_rejects_an_access_token),
    ("iam.policy_variables", an_identity_pool_user_can_access_only_their_own_folder),
    ("iam.policy_variables", a_policy_variable_resolves_to_a_session_tag),
    ("dynamodb.query_cost", a_read_consumes_one_unit_per_four_kilobytes),
    ("apigateway.stage_cache", a_second_get_does_not_invoke_the_function),
    ("apigateway.stage_cache", a_stack_sets_the_cache_cluster_of_a_stage),
    ("apigateway.stage_cache", after_a_flush_the_next_get_invokes_the_function),
    ("apigateway.stage_cache", cloudwatch_counts_cache_hits_and_misses),
    ("apigateway.stage_cache", a_cache_key_must_be_a_parameter_of_the_method),
    ("apigateway.rest_limits", a_request_over_ten_megabytes_is_rejected),
    ("apigateway.rest_limits", a_lambda_event_over_six_megabytes_is_rejected),
    ("apigateway.proxy_response", a_failed_function_is_an_internal_server_error),
    ("apigateway.proxy_response", a_malformed_proxy_response_is_an_internal_server_error),
    ("apigateway.rest_limits", a_slow_function_exceeds_the_integration_timeout),
    ("s3.bucket_cors", an_error_response_of_s3_has_cors_headers),
    ("ses.events", a_sent_email_publishes_events_with_its_tags),
    ("lambda_.event_source_mappings", a_mapping_requires_that_the_role_can_read_the_source),
    ("dynamodb.global_table", a_stack_creates_the_replicas_of_a_global_table),
    ("ses.identity", a_policy_can_allow_one_sender_identity),
    ("athena.workgroup_authorization", a_policy_can_allow_the_queries_of_one_workgroup),
    ("glue.table_authorization", a_policy_can_allow_one_table),
    ("iam.batch_actions", a_permission_for_one_message_includes_batches),
    ("cloudwatch.composite_alarms", a_composite_alarm_of_a_stack_wakes_once),
    ("iam.access_key", a_stack_creates_an_access_key),
    ("iam.anonymous_requests", a_stranger_is_nobody),
    ("iam.web_identity", a_web_identity_is_known_by_its_signature),
    ("lambda_.code_links", only_a_signed_link_leads_to_the_code_of_a_function),
    ("iam.secure_transport", a_bucket_that_requires_tls_accepts_requests),
    ("secretsmanager.secret_labels", put_secret_value_moves_a_staging_label),
    ("firehose.delivery_streams", a_delivery_stream_buffers_records),
    ("firehose.delivery_streams", a_delivery_stream_stores_its_time_zone),
    ("firehose.delivery_streams", dynamic_partitioning_requires_a_large_buffer),
    ("iot.rules", a_topic_rule_puts_its_messages_into_a_stream),
    ("iam.service_roles", a_service_can_assume_only_roles_that_trust_it),
    ("dynamodb.table_ttl", a_stack_sets_the_ttl_of_a_table),
    ("s3.bucket_lifecycle", a_stack_sets_the_lifecycle_of_a_bucket),
    ("sqs.message_move_task", a_dead_letter_moves_back_to_its_queue_with_its_attributes),
    ("sqs.message_move_task", only_a_dead_letter_queue_is_moved),
    ("sqs.message_move_task", a_message_without_an_origin_needs_a_destination),
    ("sqs.message_move_task", a_move_requires_permissions_on_both_queues),
    ("xray.api", a_request_to_an_api_is_a_trace),
]
each_gap = pytest.mark.parametrize(("module", "probe"), GAPS, ids=[probe.__name__ for _, probe in GAPS])


@each_gap
def test_the_gap_is_closed_in_our_emulator(module: str, probe: Callable[[Aws], None], patched: Aws) -> None:
    probe(patched)


@each_gap
def test_the_gap_is_still_there_in_ministack(module: str, probe: Callable[[Aws], None], stock: Aws) -> None:
    try:
        probe(stock)
    except (AssertionError, ClientError, WaiterError, pytest.fail.Exception):
        return
    pytest.fail(f"ministack no longer needs localaws/{module.replace('.', '/')}.py; delete it")


# --- the rules of the stage cache -------------------------------------------------------------------------


def patched_stage(aws: Aws, api_id: str, **settings: str) -> None:
    operations = [{"op": "replace", "path": path, "value": value} for path, value in settings.items()]
    aws.client("apigateway").update_stage(restApiId=api_id, stageName="v1", patchOperations=operations)


def test_the_cache_key_has_only_declared_parameters(patched: Aws) -> None:
    keys = ("query.page", "header.Authorization")
    api_id = patched.api(document({"/": {"get": operation(patched.function(ONCE), parameters=keys)}}), **CACHED)
    first = patched.call(api_id, "/?page=1", Authorization="ann").body
    assert patched.call(api_id, "/?page=1&other=2", Authorization="ann", Other="x").body == first
    assert patched.call(api_id, "/?page=2", Authorization="ann").body != first
    assert patched.call(api_id, "/?page=1", Authorization="bob").body != first


def test_the_trace_of_a_request_says_whether_the_response_was_cached(patched: Aws) -> None:
    api_id = patched.api(document({"/": {"get": operation(patched.function(ONCE))}}), **CACHED)
    for _ in range(2):
        patched.call(api_id, "/")
    now = datetime.now(UTC)
    traces = patched.client("xray").get_trace_summaries(
        StartTime=now - timedelta(minutes=1),
        EndTime=now + timedelta(minutes=1),
        FilterExpression=f'http.url BEGINSWITH "https://{api_id}."',
    )["TraceSummaries"]
    found = [trace["Annotations"]["cache"][0]["AnnotationValue"]["StringValue"] for trace in traces]
    assert found == ["hit", "miss"]


def test_a_path_parameter_is_in_the_cache_key_only_if_declared(patched: Aws) -> None:
    declared = operation(patched.function(ONCE), parameters=("path.id",))
    undeclared = operation(patched.function(ONCE))
    api_id = patched.api(document({"/a/{id}": {"get": declared}, "/b/{id}": {"get": undeclared}}), **CACHED)
    assert patched.call(api_id, "/a/1").body != patched.call(api_id, "/a/2").body
    assert patched.call(api_id, "/b/1").body == patched.call(api_id, "/b/2").body


def test_a_cached_response_requires_authorization(patched: Aws) -> None:
    pool = Pool.create(patched)
    secured = {"/": {"get": operation(patched.function(ONCE), **SECURED)}}
    api_id = patched.api(document(secured, securityDefinitions=pool.definition), **CACHED)
    token = pool.tokens()["IdToken"]
    first = patched.call(api_id, "/", Authorization=token)
    assert patched.call(api_id, "/").status == 401
    assert patched.call(api_id, "/", Authorization=token[:-9]).status == 401
    assert patched.call(api_id, "/", Authorization=token).body == first.body


def test_errors_and_other_methods_are_not_cached(patched: Aws) -> None:
    missing = ONCE.replace("200", "404")
    paths = {
        "/error": {"get": operation(patched.function(missing))},
        "/": {"post": operation(patched.function(ONCE))},
    }
    api_id = patched.api(document(paths), **CACHED)
    assert patched.call(api_id, "/error").body != patched.call(api_id, "/error").body
    assert patched.call(api_id, "/", "POST").body != patched.call(api_id, "/", "POST").body


def test_method_settings_override_stage_settings(patched: Aws) -> None:
    function = patched.function(ONCE)
    paths = {"/fresh/now": {"get": operation(function)}, "/cached": {"post": operation(function)}}
    settings = [
        *CACHED["MethodSettings"],
        {"ResourcePath": "/~1fresh~1now", "HttpMethod": "GET", "CachingEnabled": False},
        {"ResourcePath": "/~1cached", "HttpMethod": "POST", "CachingEnabled": True},
    ]
    api_id = patched.api(document(paths), **CACHED | {"MethodSettings": settings})
    assert patched.call(api_id, "/fresh/now").body != patched.call(api_id, "/fresh/now").body
    assert patched.call(api_id, "/cached", "POST").body == patched.call(api_id, "/cached", "POST").body


def test_update_stage_turns_the_cache_on_and_off(patched: Aws) -> None:
    api_id = patched.api(document({"/todos/mine": {"get": operation(patched.function(ONCE))}}))
    method = "/~1todos~1mine/GET/caching"
    patched_stage(patched, api_id, **{"/cacheClusterEnabled": "true", "/cacheClusterSize": "1.6"})
    assert patched.call(api_id, "/todos/mine").body != patched.call(api_id, "/todos/mine").body
    patched_stage(patched, api_id, **{f"{method}/enabled": "true"})
    assert patched.call(api_id, "/todos/mine").body == patched.call(api_id, "/todos/mine").body
    patched_stage(patched, api_id, **{f"{method}/ttlInSeconds": "0"})
    patched.client("apigateway").flush_stage_cache(restApiId=api_id, stageName="v1")
    assert patched.call(api_id, "/todos/mine").body != patched.call(api_id, "/todos/mine").body
    patched_stage(patched, api_id, **{f"{method}/ttlInSeconds": "60", "/cacheClusterEnabled": "false"})
    assert patched.call(api_id, "/todos/mine").body != patched.call(api_id, "/todos/mine").body


def test_an_unauthorized_invalidation_follows_the_strategy(patched: Aws) -> None:
    api_id = patched.api(document({"/": {"get": operation(patched.function(ONCE))}}), **CACHED)
    first = patched.call(api_id, "/")
    warned = patched.call(api_id, "/", Cache_Control="max-age=0")
    assert warned.body == first.body
    assert warned.headers["Warning"].startswith("199 Cache-control headers were ignored")
    assert "Warning" not in patched.call(api_id, "/").headers

    strategy = "/*/*/caching/unauthorizedCacheControlHeaderStrategy"
    patched_stage(patched, api_id, **{strategy: "SUCCEED_WITHOUT_RESPONSE_HEADER"})
    silent = patched.call(api_id, "/", Cache_Control="max-age=0")
    assert silent.body == first.body
    assert "Warning" not in silent.headers
    patched_stage(patched, api_id, **{strategy: "FAIL_WITH_403"})
    assert patched.call(api_id, "/", Cache_Control="max-age=0").status == 403

    patched_stage(patched, api_id, **{"/*/*/caching/requireAuthorizationForCacheControl": "false"})
    renewed = patched.call(api_id, "/", Cache_Control="max-age=0")
    assert renewed.body != first.body
    assert patched.call(api_id, "/").body == renewed.body


def test_a_signed_invalidation_requires_permission(patched: Aws) -> None:
    signed = {"/": {"get": operation(patched.function(ONCE), **SIGNED)}}
    api_id = patched.api(document(signed, securityDefinitions=SIGNED_DEFINITION), **CACHED)
    methods = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/v1/GET/*"
    reader = user(patched, ["execute-api:Invoke"], methods)
    editor = user(patched, ["execute-api:Invoke", "execute-api:InvalidateCache"], methods)
    first = reader.call(api_id, "/", signed=True)
    assert first.status == 200
    ignored = reader.call(api_id, "/", signed=True, Cache_Control="max-age=0")
    assert ignored.body == first.body
    assert "Warning" in ignored.headers
    renewed = editor.call(api_id, "/", signed=True, Cache_Control="max-age=0")
    assert renewed.body != first.body
    assert reader.call(api_id, "/", signed=True).body == renewed.body
    assert patched.call(api_id, "/").status == 403


def user(aws: Aws, actions: list[str], resource: str | list[str]) -> Aws:
    iam = aws.client("iam")
    name = f"user-{next(numbers)}"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return aws.with_keys(key["AccessKeyId"], key["SecretAccessKey"])


# --- authorization ----------------------------------------------------------------------------------------


def test_a_token_that_the_pool_did_not_sign_is_rejected(patched: Aws) -> None:
    pool, other = Pool.create(patched), Pool.create(patched)
    secured = {"/": {"get": operation(patched.function(ONCE), **SECURED)}}
    api_id = patched.api(document(secured, securityDefinitions=pool.definition))
    token = pool.tokens()["IdToken"]
    header, claims, signature = token.split(".")
    foreign_signature = other.tokens()["IdToken"].rpartition(".")[2]
    unsigned = base64.urlsafe_b64encode(b'{"alg": "none"}').decode().rstrip("=")
    forged = {
        "another pool": other.tokens()["IdToken"],
        "no algorithm": f"{unsigned}.{claims}.",
        "no signature": f"{header}.{claims}.",
        "another key": f"{header}.{claims}.{foreign_signature}",
        "no token": "garbage",
        "nothing": "",
    }
    answers = {fault: patched.call(api_id, "/", Authorization=value).status for fault, value in forged.items()}
    assert answers == dict.fromkeys(forged, 401)
    assert patched.call(api_id, "/", Authorization=f"{header}.{claims}.{signature}").status == 200


def test_a_gateway_response_resource_answers_an_unauthorized_request(patched: Aws) -> None:
    secured = {"/": {"get": operation(patched.function(ONCE), **SECURED)}}
    resources = api_resources(document(secured, securityDefinitions=Pool.create(patched).definition))
    resources["Unauthorized"] = {
        "Type": "AWS::ApiGateway::GatewayResponse",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ResponseType": "UNAUTHORIZED",
            "ResponseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
        },
    }
    deployment = next(r for r in resources.values() if r["Type"] == "AWS::ApiGateway::Deployment")
    deployment["DependsOn"] = "Unauthorized"
    api_id = patched.stack(resources, Id={"Ref": "Api"})["Id"]
    refused = patched.call(api_id, "/")
    assert refused.status == 401
    assert refused.headers["Access-Control-Allow-Origin"] == "*"


def test_an_unknown_access_key_is_rejected(patched: Aws) -> None:
    stranger = patched.with_keys("AKIAIOSFODNN7EXAMPLE", "secret")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        stranger.client("s3").list_buckets()


# --- retention --------------------------------------------------------------------------------------------


def test_records_are_copied_only_if_one_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    def expired(*ages: float) -> bool:
        """Return whether the list of records of these ages is copied when expired records are deleted."""
        records = [{"ApproximateArrivalTimestamp": time.time() - age} for age in ages]
        shard = {"records": records}
        kinesis._expire_records({"RetentionPeriodHours": 1, "shards": {"a": shard, "b": {"records": []}}})
        assert shard["records"] == [
            each for each in records if each["ApproximateArrivalTimestamp"] > time.time() - 3600
        ]
        return shard["records"] is not records

    monkeypatch.setattr(kinesis, "_expire_records", kinesis._expire_records)
    assert expired(1), "ministack no longer needs localaws/kinesis/retention.py; delete it"

    kinesis_retention.apply()

    assert not expired(1)
    assert expired(4000, 1)
