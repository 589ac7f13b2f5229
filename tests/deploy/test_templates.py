"""cfn-lint and the SAM transform find no error in any template."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from deploy import apps, planned, stacks
from deploy.audit import templates

ROOT = Path(__file__).parent.parent.parent
APPS = sorted(config.parent.parent.name for config in ROOT.glob("*/.chalice/config.json"))
NAMES = ("resources", "edge", "dax", "delivery", "before", "after", "quicksight", "redshift")
TEMPLATES = sorted(str(file.relative_to(ROOT)) for name in NAMES for file in ROOT.glob(f"*/{name}.yaml"))


@pytest.fixture(scope="module", params=APPS)
def packaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template that `chalice package` writes for each app and a new stage, with a placeholder for the code."""
    folder = tmp_path_factory.mktemp("package")
    file = folder / f"{request.param}.json"
    file.write_text(templates.packaged(request.param, folder))
    return file


def transformed(template: dict[str, Any]) -> dict[str, Any]:
    try:
        result: dict[str, Any] = Translator({}, Parser()).translate(template, {"Stage": "dev"})
    except InvalidDocumentException as invalid:
        pytest.fail(str([cause.message for cause in invalid.causes]))
    return result


def lint(file: Path) -> None:
    errors = [match for match in lint_file(file) if match.rule.severity == "error"]
    assert not errors, "\n".join(map(str, errors))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_no_error(name: str) -> None:
    lint(ROOT / name)


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name.endswith("/edge.yaml")])
def test_no_error_page_of_a_site_replaces_an_answer_of_the_api(name: str) -> None:
    """An error page is for all origins, so the edge itself refuses what the API would refuse with that status."""
    resources = stacks.read((ROOT / name).read_text())["Resources"]
    config = resources["Distribution"]["Properties"]["DistributionConfig"]
    [api] = [each for each in config["CacheBehaviors"] if each.get("PathPattern") == "api/*"]
    pages = {each["ErrorCode"] for each in config["CustomErrorResponses"] if "ResponsePagePath" in each}
    bodies = resources["Limit"]["Properties"]["CustomResponseBodies"]

    assert not pages or "FunctionAssociations" in api
    assert pages <= {403}
    for rule in resources["Limit"]["Properties"]["Rules"]:
        limit = rule["Action"]["Block"]["CustomResponse"]
        assert limit["ResponseCode"] == 429, rule["Name"]
        body = bodies[limit["CustomResponseBodyKey"]]
        assert body["ContentType"] == "APPLICATION_JSON"
        assert set(json.loads(body["Content"])) == {"Code", "Message"}


def test_no_template_of_prod_has_a_property_that_the_local_aws_refuses(tmp_path: Path) -> None:
    files = []
    for number, name in enumerate(TEMPLATES):
        template = copy.deepcopy(stacks.read((ROOT / name).read_text()))
        template.get("Parameters", {}).get("Stage", {})["Default"] = "prod"
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(template))

    command = [sys.executable, "-m", "localaws.coverage", *map(str, files)]
    unread = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in unread if line.endswith("\trefused")] == []


def test_the_packaged_template_has_no_error_before_and_after_the_transform(packaged: Path, tmp_path: Path) -> None:
    lint(packaged)
    after = tmp_path / "transformed.json"
    after.write_text(json.dumps(transformed(json.loads(packaged.read_text()))))
    lint(after)


@pytest.mark.parametrize("packaged", ["todo-app"], indirect=True)
def test_only_cached_reads_are_cached_with_the_caller_in_the_key(packaged: Path) -> None:
    api = json.loads(packaged.read_text())["Resources"]["RestAPI"]["Properties"]
    cached = [setting["ResourcePath"] for setting in api["MethodSettings"] if setting["CachingEnabled"]]

    assert cached == ["/~1cached~1todos", "/~1cached~1todos~1{todo_id}"]
    for path in cached:
        get = api["DefinitionBody"]["paths"][path.replace("/~1", "/").replace("~1", "/")]["get"]
        assert "method.request.header.Authorization" in get["x-amazon-apigateway-integration"]["cacheKeyParameters"]


@pytest.mark.parametrize("app", APPS)
def test_a_release_makes_no_log_group_that_a_function_of_chalice_has_left(app: str) -> None:
    """Lambda makes ``/aws/lambda/<name>`` when a function first runs, and the group outlives the function."""
    functions = json.loads((ROOT / app / ".chalice" / "config.json").read_text())["lambda_functions"]
    of_chalice = {f"/aws/lambda/{app}-${{Stage}}{suffix}" for suffix in ("", *(f"-{name}" for name in functions))}

    resources = apps.template(app, "app")["Resources"].values()
    groups = [each["Properties"]["LogGroupName"] for each in resources if each.get("Type") == "AWS::Logs::LogGroup"]
    assert groups
    assert of_chalice & {group["Fn::Sub"] for group in groups} == set()


def test_the_table_of_stream_consumers_is_that_of_the_templates() -> None:
    row = re.compile(r"^\| \w+, \w+ \| (\S+) `(\w+)` \| is (split|retried)[^|]* \| (\d+) \| (\d+) s \|", re.MULTILINE)
    documented = {tuple(found) for found in row.findall((ROOT / "docs" / "events.md").read_text())}

    deployed = {
        (
            app,
            re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(),
            "split" if source.get("BisectBatchOnFunctionError") else "retried",
            str(source["MaximumRetryAttempts"]),
            str(source["MaximumRecordAgeInSeconds"]),
        )
        for app in apps.names()
        for name, resource in apps.template(app, "app")["Resources"].items()
        for event in resource["Properties"].get("Events", {}).values()
        if "MaximumRecordAgeInSeconds" in (source := event["Properties"])
    }
    assert documented == deployed
    assert len(deployed) == 5


def test_every_consumer_of_a_stream_begins_with_its_oldest_record(packaged: Path) -> None:
    template = json.loads(packaged.read_text())
    sources = [
        event["Properties"]
        for resource in template["Resources"].values()
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] in ("DynamoDB", "Kinesis")
    ]

    assert all(source["StartingPosition"] == {"Ref": "StreamStart"} for source in sources)
    assert not sources or template["Parameters"]["StreamStart"]["Default"] == "TRIM_HORIZON"


def test_chalice_deploy_begins_there_too() -> None:
    decorator = re.compile(r"on_(?:dynamodb|kinesis)_record\((.*)\)")
    found = [line for app in APPS for line in decorator.findall((ROOT / app / "app.py").read_text())]

    assert len(found) == 5
    assert all('starting_position="TRIM_HORIZON"' in line for line in found)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_what_costs_while_nobody_comes_is_off_outside_prod(stage: str) -> None:
    found: dict[str, set[Any]] = defaultdict(set)
    for each in planned.stacks(stage, apps.names(), {"Sender": "a@b.test", "ReceiptSender": "a@b.test"}):
        for resource in each.resources():
            match resource.type:
                case "AWS::Serverless::Api":
                    found["cache"].add(str(resource.properties.get("CacheClusterEnabled", False)).lower())
                    for method in resource.properties["MethodSettings"]:
                        found["metrics"].add(str(method["MetricsEnabled"]).lower())
                case "AWS::Kinesis::Stream":
                    found["mode"].add(resource.properties["StreamModeDetails"]["StreamMode"])
                case "AWS::DAX::Cluster":
                    found["dax"].add("true")
    prod = stage == "prod"
    assert found["metrics"] == {str(prod).lower()}
    assert found["cache"] == ({"false", "true"} if prod else {"false"})
    assert found["mode"] == {"ON_DEMAND" if prod else "PROVISIONED"}
    assert not found["dax"]


def test_only_an_app_with_identities_has_an_endpoint_for_them() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for stack in planned.stacks("dev", ["todo-app", "blog-app"], {"Sender": "a@b.test", "Dax": "true"}):
        for resource in stack.resources():
            if resource.type == "AWS::EC2::VPCEndpoint":
                found[resource.app].add(resource.properties["VpcEndpointType"])

    assert found == {"todo-app": {"Gateway", "Interface"}, "blog-app": {"Gateway"}}


def test_every_data_set_of_the_warehouse_is_refreshed() -> None:
    resources = stacks.read((ROOT / "pipeline-app" / "quicksight.yaml").read_text())["Resources"].values()
    ids: dict[str, set[str]] = defaultdict(set)
    for resource in resources:
        ids[resource["Type"]].add(str(resource["Properties"].get("DataSetId")))

    assert ids["AWS::QuickSight::RefreshSchedule"] == ids["AWS::QuickSight::DataSet"]


def test_redshift_reaches_s3_and_glue_from_subnets_without_endpoints() -> None:
    """https://docs.aws.amazon.com/redshift/latest/mgmt/enhanced-vpc-routing.html"""
    template = stacks.read((ROOT / "pipeline-app" / "redshift.yaml").read_text())

    assert template["Resources"]["Workgroup"]["Properties"]["EnhancedVpcRouting"] == {"Ref": "EnhancedVpcRouting"}
    assert template["Parameters"]["EnhancedVpcRouting"]["Default"] == "false"


def planned_resources(stage: str, **given: str) -> list[planned.Resource]:
    """The resources of all apps in a stage."""
    senders = {"Sender": "a@b.test", "ReceiptSender": "a@b.test"}
    found = planned.stacks(stage, apps.names(), senders | given, pseudo={"AWS::Region": "us-east-1"})
    return [resource for stack in found for resource in stack.resources()]


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_production_limits_logs_and_keeps(stage: str) -> None:
    resources, prod = planned_resources(stage), stage == "prod"
    edges = [r.properties["DistributionConfig"] for r in resources if r.type == "AWS::CloudFront::Distribution"]
    versioned = {r.logical_id for r in resources if "VersioningConfiguration" in r.properties}

    assert len(edges) == 4
    assert [bool(edge.get("WebACLId")) for edge in edges] == [prod] * 4
    assert [bool(edge.get("Logging")) for edge in edges] == [prod] * 4
    assert len([r for r in resources if r.type == "AWS::WAFv2::WebACL"]) == (4 if prod else 0)
    assert versioned == ({"Files", "Photos", "Content", "Ingestion"} if prod else set())


def test_the_limit_of_a_stage_outside_us_east_1_is_an_acl_from_there() -> None:
    acl = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/x/y"
    found = planned.stacks("prod", ["video-app"], {"WebAcl": acl}, pseudo={"AWS::Region": "eu-west-1"})
    resources = {r.type: r.properties for stack in found for r in stack.resources()}

    assert resources["AWS::CloudFront::Distribution"]["DistributionConfig"]["WebACLId"] == acl
    assert "AWS::WAFv2::WebACL" not in resources


def test_every_table_that_outlives_its_stack_can_be_restored_to_any_second() -> None:
    for app in apps.names():
        for name, table in apps.template(app, "resources")["Resources"].items():
            if table["Type"] in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable") and "DeletionPolicy" in table:
                copies = table["Properties"].get("Replicas", [table["Properties"]])
                copies = [copy["Fn::If"][1] if "Fn::If" in copy else copy for copy in copies]
                on = {"PointInTimeRecoveryEnabled": True}
                assert all(copy["PointInTimeRecoverySpecification"] == on for copy in copies), name


def test_memory_logs_and_the_executions_of_cleanse_are_parameters() -> None:
    given = {"ApiMemory": "2048", "LogDays": "400", "CleanseConcurrency": "20"}
    resources = planned_resources("prod", **given)
    functions = {r.logical_id: r.properties for r in resources if r.type == "AWS::Serverless::Function"}
    days = {str(r.properties["RetentionInDays"]) for r in resources if r.type == "AWS::Logs::LogGroup"}

    assert str(functions["APIHandler"]["MemorySize"]) == "2048"
    assert str(functions["Cleanse"]["ReservedConcurrentExecutions"]) == "20"
    assert days == {"400"}
    without = {r.logical_id: r.properties for r in planned_resources("prod") if r.type == "AWS::Serverless::Function"}
    assert not without["Cleanse"].get("ReservedConcurrentExecutions")
