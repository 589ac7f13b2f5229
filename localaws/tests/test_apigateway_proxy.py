"""The proxy integration of a REST API: the event that a function gets, and the response that its answer becomes."""

from __future__ import annotations

import http.client
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from localaws.testing import active

ECHO = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""
REPEAT = """
import json
def handler(event, context):
    return json.loads(event["body"])
"""
LARGE = """
def handler(event, context):
    return {"statusCode": 200, "body": "x" * 6 * 1024 * 1024}
"""
RAISE_OR_ECHO = """
def handler(event, context):
    if event.get("n", "").startswith("fail"):
        raise Exception(event["n"])
    return event
"""
PLAIN = (("Content-Type", "text/plain"),)
PNG = "iVBORw0KGgo="


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def values(self, name: str) -> list[str]:
        return [value for own, value in self.headers if own.lower() == name.lower()]


@dataclass
class Api:
    """A REST API with the stage v1, whose functions return their event (`/{any+}`) or the body (`POST /repeat`)."""

    endpoint: str
    id: str
    resources: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, endpoint: str) -> Api:
        iam, functions, gateway = (
            boto3.client(name, endpoint_url=endpoint) for name in ("iam", "lambda", "apigateway")
        )

        def create_role(name: str, service: str) -> str:
            """Create a role that the service can assume, and that can invoke functions; return its ARN."""
            trusted = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
            allowed = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
            trust, policy = (json.dumps({"Version": "2012-10-17", "Statement": [it]}) for it in (trusted, allowed))
            arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
            iam.put_role_policy(RoleName=name, PolicyName="invoke", PolicyDocument=policy)
            return arn

        role = create_role("proxy-function", "lambda.amazonaws.com")
        invoker = create_role("proxy-invoker", "apigateway.amazonaws.com")
        api = cls(endpoint, gateway.create_rest_api(name="proxy", binaryMediaTypes=["image/png"])["id"])
        root = gateway.get_resources(restApiId=api.id)["items"][0]["id"]
        devices = gateway.create_resource(restApiId=api.id, parentId=root, pathPart="devices")["id"]

        def method(parent: str, part: str, source: str, condition: str | None = "*", **integration: Any) -> None:
            """Add a method for a function whose permission is limited to the ARN that ends in *condition*."""
            name = f"proxy-{part.strip('{+}')}"
            code = io.BytesIO()
            with zipfile.ZipFile(code, "w") as archive:
                archive.writestr("app.py", source)
            functions.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Handler="app.handler",
                Role=role,
                Code={"ZipFile": code.getvalue()},
            )
            function = active(functions, name)
            if condition:
                functions.add_permission(
                    FunctionName=name,
                    StatementId="api",
                    Action="lambda:InvokeFunction",
                    Principal="apigateway.amazonaws.com",
                    SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{api.id}/{condition}",
                )
            created = gateway.create_resource(restApiId=api.id, parentId=parent, pathPart=part)["id"]
            api.resources[part] = created
            target = {"restApiId": api.id, "resourceId": created, "httpMethod": "ANY"}
            gateway.put_method(**target, authorizationType="NONE")
            uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
            settings = {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri} | integration
            gateway.put_integration(**target, **settings)

        method(root, "{any+}", ECHO)
        method(root, "repeat", REPEAT)
        method(root, "large", LARGE)
        method(
            root, "custom", RAISE_OR_ECHO, type="AWS", requestTemplates={"text/plain": '{"n": "$input.params(\'n\')"}'}
        )
        method(root, "get", ECHO, integrationHttpMethod="GET")
        for status, pattern in (("200", ""), ("405", ".*four hundred.*"), ("502", ".+")):
            custom = {"restApiId": api.id, "resourceId": api.resources["custom"], "httpMethod": "ANY"}
            gateway.put_method_response(**custom, statusCode=status)
            gateway.put_integration_response(**custom, statusCode=status, selectionPattern=pattern)
        method(devices, "{device_id}", ECHO, "*/GET/devices/*")
        method(root, "without", ECHO, None)
        method(root, "other-stage", ECHO, "v2/*")
        method(root, "as-role", ECHO, None, credentials=invoker)
        method(root, "as-untrusted-role", ECHO, None, credentials=role)
        gateway.create_deployment(restApiId=api.id, stageName="v1")
        return api

    def call(
        self, path: str, method: str = "GET", body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()
    ) -> Answer:
        """Send a request, the path and the names of the headers as they are."""
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=60)
        connection.putrequest(method, f"/_aws/execute-api/{self.id}{path}", skip_accept_encoding=True)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return Answer(answer.status, answer.getheaders(), content)

    def event(self, path: str, *headers: tuple[str, str]) -> Any:
        answer = self.call(f"/v1{path}", headers=headers)
        assert answer.status == 200, answer.body
        return answer.json

    def repeat(self, answer: Any, accept: str = "*/*") -> Answer:
        return self.call("/v1/repeat", "POST", json.dumps(answer).encode(), (("Accept", accept),))


@pytest.fixture(scope="module")
def api(emulator: str) -> Api:
    return Api.create(emulator)


@pytest.fixture(scope="module")
def bare_api(bare_emulator: str) -> Iterator[Api]:
    return Api.create(bare_emulator)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("/devices/pump-1", {"device_id": "pump-1"}),
        ("/devices/pump%201", {"device_id": "pump%201"}),
        ("/devices/line:3%3A4", {"device_id": "line:3%3A4"}),
        ("/devices/a%2Fb", {"device_id": "a%2Fb"}),
        ("/devices/%2541", {"device_id": "%2541"}),
        ("/a/test%2Balias@example.com/b+c", {"any": "a/test%2Balias@example.com/b+c"}),
        ("/a//b", {"any": "a//b"}),
        ("/a/", {"any": "a"}),
    ],
)
def test_the_path_and_its_parameters_arrive_as_sent(api: Api, sent: str, expected: dict[str, str]) -> None:
    event = api.event(sent)

    assert event["pathParameters"] == expected
    assert event["path"] == sent
    assert event["requestContext"]["path"] == f"/v1{sent}"


@pytest.mark.parametrize(
    ("sent", "path", "full_path"),
    [
        ("/v1//devices/7", "/devices/7", "/v1//devices/7"),
        ("//v1/devices/7", "/devices/7", "/v1/devices/7"),
    ],
)
def test_slashes_before_the_path_do_not_change_its_resource(api: Api, sent: str, path: str, full_path: str) -> None:
    event = api.call(sent).json

    assert event["resource"] == "/devices/{device_id}"
    assert (event["path"], event["requestContext"]["path"]) == (path, full_path)


def test_the_endpoint_answers_for_the_host_name_of_an_api(api: Api) -> None:
    address = urlsplit(api.endpoint)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("GET", "/v1/devices/7", headers={"Host": f"{api.id}.execute-api.us-east-1.amazonaws.com"})

    assert json.loads(connection.getresponse().read())["path"] == "/devices/7"


def test_headers_keep_their_names_and_values(api: Api) -> None:
    event = api.event("/a", ("tEsT-HEADeR", "aValUE"), ("Twice", "1"), ("twice", "2"))

    assert event["headers"]["tEsT-HEADeR"] == "aValUE"
    assert (event["headers"]["Twice"], event["multiValueHeaders"]["Twice"]) == ("2", ["1", "2"])
    assert "twice" not in event["headers"]
    assert event["multiValueHeaders"].keys() == event["headers"].keys()


def test_api_gateway_adds_its_own_headers(api: Api) -> None:
    domain = f"{api.id}.execute-api.us-east-1.amazonaws.com"
    sent = (("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Port", "70"))

    event = api.event("/a", *sent)

    headers = event["headers"]
    assert (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"]) == (
        "203.0.113.7, 127.0.0.1",
        "https",
        "443",
    )
    assert headers["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert (headers["Host"], event["requestContext"]["domainName"]) == (domain, domain)
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert api.event("/a")["headers"]["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize("name", ["Connection", "Content-MD5", "Expect", "Max-Forwards", "TE", "Trailer", "Server"])
def test_a_header_of_the_connection_does_not_reach_the_function(api: Api, name: str) -> None:
    value = "100-continue" if name == "Expect" else "x"

    assert name.lower() not in {header.lower() for header in api.event("/a", (name, value))["headers"]}


def test_the_trace_id_of_the_client_is_kept(api: Api) -> None:
    sent = "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1"

    response = api.call("/v1/a", headers=(("X-Amzn-Trace-Id", sent),))

    assert response.values("X-Amzn-Trace-Id") == [sent]
    assert response.json["headers"]["X-Amzn-Trace-Id"] == sent


def test_headers_have_ten_thousand_bytes_at_most(api: Api) -> None:
    assert api.call("/v1/a", headers=(("X", "x" * 10_000),)).status == 200
    assert api.call("/v1/a", headers=(("X", "x" * 10_240),)).status == 431


def test_a_name_in_the_query_has_its_last_value_and_all_values(api: Api) -> None:
    event = api.event("/a?price=10&price=30&plus=a+b%2Bc&empty=")

    assert event["queryStringParameters"] == {"price": "30", "plus": "a b+c", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"price": ["10", "30"], "plus": ["a b+c"], "empty": [""]}
    assert api.event("/a")["queryStringParameters"] is None
    assert api.event("/a")["multiValueQueryStringParameters"] is None


def test_the_event_has_exactly_the_members_of_aws(api: Api) -> None:
    answer = api.call("/v1/devices/7", headers=(("User-Agent", "test"),))

    event = answer.json
    assert sorted(event) == [
        "body", "headers", "httpMethod", "isBase64Encoded", "multiValueHeaders", "multiValueQueryStringParameters",
        "path", "pathParameters", "queryStringParameters", "requestContext", "resource", "stageVariables",
    ]  # fmt: skip
    context = event["requestContext"]
    assert sorted(context) == [
        "accountId", "apiId", "deploymentId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod",
        "identity", "path", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourceId", "resourcePath",
        "stage",
    ]  # fmt: skip
    assert context["identity"] == {
        "accessKey": None, "accountId": None, "caller": None, "cognitoAuthenticationProvider": None,
        "cognitoAuthenticationType": None, "cognitoIdentityId": None, "cognitoIdentityPoolId": None,
        "principalOrgId": None, "sourceIp": "127.0.0.1", "user": None, "userAgent": "test", "userArn": None,
    }  # fmt: skip
    assert (event["stageVariables"], event["isBase64Encoded"], context["protocol"]) == (None, False, "HTTP/1.1")
    assert answer.values("x-amzn-RequestId") == [context["requestId"]]
    assert answer.values("x-amz-apigw-id") == [context["extendedRequestId"]]


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({"statusCode": 200}, 200, b""),
        ({"statusCode": "201"}, 201, b""),
        ({"headers": {"a": "b"}}, 200, b""),
        ({"statusCode": 200, "headers": None, "body": "text"}, 200, b"text"),
        ({"statusCode": 200, "body": PNG}, 200, PNG.encode()),
        ({"statusCode": 200, "body": PNG, "isBase64Encoded": True}, 200, PNG.encode()),
    ],
)
def test_an_answer_becomes_the_response(api: Api, answer: Any, status: int, body: bytes) -> None:
    response = api.repeat(answer)

    assert (response.status, response.body) == (status, body)
    assert response.values("Content-Type") == ["application/json"]


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": 200, "wrongValue": "value"},
        {"statusCode": "test"},
        {"statusCode": 99},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "multiValueHeaders": {"a": "b"}},
        "text",
        None,
        7,
    ],
    ids=json.dumps,
)
def test_a_malformed_answer_is_a_502(api: Api, answer: Any) -> None:
    response = api.repeat(answer)

    assert (response.status, response.json) == (502, {"message": "Internal server error"})
    assert response.values("x-amzn-ErrorType") == ["InternalServerErrorException"]


def test_an_answer_over_six_megabytes_is_a_502(api: Api) -> None:
    assert api.call("/v1/large").status == 502


def test_scalar_header_values_become_text(api: Api) -> None:
    response = api.repeat({"headers": {"header-bool": True, "Age": 7, "test": "value"}})

    assert [response.values(name) for name in ("header-bool", "age", "test")] == [["true"], ["7"], ["value"]]


@pytest.mark.parametrize(
    ("several", "single", "expected"),
    [
        (["value1", "value2"], {}, ["value1", "value2"]),
        (["value-multi"], {"test-multi": "value-solo"}, ["value-multi", "value-solo"]),
        (["same"], {"test-multi": "same"}, ["same"]),
    ],
)
def test_a_header_has_the_values_of_both_maps(
    api: Api, several: list[str], single: dict[str, str], expected: list[str]
) -> None:
    response = api.repeat({"multiValueHeaders": {"tesT-Multi": several}, "headers": single})

    assert [value for name, value in response.headers if name == "tesT-Multi"] == expected


@pytest.mark.parametrize("name", ["WWW-Authenticate", "Date", "Server", "Connection", "Content-Length"])
def test_a_header_of_api_gateway_s_own_is_renamed(api: Api, name: str) -> None:
    response = api.repeat({"headers": {name: "5"}})

    assert response.values(f"x-amzn-Remapped-{name}") == ["5"]
    assert "5" not in response.values(name)


@pytest.mark.parametrize(
    ("accept", "decoded"),
    [
        ("image/png", True),
        ("image/png,image/*,*/*;q=0.8", True),
        ("image/webp,image/png,*/*;q=0.8", False),
        ("image/*", False),
        ("*/*", False),
        ("image", False),
    ],
)
def test_only_the_first_accepted_type_decides_if_a_body_is_binary(api: Api, accept: str, decoded: bool) -> None:
    response = api.repeat({"statusCode": 200, "body": PNG, "isBase64Encoded": True}, accept)

    assert response.body == (b"\x89PNG\r\n\x1a\n" if decoded else PNG.encode())


def test_a_binary_body_that_is_not_base64_is_a_500(api: Api) -> None:
    response = api.repeat({"body": "èé+à)(", "isBase64Encoded": True}, "image/png")

    assert (response.status, response.json) == (500, {"message": "Internal server error"})


def test_an_integration_with_another_method_than_post_is_a_500(api: Api) -> None:
    response = api.call("/v1/get")

    assert (response.status, response.json) == (500, {"message": "Internal server error"})
    assert response.values("x-amzn-ErrorType") == ["InternalServerErrorException"]
    assert not response.values("X-Amzn-Trace-Id")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/as-role", 200), ("/without", 500), ("/other-stage", 500), ("/as-untrusted-role", 500)],
)
def test_a_function_is_invoked_with_permission_only(api: Api, path: str, status: int) -> None:
    response = api.call(f"/v1{path}")

    assert response.status == status
    assert status == 200 or response.json == {"message": "Internal server error"}


def test_the_condition_of_a_permission_is_evaluated_for_the_method(api: Api) -> None:
    assert api.call("/v1/devices/7", "GET").status == 200
    assert api.call("/v1/devices/7", "POST").status == 500


@pytest.mark.parametrize(
    ("query", "media_type", "status", "body"),
    [
        ("?n=1", "text/plain", 200, {"n": "1"}),
        ("?n=1", "application/json", 200, {"own": "body"}),
        ("?n=fail%20four%20hundred", "text/plain", 405, None),
        ("?n=fail", "text/plain", 502, None),
    ],
)
def test_a_custom_integration_has_templates_and_selection_patterns(
    api: Api, query: str, media_type: str, status: int, body: Any
) -> None:
    response = api.call(f"/v1/custom{query}", "POST", b'{"own": "body"}', (("Content-Type", media_type),))

    assert response.status == status
    assert response.json == body or response.json["errorMessage"].startswith("fail")


def test_an_edge_optimized_endpoint_capitalizes_two_headers(api: Api) -> None:
    client = boto3.client("apigateway", endpoint_url=api.endpoint)
    operation = {"op": "replace", "path": "/endpointConfiguration/types/EDGE"}

    def sent(kind: str) -> set[str]:
        client.update_rest_api(restApiId=api.id, patchOperations=[operation | {"value": kind}])
        return set(api.event("/a", ("authorization", "x"), ("user-Agent", "y"))["headers"])

    assert {"authorization", "user-Agent"} <= sent("REGIONAL")
    assert {"Authorization", "User-Agent"} <= sent("EDGE")


def test_a_canary_gets_its_part_of_the_requests(api: Api) -> None:
    client = boto3.client("apigateway", endpoint_url=api.endpoint)
    deployment = client.create_deployment(restApiId=api.id)["id"]
    overrides = {"stageVariableOverrides": {"release": "canary"}, "deploymentId": deployment}

    def variables(percent: float) -> Any:
        name = f"canary-{percent:.0f}"
        settings = overrides | {"percentTraffic": percent}
        variables = {"release": "stable", "other": "same"}
        client.create_stage(
            restApiId=api.id, stageName=name, deploymentId=deployment, variables=variables, canarySettings=settings
        )
        return api.call(f"/{name}/a").json["stageVariables"]

    assert variables(100) == {"release": "canary", "other": "same"}
    assert variables(0) == {"release": "stable", "other": "same"}


def test_the_response_names_neither_the_emulator_nor_s3(api: Api) -> None:
    response = api.repeat({})

    assert not response.values("Server")
    assert not response.values("x-amz-request-id")
    assert len(response.values("Date")) == len(response.values("x-amzn-RequestId")) == 1
    assert response.values("X-Amzn-Trace-Id")[0].startswith("Root=1-")


@pytest.mark.parametrize(
    ("module", "gap"),
    [
        ("lambda_integration", lambda api: api.call("/v1/custom?n=fail", headers=PLAIN).status != 502),
        ("lambda_permission", lambda api: api.call("/v1/without").status == 200),
        ("proxy_event", lambda api: api.event("/devices/pump%201")["pathParameters"] == {"device_id": "pump 1"}),
        ("proxy_event", lambda api: "tEsT" not in api.event("/a", ("tEsT", "x"))["headers"]),
        ("proxy_response", lambda api: api.repeat({"statusCode": 200, "status": 1}).status == 200),
        ("proxy_response", lambda api: not api.repeat({"statusCode": 200}).values("x-amz-apigw-id")),
    ],
)
def test_the_gap_is_still_there_in_the_bare_emulator(module: str, gap: Callable[[Api], bool], bare_api: Api) -> None:
    assert gap(bare_api), f"the emulator no longer needs localaws/apigateway/{module}.py"
