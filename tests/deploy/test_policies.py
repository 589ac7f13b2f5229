"""Each role and person of a stage reaches the resources of this stage only: every statement of every policy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from deploy import apps, planned, policies, stacks
from deploy.errors import UnknownPlace
from localaws.iam.authorization_reference import exists, has_resources

ROOT = Path(__file__).parent.parent.parent
APPS = apps.names()
TEMPLATES = sorted(str(file.relative_to(ROOT)) for file in ROOT.glob("*/*.yaml"))
FILES = sorted(str(file.relative_to(ROOT)) for file in ROOT.glob("*/.chalice/policies/*.json"))

SHARED = {
    "glue": "the catalog of the account, which every Glue call needs",
    "iot": "the things of the account have unique names, and a client has the name of its thing",
}
"""Services with resources that have no stage, and the reason."""

NO_STAGE = re.compile(r"(glue:.*:(catalog|database/default)|iot:.*:client/\$.*ThingName\})$")
"""The resources of `SHARED`."""

KINDS = {"AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IoT::Policy"}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(document: Any) -> Iterator[dict[str, Any]]:
    """Every statement of every policy document in a document, with an action and a resource."""
    if isinstance(document, dict):
        if "Effect" in document and "Resource" in document:
            yield document
        for value in document.values():
            yield from statements(value)
    elif isinstance(document, list):
        for value in document:
            yield from statements(value)


def arns(resource: Any) -> Iterator[Any]:
    """Every ARN of a Resource: a text with its places, or the name of what a Ref or GetAtt refers to as a place."""
    for value in as_list(resource):
        if isinstance(value, str):
            yield value
        elif "Fn::If" in value:
            yield from (arn for branch in value["Fn::If"][1:] for arn in arns(branch))
        elif "Fn::Sub" in value:
            yield "".join(map(str, as_list(value["Fn::Sub"])))
        elif "Ref" in value or "Fn::GetAtt" in value:
            yield f"${{{value.get('Ref') or '.'.join(as_list(value['Fn::GetAtt']))}}}"


def names_the_stage(arn: str, places: set[str]) -> bool:
    """Whether an ARN has the stage, or a value that only the stage has: an output, a resource or a parameter."""
    used = {place.partition(".")[0] for place in re.findall(r"\$\{([\w:.-]+)\}", arn)}
    return bool(used & (places | {"Stage"})) or bool(NO_STAGE.search(arn))


TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html"""


def sends(statement: dict[str, Any]) -> bool:
    """Whether the statement is about mails. SES may authorize the address, its domain and the recipient."""
    return bool(statement["Action"] == "ses:SendEmail")


def only_for_all(statement: dict[str, Any]) -> bool:
    """Whether IAM cannot limit any action of the statement to resources."""
    actions = as_list(statement["Action"])
    return all(action in TRACES or (exists(action) and not has_resources(action)) for action in actions)


@pytest.mark.parametrize("name", FILES)
def test_the_policy_of_a_function_names_the_stage(name: str) -> None:
    app = name.partition("/")[0]
    values = set(stacks.read((ROOT / app / "resources.yaml").read_text())["Outputs"]) | set(APPS)

    for statement in statements(json.loads((ROOT / name).read_text())):
        for arn in [] if sends(statement) else arns(statement["Resource"]):
            assert (arn == "*" and only_for_all(statement)) or names_the_stage(arn, values), (statement["Sid"], arn)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_policies_of_a_template_name_the_stage(name: str) -> None:
    template = stacks.read((ROOT / name).read_text())
    own = set(template.get("Resources", {})) | set(template.get("Parameters", {}))

    for logical, resource in template.get("Resources", {}).items():
        if resource.get("Type") not in KINDS:
            continue
        for statement in statements(resource):
            for arn in arns(statement["Resource"]):
                assert (arn == "*" and only_for_all(statement)) or names_the_stage(arn, own), (logical, arn)


@pytest.mark.parametrize("given", [{}, {"DeviceTopics": "field"}])
def test_a_rule_reads_what_devices_of_its_stage_may_publish_and_nothing_else(given: dict[str, str]) -> None:
    topics = {}
    for stage in ("dev", "prod"):
        for stack in planned.stacks(stage, ["pipeline-app"], {"Sender": "a@b.test"} | given):
            for resource in stack.resources():
                if resource.type == "AWS::IoT::TopicRule":
                    sql = resource.properties["TopicRulePayload"]["Sql"]
                    topics[stage] = re.findall(r"FROM '(.+)/\+/readings'", sql)[0]
                if resource.type == "AWS::IoT::Policy":
                    allowed = resource.properties["PolicyDocument"]["Statement"][1]["Resource"]
        assert f":topic/{topics[stage]}/" in allowed

    assert (
        topics == dict.fromkeys(topics, "field") if given else topics == {"dev": "dev-devices", "prod": "prod-devices"}
    )


def test_each_stage_sends_from_its_own_address() -> None:
    found = [s for name in FILES for s in statements(json.loads((ROOT / name).read_text())) if sends(s)]

    assert len(found) == 4
    assert all(s["Condition"] == {"StringEquals": {"ses:FromAddress": "${Sender}"}} for s in found)


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_follows_the_arn_of_a_log_group(name: str) -> None:
    """It ends with `:*`: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html"""
    template = (ROOT / name).read_text()
    resources = stacks.read(template).get("Resources", {})
    groups = [logical for logical, resource in resources.items() if resource.get("Type") == "AWS::Logs::LogGroup"]

    assert not [group for group in groups if f"${{{group}.Arn}}" in template]


def test_there_are_policies_to_check() -> None:
    assert {name.partition("/")[0] for name in FILES} == set(APPS)
    assert len(FILES) >= 16


def test_no_policy_names_the_partition_aws() -> None:
    for file in (*TEMPLATES, *FILES):
        lines = (ROOT / file).read_text().splitlines()
        found = [line for line in lines if "arn:aws:" in line and "Description" not in line and not is_comment(line)]
        assert not found, file


def is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


# As written for two stages whose names resemble each other.

STAGES = ("dev", "dev2", "prod")


def written(app: str, stage: str, folder: Path) -> dict[str, Any]:
    """The policies of the app for a stage of account 111111111111, by file."""
    project = folder / app
    target = project / ".chalice" / "policies"
    target.mkdir(parents=True, exist_ok=True)
    for source in (ROOT / app / ".chalice" / "policies").glob("*.json"):
        (target / source.name).write_text(source.read_text())
    account = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "111111111111"}
    outputs = {name: f"{app}-{stage}-{name.lower()}" for name in policies.places(project) - account.keys() - {"Stage"}}
    return {file.name: json.loads(file.read_text()) for file in policies.write(project, stage, outputs | account)}


@pytest.mark.parametrize("app", APPS)
def test_no_stage_reaches_another(app: str, tmp_path: Path) -> None:
    reached = {
        stage: {
            arn
            for document in written(app, stage, tmp_path).values()
            for statement in statements(document)
            for arn in arns(statement["Resource"])
            if not only_for_all(statement) and not sends(statement) and not NO_STAGE.search(arn)
        }
        for stage in STAGES
    }
    for one in STAGES:
        for other in set(STAGES) - {one}:
            theirs = [arn.replace("*", "x").replace("?", "x") for arn in reached[other]]
            assert not [(arn, their) for arn in reached[one] for their in theirs if fnmatchcase(their, arn)]


@pytest.mark.parametrize("app", APPS)
def test_every_stage_has_the_policies_of_its_functions(app: str) -> None:
    config = json.loads((ROOT / app / ".chalice" / "config.json").read_text())
    for stage, settings in config["stages"].items():
        files = {name: each["iam_policy_file"] for name, each in settings["lambda_functions"].items()}
        assert files == {name: policies.file(config, stage, name) for name in config["lambda_functions"]}
    for name in config["lambda_functions"]:
        folder, stage, source = str(policies.file(config, "qa", name)).split("/")
        assert (folder, stage) == ("policies", "qa")
        assert (ROOT / app / ".chalice" / folder / source).exists()


def test_a_place_without_a_value_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ".chalice" / "policies"
    folder.mkdir(parents=True)
    (folder / "api-handler.json").write_text('{"Resource": "${Stage} ${Nothing}"}')

    with pytest.raises(UnknownPlace, match="dev has no Nothing"):
        policies.write(tmp_path, "dev", {})


def test_the_api_of_a_deleted_app_has_a_value_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that calls it can still be released."""
    folder = tmp_path / "orders-app" / ".chalice" / "policies"
    folder.mkdir(parents=True)
    (folder / "api-handler.json").write_text('{"Resource": "${TableArn}/${AWS::Region}/${deleted-app}/${orders-app}"}')
    monkeypatch.setattr(apps, "ROOT", tmp_path)

    assert apps.called("orders-app") == {"deleted-app"}


@pytest.mark.parametrize("app", apps.names())
def test_only_a_function_that_consumes_a_stream_may_read_one(app: str) -> None:
    project = apps.ROOT / app
    config = json.loads((project / ".chalice" / "config.json").read_text())
    decorated = r"@app\.on_(?:dynamodb|kinesis)_record\((?:[^()]|\([^()]*\))*\)\ndef (\w+)"
    consumers = set(re.findall(decorated, (project / "app.py").read_text()))

    def reads(function: str) -> bool:
        named = policies.file(config, "prod", function) or ""
        source = project / ".chalice" / named.replace("policies/prod/", "policies/")
        return "GetRecords" in source.read_text()

    assert {function for function in config["lambda_functions"] if reads(function)} == consumers
