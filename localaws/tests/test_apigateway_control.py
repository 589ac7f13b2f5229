"""What API Gateway refuses and returns when an API, its methods, deployments and stages are set up."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localaws.testing import eventually

LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:f"
URI = "arn:aws:apigateway:us-east-1:"
MOCK: dict[str, Any] = {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}


@dataclass
class Control:
    """An API with a method and a deployment, and shortcuts to the calls of the control API."""

    endpoint: str
    client: Any
    api: str
    root: str
    deployment: str

    @classmethod
    def create(cls, endpoint: str) -> Control:
        client = boto3.client("apigateway", endpoint_url=endpoint)
        api = client.create_rest_api(name="control")["id"]
        root = client.get_resources(restApiId=api)["items"][0]["id"]
        control = cls(endpoint, client, api, root, "")
        control.let_log()
        client.put_method(**control.method, authorizationType="NONE")
        control.integrate("200")
        client.put_method(**control.method | {"httpMethod": "ANY"}, authorizationType="NONE")
        client.put_integration(**control.method | {"httpMethod": "ANY"}, **MOCK)
        control.deployment = client.create_deployment(restApiId=api)["id"]
        client.create_stage(restApiId=api, stageName="v1", deploymentId=control.deployment)
        return control

    def let_log(self) -> None:
        """Give the account a role for the logs of API Gateway."""
        iam: Any = boto3.client("iam", endpoint_url=self.endpoint)
        trust = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
        allowed = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
        policies = [json.dumps({"Version": "2012-10-17", "Statement": [statement]}) for statement in (trust, allowed)]
        role = iam.create_role(RoleName="control", AssumeRolePolicyDocument=policies[0])["Role"]["Arn"]
        iam.put_role_policy(RoleName="control", PolicyName="logs", PolicyDocument=policies[1])
        operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role}
        self.client.update_account(patchOperations=[operation])

    @property
    def method(self) -> dict[str, str]:
        return {"restApiId": self.api, "resourceId": self.root, "httpMethod": "GET"}

    def integrate(self, status: str) -> None:
        self.client.put_integration(**self.method, **MOCK)
        self.client.put_method_response(**self.method, statusCode=status)
        self.client.put_integration_response(**self.method, statusCode=status)

    def status(self, path: str = "") -> int:
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=60)
        connection.request("GET", f"/_aws/execute-api/{self.api}/v1/{path}")
        return connection.getresponse().status

    def update_response(self, op: str, path: str, value: str) -> Any:
        patches = [{"op": op, "path": path, "value": value}]
        return self.client.update_gateway_response(
            restApiId=self.api, responseType="DEFAULT_4XX", patchOperations=patches
        )

    def update_method(self, op: str, path: str, value: str) -> Any:
        return self.client.update_method(**self.method, patchOperations=[{"op": op, "path": path, "value": value}])

    def update_validator(self, op: str, path: str, value: str) -> Any:
        validator = self.client.create_request_validator(restApiId=self.api, name="all")["id"]
        return self.client.update_request_validator(
            restApiId=self.api,
            requestValidatorId=validator,
            patchOperations=[{"op": op, "path": path, "value": value}],
        )

    def update_api(self, op: str, path: str, value: str | None = None) -> Any:
        return self.client.update_rest_api(restApiId=self.api, patchOperations=[patch(op, path, value)])

    def update_stage(self, op: str, path: str, value: str | None = None) -> Any:
        return self.client.update_stage(restApiId=self.api, stageName="v1", patchOperations=[patch(op, path, value)])

    def update_resource(self, op: str, path: str, value: str) -> Any:
        operations = [patch(op, path, value)]
        return self.client.update_resource(restApiId=self.api, resourceId=self.root, patchOperations=operations)

    def create_stage(self, name: str, deployment: str = "") -> Any:
        return self.client.create_stage(restApiId=self.api, stageName=name, deploymentId=deployment or self.deployment)

    def integration(self, **settings: Any) -> Any:
        return self.client.put_integration(**self.method | {"httpMethod": "ANY"}, **settings)

    def proxy(self, uri: str) -> Any:
        return self.integration(type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)

    def put_method(self, http_method: str = "POST", **settings: Any) -> Any:
        settings = {"authorizationType": "NONE"} | settings
        return self.client.put_method(**self.method | {"httpMethod": http_method}, **settings)


def patch(op: str, path: str, value: str | None) -> dict[str, str]:
    return {"op": op, "path": path} | ({"value": value} if value is not None else {})


@pytest.fixture(scope="module")
def control(emulator: str) -> Control:
    return Control.create(emulator)


@pytest.fixture(scope="module")
def bare(bare_emulator: str) -> Iterator[Control]:
    return Control.create(bare_emulator)


COMPRESSION = "Invalid minimum compression size, must be between 0 and 10485760"
NO_AUTHORIZER = (
    "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid "
    "authorizer."
)
LOG_PATHS = (
    "Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]"
)
ONLY_LAMBDA = (
    "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
)
REFUSALS: list[tuple[str, Callable[[Control], Any], str, str]] = [
    ("rest_apis", lambda c: c.client.create_rest_api(name="x", description=""), "BadRequestException",
     "Description cannot be an empty string"),
    ("rest_apis", lambda c: c.client.create_rest_api(name="x", endpointConfiguration={"types": ["wrong"]}),
     "ValidationException",
     "1 validation error detected: Value '[wrong]' at 'createRestApiInput.endpointConfiguration.types' failed to "
     "satisfy constraint: Member must satisfy constraint: "
     "[Member must satisfy enum value set: [PRIVATE, EDGE, REGIONAL]]"),
    ("rest_apis", lambda c: c.update_api("replace", "/minimumCompressionSize", "-1"), "BadRequestException",
     COMPRESSION),
    ("rest_apis", lambda c: c.update_api("add", "/minimumCompressionSize", "10"), "BadRequestException",
     "Invalid patch operation specified. Must be one of: [replace]"),
    ("rest_apis", lambda c: c.update_api("add", "/binaryMediaTypes", "image/png"), "BadRequestException",
     "Invalid patch path /binaryMediaTypes"),
    ("rest_apis", lambda c: c.update_api("replace", "/other", "x"), "BadRequestException", "Invalid patch path /other"),
    ("rest_apis", lambda c: c.client.create_rest_api(name="x", endpointConfiguration={"types": []}),
     "BadRequestException", "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED."),
    ("rest_apis", lambda c: c.client.create_rest_api(name="x", endpointConfiguration={"types": ["EDGE", "REGIONAL"]}),
     "BadRequestException", "Cannot create an api with multiple Endpoint Types."),
    ("rest_import", lambda c: c.client.import_rest_api(body=b"{'key:value}"), "BadRequestException",
     "Invalid OpenAPI input."),
    ("gateway_responses", lambda c: c.update_response("add", "/statusCode", "444"), "BadRequestException",
     "Invalid patch path /statusCode"),
    ("gateway_responses", lambda c: c.update_response("replace", "/responseParameters/x", "y"), "NotFoundException",
     "Invalid parameter name specified"),
    ("gateway_responses",
     lambda c: c.client.delete_gateway_response(restApiId=c.api, responseType="UNAUTHORIZED"), "NotFoundException",
     "Gateway response type not defined on api"),
    ("method_patches", lambda c: c.update_method("replace", "/httpMethod", "PUT"), "BadRequestException",
     "Invalid patch path /httpMethod"),
    ("method_patches", lambda c: c.update_method("add", "/operationName", "x"), "BadRequestException",
     "Invalid patch operation specified. Must be one of: [replace]"),
    ("method_patches", lambda c: c.update_method("replace", "/authorizationType", "CUSTOM"), "BadRequestException",
     NO_AUTHORIZER),
    ("method_patches", lambda c: c.update_validator("add", "/name", "x"), "BadRequestException",
     "Invalid patch path  '/name' specified for op 'add'. Please choose supported operations"),
    ("method_patches", lambda c: c.update_validator("replace", "/name", ""), "BadRequestException",
     "Request Validator name cannot be blank"),
    ("empty_members", lambda c: c.client.get_rest_api(restApiId="none"), "NotFoundException",
     "Invalid API identifier specified 000000000000:none"),
    ("integrations", lambda c: c.proxy(LAMBDA),
     "BadRequestException", "AWS ARN for integration must contain path or action"),
    ("integrations", lambda c: c.proxy("bad-arn:lambda:path/x"),
     "BadRequestException", "Invalid ARN specified in the request"),
    ("integrations",
     lambda c: c.proxy(f"{URI}lambda:test/2015-03-31/{LAMBDA}"),
     "BadRequestException", "AWS ARN for integration must contain path or action"),
    ("integrations", lambda c: c.proxy(f"{URI}s3:path/x"),
     "BadRequestException", ONLY_LAMBDA),
    ("integrations",
     lambda c: c.proxy(f"{URI}lambda:path/random/{LAMBDA}"),
     "BadRequestException", ONLY_LAMBDA),
    ("integrations", lambda c: c.integration(type="HTTP", integrationHttpMethod="POST", uri="nowhere"),
     "BadRequestException", "Invalid HTTP endpoint specified for URI"),
    ("integrations", lambda c: c.integration(type="HTTP", uri="http://example.com"), "BadRequestException",
     "Enumeration value for HttpMethod must be non-empty"),
    ("integrations", lambda c: c.put_method("WRONG"), "BadRequestException",
     "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY"),
    ("integrations", lambda c: c.put_method(authorizationType="CUSTOM"), "BadRequestException", NO_AUTHORIZER),
    ("integrations", lambda c: c.put_method(requestValidatorId="none"), "BadRequestException",
     "Invalid Request Validator identifier specified"),
    ("integrations", lambda c: c.put_method(requestModels={"application/json": "Pet"}), "BadRequestException",
     "Invalid model identifier specified: Pet"),
    ("integrations",
     lambda c: c.put_method(requestParameters={"method.request.header.a": True, "method.request.querystring.a": True}),
     "BadRequestException", "Parameter names must be unique across querystring, header and path"),
    ("integrations", lambda c: c.integration(type="HTTPS"), "ValidationException",
     "1 validation error detected: Value 'HTTPS' at 'putIntegrationInput.type' failed to satisfy constraint: Member "
     "must satisfy enum value set: [HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]"),
    ("integrations", lambda c: c.client.put_method_response(**c.method, statusCode="wrong"), "ValidationException",
     "1 validation error detected: Value 'wrong' at 'statusCode' failed to satisfy constraint: Member must satisfy "
     "regular expression pattern: [1-5]\\d\\d"),
    ("integrations", lambda c: c.update_resource("replace", "/other", "x"), "BadRequestException",
     "Invalid patch path  '/other' specified for op 'replace'. Must be one of: [/parentId, /pathPart]"),
    ("integrations", lambda c: c.update_resource("replace", "/pathPart", "x"), "BadRequestException",
     "Root resource cannot update its pathPart."),
    ("deployments",
     lambda c: c.client.create_deployment(restApiId=c.client.create_rest_api(name="without methods")["id"]),
     "BadRequestException", "The REST API doesn't contain any methods"),
    ("deployments", lambda c: c.client.delete_deployment(restApiId=c.api, deploymentId=c.deployment),
     "BadRequestException", "Active stages pointing to this deployment must be moved or deleted"),
    ("stages", lambda c: c.create_stage("with space"), "BadRequestException", "Stage name only allows a-zA-Z0-9_-"),
    ("stages", lambda c: c.create_stage("v1"), "ConflictException", "Stage already exists"),
    ("stages", lambda c: c.create_stage("v2", "none"), "BadRequestException", "Deployment id does not exist"),
    ("stages", lambda c: c.update_stage("replace", "/deploymentId", "none"), "BadRequestException",
     "Deployment id does not exist"),
    ("canary", lambda c: c.update_stage("add", "/canarySettings/deploymentId", "x"), "BadRequestException",
     "Invalid add operation with path: /canarySettings/deploymentId"),
    ("canary", lambda c: c.update_stage("replace", "/canarySettings/deploymentId", "none"), "BadRequestException",
     "Deployment id does not exist"),
    ("canary", lambda c: c.update_stage("remove", "/canarySettings/stageVariableOverrides"), "BadRequestException",
     "Cannot remove method setting canarySettings/stageVariableOverrides because there is no method setting for this "
     "method "),
    ("canary",
     lambda c: c.client.create_deployment(restApiId=c.api, canarySettings={"percentTraffic": 50.0}, stageName="none"),
     "BadRequestException",
     "Invalid deployment content specified.Stage none must already be created before making a canary release "
     "deployment"),
    ("stages", lambda c: c.update_stage("remove", "/*/*"), "BadRequestException",
     "Cannot remove method setting */* because there is no method setting for this method "),
    ("stages", lambda c: c.update_stage("add", "/accessLogSettings/other", "x"), "BadRequestException", LOG_PATHS),
    ("stages", lambda c: c.update_stage("add", "/accessLogSettings/format", ""), "BadRequestException",
     "Access Log value must not be empty"),
]  # fmt: skip


def refusal(control: Control, call: Callable[[Control], Any]) -> tuple[str, str]:
    try:
        call(control)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "", "taken"


@pytest.mark.parametrize(("module", "call", "code", "message"), REFUSALS, ids=[case[3][:50] for case in REFUSALS])
def test_the_control_api_refuses(
    control: Control, module: str, call: Callable[[Control], Any], code: str, message: str
) -> None:
    assert refusal(control, call) == (code, message)


@pytest.mark.parametrize("path", ["/documentation_version", "/tags/one", "/*/*/metrics", "/variables"])
def test_an_unknown_path_of_a_stage_is_refused_with_the_known_ones(control: Control, path: str) -> None:
    code, message = refusal(control, lambda it: it.update_stage("replace", path, "x"))

    assert code == "BadRequestException"
    assert message.startswith(f"Invalid method setting path: {path}. Must be one of: [/deploymentId, /description, ")
    assert message.endswith("/variables/{variable_name}, /tracingEnabled]")


def test_a_stage_has_only_members_with_a_value(control: Control) -> None:
    stage = control.create_stage("plain")

    assert sorted(stage) == [
        "ResponseMetadata", "cacheClusterEnabled", "cacheClusterStatus", "createdDate", "deploymentId",
        "lastUpdatedDate", "methodSettings", "stageName", "tracingEnabled",
    ]  # fmt: skip
    assert (stage["cacheClusterStatus"], stage["methodSettings"]) == ("NOT_AVAILABLE", {})


def test_an_api_has_the_defaults_of_aws(control: Control) -> None:
    api = control.client.create_rest_api(name="defaults")

    assert sorted(api) == [
        "ResponseMetadata", "apiKeySource", "createdDate", "disableExecuteApiEndpoint",
        "endpointConfiguration", "id", "name", "rootResourceId",
    ]  # fmt: skip
    assert api["endpointConfiguration"] == {"types": ["EDGE"], "ipAddressType": "ipv4"}


def test_binary_media_types_are_patched_one_by_one(control: Control) -> None:
    control.update_api("add", "/binaryMediaTypes/image~1png")
    control.update_api("add", "/binaryMediaTypes/image~1jpeg")
    assert control.update_api("remove", "/binaryMediaTypes/image~1png")["binaryMediaTypes"] == ["image/jpeg"]
    changed = control.update_api("replace", "/binaryMediaTypes/image~1jpeg", "image/gif")
    assert changed["binaryMediaTypes"] == ["image/gif"]
    assert "binaryMediaTypes" not in control.update_api("remove", "/binaryMediaTypes/image~1gif")


def test_settings_of_methods_and_access_logs_are_kept(control: Control) -> None:
    control.create_stage("kept")
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:access"
    operations = [
        patch("add", "/accessLogSettings/destinationArn", arn),
        patch("add", "/accessLogSettings/format", "$context.requestId"),
        patch("replace", "/~1/GET/throttling/burstLimit", "7"),
        patch("replace", "/variables/one", "1"),
        patch("replace", "/tracingEnabled", "true"),
    ]
    control.client.update_stage(restApiId=control.api, stageName="kept", patchOperations=operations)

    stage = control.client.get_stage(restApiId=control.api, stageName="kept")

    assert stage["accessLogSettings"] == {"destinationArn": arn, "format": "$context.requestId"}
    assert stage["methodSettings"]["//GET"]["throttlingBurstLimit"] == 7
    assert (stage["variables"], stage["tracingEnabled"]) == ({"one": "1"}, True)
    removed = [patch("remove", "/accessLogSettings", None)]
    stage = control.client.update_stage(restApiId=control.api, stageName="kept", patchOperations=removed)
    assert "accessLogSettings" not in stage


def test_a_canary_is_set_patched_and_promoted(control: Control) -> None:
    control.create_stage("canary")
    stage = {"restApiId": control.api, "stageName": "canary"}
    created = control.client.create_deployment(
        **stage, canarySettings={"percentTraffic": 50.0, "stageVariableOverrides": {"release": "next"}}
    )
    settings = {"deploymentId": created["id"], "percentTraffic": 50.0, "useStageCache": False}
    overrides = {"stageVariableOverrides": {"release": "next"}}
    found = control.client.get_stage(**stage)
    assert (found["deploymentId"], found["canarySettings"]) == (control.deployment, settings | overrides)

    promoted = control.client.update_stage(
        **stage,
        patchOperations=[
            {"op": "replace", "path": "/canarySettings/percentTraffic", "value": "0.0"},
            {"op": "copy", "path": "/deploymentId", "from": "/canarySettings/deploymentId"},
            {"op": "copy", "path": "/variables", "from": "/canarySettings/stageVariableOverrides"},
        ],
    )

    assert (promoted["deploymentId"], promoted["variables"]) == (created["id"], {"release": "next"})
    assert promoted["canarySettings"] == settings | overrides | {"percentTraffic": 0.0}
    removed = control.client.update_stage(**stage, patchOperations=[{"op": "remove", "path": "/canarySettings"}])
    assert "canarySettings" not in removed


def access_log(control: Control) -> list[str]:
    """Return the lines of the access log after two requests."""
    logs = boto3.client("logs", endpoint_url=control.endpoint)
    logs.create_log_group(logGroupName="access")
    group = logs.describe_log_groups(logGroupNamePrefix="access")["logGroups"][0]["arn"]
    names = ("status", "httpMethod", "resourcePath", "identity.sourceIp", "error.message", "unknown")
    line = " ".join(f"$context.{name}" for name in names)
    control.update_stage("add", "/accessLogSettings/destinationArn", group.removesuffix(":*"))
    control.update_stage("add", "/accessLogSettings/format", line)
    control.status()
    control.status("none")
    return [event["message"] for event in logs.filter_log_events(logGroupName="access")["events"]]


def test_a_stage_writes_a_line_for_each_request(control: Control) -> None:
    assert access_log(control) == [
        "200 GET / 127.0.0.1 - -",
        "403 GET - 127.0.0.1 Missing Authentication Token -",
    ]


def test_the_bare_emulator_still_writes_no_access_logs(bare: Control) -> None:
    assert access_log(bare) == [], "the emulator no longer needs localaws/apigateway/access_logs.py"


def signed_for(control: Control, service: str, region: str = "us-east-1") -> tuple[int, str]:
    """Send a signed request to a method with AWS_IAM; return the status and the body."""
    stage = f"signed-{service}-{region}"
    control.put_method("PUT", authorizationType="AWS_IAM")
    control.client.put_integration(**control.method | {"httpMethod": "PUT"}, **MOCK)
    control.create_stage(stage, control.client.create_deployment(restApiId=control.api)["id"])
    control.client.delete_method(**control.method | {"httpMethod": "PUT"})
    request = AWSRequest("PUT", f"{control.endpoint}/_aws/execute-api/{control.api}/{stage}/")
    SigV4Auth(Credentials("test", "test"), service, region).add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(control.endpoint).netloc, timeout=20)
    connection.request("PUT", urlsplit(request.url).path, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_request_is_signed_for_this_service_in_this_region(control: Control) -> None:
    assert signed_for(control, "execute-api")[0] == 200
    for scope, message in ((("s3",), "correct service: 'execute-api'"), (("execute-api", "eu-west-1"), "valid region")):
        status, body = signed_for(control, *scope)
        assert (status, message in body) == (403, True), body


def test_the_bare_emulator_still_accepts_a_signature_for_another_service(bare: Control) -> None:
    status, _ = signed_for(bare, "s3")
    assert status == 200, "the emulator no longer needs localaws/apigateway/signature_scope.py"


def test_stages_are_selected_by_their_deployment(control: Control) -> None:
    other = control.client.create_deployment(restApiId=control.api)["id"]
    control.create_stage("selected", other)

    stages = control.client.get_stages(restApiId=control.api, deploymentId=other)["item"]

    assert [stage["stageName"] for stage in stages] == ["selected"]


def test_a_change_is_served_after_a_deployment_only(control: Control) -> None:
    assert control.status() == 200
    control.client.delete_method(**control.method)
    control.client.delete_method(**control.method | {"httpMethod": "ANY"})
    control.put_method("PUT")
    control.client.put_integration(**control.method | {"httpMethod": "PUT"}, **MOCK)
    assert control.status() == 200

    control.client.create_deployment(restApiId=control.api, stageName="v1")

    assert control.status() == 403


def test_a_stack_cannot_create_a_stage_that_api_gateway_refuses(control: Control) -> None:
    stage = {"RestApiId": control.api, "StageName": "from-stack", "DeploymentId": "none"}
    template = {"Resources": {"Stage": {"Type": "AWS::ApiGateway::Stage", "Properties": stage}}}
    stacks = boto3.client("cloudformation", endpoint_url=control.endpoint)
    stacks.create_stack(StackName="refused-stage", TemplateBody=json.dumps(template), OnFailure="DO_NOTHING")

    def reasons() -> list[str]:
        events = stacks.describe_stack_events(StackName="refused-stage")["StackEvents"]
        return [e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"] == "CREATE_FAILED"]

    assert any("Deployment id does not exist" in reason for reason in eventually(reasons))


@pytest.mark.parametrize("module", sorted({case[0] for case in REFUSALS}))
def test_the_bare_emulator_still_takes_what_aws_refuses(bare: Control, module: str) -> None:
    cases = [(call, code, message) for name, call, code, message in REFUSALS if name == module]

    assert any(refusal(bare, call) != (code, message) for call, code, message in cases), (
        f"the emulator no longer needs localaws/apigateway/{module}.py"
    )


def test_the_status_of_a_gateway_response_is_patched(control: Control) -> None:
    assert control.update_response("replace", "/statusCode", "444")["statusCode"] == "444"
    found = control.client.get_gateway_response(restApiId=control.api, responseType="UNAUTHORIZED")
    assert (found["statusCode"], found["defaultResponse"]) == ("444", True)
    control.client.delete_gateway_response(restApiId=control.api, responseType="DEFAULT_4XX")


def test_a_method_keeps_the_models_and_parameters_of_its_patches(control: Control) -> None:
    control.client.put_method(**control.method, authorizationType="NONE")
    control.update_method("add", "/requestModels/application~1json", "Empty")
    patched = control.update_method("add", "/requestParameters/method.request.querystring.q", "true")

    assert patched["requestModels"] == {"application/json": "Empty"}
    assert patched["requestParameters"] == {"method.request.querystring.q": True}
    control.update_method("remove", "/requestModels/application~1json", "")
    assert "requestParameters" not in control.update_method(
        "remove", "/requestParameters/method.request.querystring.q", ""
    )


def test_a_new_api_has_two_models(control: Control, bare: Control) -> None:
    assert [one["name"] for one in control.client.get_models(restApiId=control.api)["items"]] == ["Empty", "Error"]
    models = bare.client.get_models(restApiId=bare.api)["items"]
    assert models == [], "the emulator needs less of localaws/apigateway/models.py"


OPENAPI = """
openapi: 3.0.1
info: {title: imported, version: 2, description: An API.}
servers: [{url: "https://example.com/base/part"}]
x-amazon-apigateway-request-validators: {all: {validateRequestBody: true, validateRequestParameters: true}}
x-amazon-apigateway-request-validator: all
paths:
  /houses/{id}:
    post:
      operationId: Move
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/House"}}}}
      responses: {"200": {description: ok}}
      x-amazon-apigateway-integration:
        type: mock
        requestParameters: {integration.request.header.a: true}
components:
  schemas:
    House: {type: object, properties: {owner: {$ref: "#/components/schemas/Person"}}}
    Person: {type: object}
"""


@pytest.mark.parametrize(
    ("mode", "path"),
    [("ignore", "/houses/{id}"), ("prepend", "/base/part/houses/{id}"), ("split", "/part/houses/{id}")],
)
def test_an_import_reads_yaml_models_validators_and_the_base_path(control: Control, mode: str, path: str) -> None:
    api = control.client.import_rest_api(body=OPENAPI.encode(), parameters={"basepath": mode})

    assert (api["name"], api["version"], api["description"]) == ("imported", "2", "An API.")
    assert [warning.partition(" of resource ")[2].split("'")[1] for warning in api["warnings"]] == [path]
    models = control.client.get_models(restApiId=api["id"])["items"]
    assert [model["name"] for model in models] == ["House", "Person"]
    owner = json.loads(models[0]["schema"])["properties"]["owner"]
    assert owner == {"$ref": f"https://apigateway.amazonaws.com/restapis/{api['id']}/models/Person"}
    resource = next(one for one in control.client.get_resources(restApiId=api["id"])["items"] if one["path"] == path)
    method = control.client.get_method(restApiId=api["id"], resourceId=resource["id"], httpMethod="POST")
    (validator,) = control.client.get_request_validators(restApiId=api["id"])["items"]
    assert method["requestModels"] == {"application/json": "House"}
    assert method["requestParameters"] == {"method.request.path.id": True}
    assert (method["operationName"], method["requestValidatorId"]) == ("Move", validator["id"])


def test_an_import_with_warnings_can_fail(control: Control) -> None:
    call = lambda c: c.client.import_rest_api(body=OPENAPI.encode(), failOnWarnings=True)  # noqa: E731
    assert refusal(control, call)[1].startswith("Warnings found during import:")
