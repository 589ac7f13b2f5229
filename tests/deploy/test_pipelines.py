"""The pipelines: no stored keys, each stage's role for its stage only, and templates without errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file

from deploy import apps, order, planned, stacks
from deploy.pipelines import codepipeline

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
ROLE = ROOT / "deploy" / "pipelines" / "github.yaml"


@pytest.fixture(scope="module")
def workflow() -> Any:
    return yaml.safe_load(WORKFLOW.read_text())


def commands(job: Any) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_a_change_is_tested_released_verified_and_promoted(workflow: Any) -> None:
    jobs = workflow["jobs"]

    assert "make test" in commands(jobs["test"])
    assert [jobs["dev"]["needs"], jobs["prod"]["needs"]] == ["test", "dev"]
    for stage in ("dev", "prod"):
        assert jobs[stage]["environment"] == jobs[stage]["env"]["STAGE"] == stage
        steps = re.findall(r"make (\w+)", commands(jobs[stage]))
        assert steps == ["preflight", "release", "verify"]


def test_there_is_no_stored_key_and_no_more_permissions_than_needed(workflow: Any) -> None:
    assert "secrets." not in WORKFLOW.read_text()
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["test"]["permissions"] == {"contents": "read"}
    for stage in ("dev", "prod"):
        assert workflow["jobs"][stage]["permissions"] == {"contents": "read", "id-token": "write"}


def test_every_action_is_pinned_to_a_commit(workflow: Any) -> None:
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]

    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []


def test_every_make_target_of_the_pipelines_exists(workflow: Any) -> None:
    targets = re.findall(r"^([\w./-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = "\n".join([*(commands(job) for job in workflow["jobs"].values()), (ROOT / "buildspec.yml").read_text()])

    assert {target for target in re.findall(r"\bmake ([\w./-]+)", text) if target not in targets} == set()


def test_only_jobs_in_the_environment_of_the_stage_may_assume_its_role() -> None:
    role = stacks.read(ROLE.read_text())["Resources"]["Release"]["Properties"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]

    claims = statement["Condition"]["StringEquals"]
    assert claims["token.actions.githubusercontent.com:sub"] == {"Fn::Sub": "repo:${Repository}:environment:${Stage}"}
    assert claims["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"


def test_the_role_allows_nothing_of_another_stage_where_names_tell_the_stage() -> None:
    names = stacks.read(ROLE.read_text())["Resources"]["Names"]["Properties"]["PolicyDocument"]["Statement"]

    for statement in names:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        texts = [resource["Fn::Sub"] for resource in resources]
        shared = [text for text in texts if "${Stage}" not in text]
        assert all("chalice-suite-artifacts" in text or "transform/" in text for text in shared), shared
        assert statement["Action"] != "*"


@pytest.mark.parametrize("app", apps.names())
def test_the_template_of_codepipeline_has_no_error(app: str, tmp_path: Path) -> None:
    template = codepipeline.template(app)
    file = tmp_path / "codepipeline.json"
    file.write_text(json.dumps(template))

    assert [str(match) for match in lint_file(file) if match.rule.severity == "error"] == []
    statements = template["Resources"]["CodeBuildPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert all(statement["Resource"] != "arn:*:s3:::*" for statement in statements)
    actions = [
        action for stage in template["Resources"]["AppPipeline"]["Properties"]["Stages"] for action in stage["Actions"]
    ]
    deploys = [each["Configuration"]["StackName"] for each in actions if "StackName" in each["Configuration"]]
    assert deploys == [{"Fn::Sub": "${ApplicationName}-${Stage}"}] * 2


def test_the_template_of_the_role_has_no_error_and_no_warning() -> None:
    assert [str(match) for match in lint_file(ROLE)] == []


def test_each_policy_of_the_role_fits_into_the_quota_of_iam() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: 6,144 characters without spaces."""
    values = {"Stage": "a" * 11, "AWS::AccountId": "0" * 12, "AWS::Region": "ap-southeast-1", "Repository": "o/r"}
    stack = planned.Stack("github", "github", stacks.read(ROLE.read_text()), {**planned.PSEUDO, **values})
    policies = [each for each in stack.resources() if each.type == "AWS::IAM::ManagedPolicy"]

    sizes = {
        each.logical_id: len(re.sub(r"\s", "", json.dumps(each.properties["PolicyDocument"]))) for each in policies
    }
    assert len(sizes) == 2
    assert all(size <= 6_144 for size in sizes.values()), sizes


def test_the_role_reads_no_data_of_another_stage() -> None:
    statements = stacks.read(ROLE.read_text())["Resources"]["Ids"]["Properties"]["PolicyDocument"]["Statement"]
    (denied,) = [statement for statement in statements if statement["Effect"] == "Deny"]

    assert {"dynamodb:Query", "dynamodb:Scan", "s3:GetObject"} <= set(denied["Action"])
    left = [resource["Fn::Sub"] for resource in denied["NotResource"]]
    assert all("${Stage}" in text or "chalice-suite-artifacts" in text for text in left)


PREFIXES = {
    "Cognito": "cognito-idp",
    "EFS": "elasticfilesystem",
    "ElasticLoadBalancingV2": "elasticloadbalancing",
    "KinesisFirehose": "firehose",
    "Serverless": "lambda",
}
"""The prefixes of actions that differ from the second part of CloudFormation's types in lower case."""


def test_the_role_may_make_every_kind_of_resource_that_a_stage_has() -> None:
    resources = stacks.read(ROLE.read_text())["Resources"]
    statements = [
        statement
        for name in ("Names", "Ids")
        for statement in resources[name]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    actions = [
        action
        for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    ]
    given = {"Dax": "true", "Sender": "a@example.com", "ReceiptSender": "a@example.com"}
    types = {each.type for stack in planned.stacks("prod", order.names(), given) for each in stack.resources()}
    services = {kind.split("::")[1] for kind in types}

    prefixes = {PREFIXES.get(service, service.lower()) for service in services}
    assert prefixes - {action.partition(":")[0] for action in actions} == set()
