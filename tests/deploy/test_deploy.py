"""The deployment of an app, in the emulator."""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy import __main__ as command
from deploy import account, apps, bootstrap, stacks
from localaws.testing import verify_identity

ACCOUNT = "000000000000"


@pytest.fixture
def aws(emulator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point the clients of the deployment to the emulator."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    return emulator


def test_the_bucket_for_code_is_private_and_its_owner_is_checked(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")  # which has no bucket yet
    requested: dict[str, Any] = {}
    s3 = account.client("s3")
    s3.meta.events.register(
        "before-call.s3", lambda model, params, **_: requested.update({model.name: params["headers"]})
    )

    bucket, key = stacks.upload(b"code", ".zip")

    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"code"
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4
    assert all(blocked.values())
    owners = {name: headers.get("x-amz-expected-bucket-owner") for name, headers in requested.items()}
    for name in ("HeadBucket", "PutPublicAccessBlock", "PutObject"):
        assert owners[name] == ACCOUNT, name


def test_a_step_reports_by_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Screen:
        def write(self, text: str) -> None:
            written.append(text)

    monkeypatch.setattr(sys, "stdout", Screen())

    command._report("blog-app: site")

    assert written == ["blog-app: site\n"], "lines of steps that run at the same time would mix"


def test_an_api_deployed_by_chalice_is_registered(
    aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = tmp_path / "receipts-app" / ".chalice" / "deployed" / "unit.json"
    deployed.parent.mkdir(parents=True)
    (deployed.parent.parent / "config.json").touch()
    url = "https://abc123.execute-api.us-east-1.amazonaws.com/api/"
    resources = [
        {"name": "api_handler", "resource_type": "lambda_function"},
        {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "abc123", "rest_api_url": url},
    ]
    monkeypatch.setattr(apps, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["deploy", "register", "receipts-app", "unit"])

    missing = "receipts-app has no API on unit: run `make release APP=receipts-app STAGE=unit` first"
    assert command.main() == f"register failed: {missing}"
    deployed.write_text(json.dumps({"resources": resources, "schema_version": "2.0"}))
    assert command.main() is None

    registered = boto3.client("ssm", endpoint_url=aws).get_parameter(Name="/unit/receipts-app/api")
    assert registered["Parameter"]["Value"] == f"{aws}/_aws/execute-api/abc123/api", "amazonaws.com is another AWS"
    assert "/unit/receipts-app/api" in capsys.readouterr().out


def test_one_stage_has_an_app_in_one_way_only(
    aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both sets of functions would consume the same streams and queues."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["deploy", *arguments])
        return str(command.main())

    functions, iam = boto3.client("lambda", endpoint_url=aws), boto3.client("iam", endpoint_url=aws)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="of-chalice", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"][
        "Arn"
    ]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as zipped:
        zipped.writestr("app.py", "")
    functions.create_function(
        FunctionName="receipts-app-qa",
        Runtime="python3.13",
        Role=role,
        Handler="app.app",
        Code={"ZipFile": code.getvalue()},
    )
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    stacks.deploy("receipts-app-ready", json.dumps(template), {})

    refused = run("release", "receipts-app", "qa")
    assert "cd receipts-app && chalice delete --stage qa" in refused
    other = run("deploy", "receipts-app", "ready")
    assert "make release APP=receipts-app STAGE=ready" in other
    for line in (refused, other):
        assert line.count("\n") == 0
    assert "receipts-app-qa-resources" not in stacks.existing()
    assert "receipts-app-ready-resources" not in stacks.existing()


def test_a_wrong_parameter_ends_in_one_line_after_the_line_that_says_where(
    aws: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(parameter: str) -> str:
        monkeypatch.setattr(sys, "argv", ["deploy", "release", "receipts-app", "qa", parameter])
        return str(command.main())

    for parameter in ("Nonsense=1", "Stage=prod"):
        refused = run(parameter)
        assert f"no template of receipts-app has a parameter {parameter.partition('=')[0]}. " in refused
        assert "ReceiptSender" in refused
        assert "\n" not in refused
        assert capsys.readouterr().out == f"account {ACCOUNT}, us-east-1, {aws}\n"
    with pytest.raises(SystemExit):
        run("Nonsense")
    assert capsys.readouterr().err == "release failed: argument NAME=VALUE: 'Nonsense' is not NAME=VALUE\n"


PEOPLE = """
Parameters: {Stage: {Type: String}, ApiId: {Type: String, Default: none}}
Resources:
  OperatorPolicy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Action: execute-api:Invoke
            Resource: !Sub arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${ApiId}/api/GET/x
Outputs: {Policy: {Value: !Ref OperatorPolicy}}
"""


def test_the_people_of_a_stage_may_call_its_own_api_once_it_is_registered(
    aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = tmp_path / "people-app" / ".chalice" / "deployed" / "unit.json"
    deployed.parent.mkdir(parents=True)
    (tmp_path / "people-app" / "chalicelib").mkdir()
    (tmp_path / "people-app" / "resources.yaml").write_text(PEOPLE)
    monkeypatch.setattr(apps, "ROOT", tmp_path)
    policy = apps.deploy_resources("people-app", "unit")["policy"]
    iam = boto3.client("iam")

    def callable_apis() -> Any:
        version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        document: Any = iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
        return document["Statement"][0]["Resource"]

    assert callable_apis() == f"arn:aws:execute-api:us-east-1:{ACCOUNT}:none/api/GET/x"
    for api in ("abc123", "def456"):  # another API takes the place of the first
        url = f"https://{api}.execute-api.us-east-1.amazonaws.com/api/"
        resources = [{"name": "rest_api", "resource_type": "rest_api", "rest_api_url": url}]
        deployed.write_text(json.dumps({"resources": resources}))
        apps.register("people-app", "unit")
        assert callable_apis() == f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/api/GET/x"
    apps.deploy_resources("people-app", "unit")
    assert callable_apis() == f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/api/GET/x", "a later release keeps it"


SENDING = """
Parameters: {Stage: {Type: String}, Sender: {Type: String, Default: ''}, SenderIdentity: {Type: String, Default: ''}}
Conditions: {OwnIdentity: !And [!Equals [!Ref SenderIdentity, ''], !Not [!Equals [!Ref Sender, '']]]}
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Identity: {Type: AWS::SES::EmailIdentity, Condition: OwnIdentity, Properties: {EmailIdentity: !Ref Sender}}
Outputs: {Own: {Value: !If [OwnIdentity, 'yes', 'no']}}
"""


def test_a_sender_whose_identity_is_there_does_not_fail_the_stack(
    aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for app in ("first-app", "second-app"):
        (tmp_path / app / "chalicelib").mkdir(parents=True)
        (tmp_path / app / "resources.yaml").write_text(SENDING)
    monkeypatch.setattr(apps, "ROOT", tmp_path)
    ses = boto3.client("sesv2")
    ses.create_email_identity(EmailIdentity="there@sender.test")
    ses.create_email_identity(EmailIdentity="pending.test")
    verify_identity(aws, "verified.test")

    def makes_identity(app: str, stage: str, sender: str) -> bool:
        outputs = [apps.deploy_resources(app, stage, Sender=sender) for _ in range(2)]
        assert outputs[0] == outputs[1], "an update keeps it"
        return outputs[0]["own"] == "yes"

    assert makes_identity("first-app", "a", "new@sender.test")
    assert not makes_identity("first-app", "b", "there@sender.test")
    assert not makes_identity("first-app", "c", "x@verified.test")
    assert makes_identity("first-app", "d", "x@pending.test")
    assert not makes_identity("second-app", "a", "new@sender.test"), "of another app"
    assert apps.deploy_resources("second-app", "e")["own"] == "no"
    assert not makes_identity("second-app", "e", "there@sender.test"), "a stage that had no sender"


def test_one_stack_makes_the_identity_of_each_sender_of_a_release(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release of all apps gives each app the parameters of all."""
    monkeypatch.setattr(apps, "_senders", {})
    given = {"Sender": "hello@shop.example", "ReceiptSender": "paid@shop.example"}

    there = [apps._sender_identity(app, "unit", given) for app in ("receipts-app", "blog-app", "pipeline-app")]

    assert there == [{}, {}, {"SenderIdentity": "hello@shop.example"}]


@pytest.fixture
def copied(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """receipts-app in a copy of the suite, released in the stage ``unit``."""
    for folder in ("deploy", "localaws", "dist"):
        (apps.ROOT / folder).mkdir(exist_ok=True)
        (tmp_path / folder).symlink_to(apps.ROOT / folder)
    for folder in ("common", "receipts-app"):
        ignored = shutil.ignore_patterns("deployed", "deployments", "stages", "__pycache__")
        shutil.copytree(apps.ROOT / folder, tmp_path / folder, symlinks=True, ignore=ignored)
    monkeypatch.setattr(apps, "ROOT", tmp_path)
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path / "localaws" / "botodata"))
    bootstrap.bootstrap()
    export = {"Value": {"Ref": "Topic"}, "Export": {"Name": "video-app-unit-purchases-topic"}}
    topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"Topic": export}}
    stacks.deploy("topic-of-purchases", json.dumps(topic), {})
    apps.deploy_resources("receipts-app", "unit", Sender="receipts@shop.example")
    apps.deploy_app("receipts-app", "unit")
    return tmp_path / "receipts-app"


def test_code_is_updated_without_a_stack_and_all_else_is_left_to_a_release(copied: Path) -> None:
    functions = boto3.client("lambda")

    def code() -> dict[str, str]:
        found = stacks.resources("receipts-app-unit").values()
        names = [name for kind, name in found if kind == "AWS::Lambda::Function"]
        return {name: functions.get_function_configuration(FunctionName=name)["CodeSha256"] for name in names}

    before, source = code(), copied / "app.py"
    app = source.read_text()
    source.write_text(f"{app}\n# changed\n")
    assert len(apps.update_code("receipts-app", "unit") or []) == len(before) > 1
    updated = code()
    assert not set(updated.values()) & set(before.values())

    source.write_text(f'{app}\n@app.route("/new")\ndef new() -> str:\n    return ""\n')
    assert apps.update_code("receipts-app", "unit") is None
    source.write_text(f"{app}\ndef broken(:\n")
    line = app.count("\n") + 2
    with pytest.raises(
        apps.PackageFailed, match=f"^receipts-app: receipts-app/app.py, line {line}: SyntaxError: [^\n]+$"
    ):
        apps.update_code("receipts-app", "unit")
    assert code() == updated
