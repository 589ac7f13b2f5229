"""The resources of a stage, from parsed templates: intrinsic functions, conditions, and Chalice's functions."""

from __future__ import annotations

from typing import Any

import pytest

from deploy import apps, order, planned

VALUES = {"Stage": "dev", "AWS::Region": "eu-west-1", "Zones": ["a", "b"], "Empty": ""}
TEMPLATE = {
    "Conditions": {"IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]}, "IsProd": {"Fn::Not": [{"Condition": "IsDev"}]}},
    "Mappings": {"Sizes": {"dev": {"Memory": 256}}},
}


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "Table"}, "${Table}"),
        ({"Fn::Sub": "x-${Stage}-${AWS::Region}-${!literal}-${Table.Arn}"}, "x-dev-eu-west-1-${literal}-${Table.Arn}"),
        ({"Fn::Sub": ["${A}-${Stage}", {"A": {"Ref": "Stage"}}]}, "dev-dev"),
        ({"Fn::If": ["IsDev", 1, 2]}, 1),
        ({"A": {"Fn::If": ["IsProd", 1, {"Ref": "AWS::NoValue"}]}, "B": 2}, {"B": 2}),
        ([{"Fn::If": ["IsProd", 1, {"Ref": "AWS::NoValue"}]}, 2], [2]),
        ({"Fn::Join": ["_", ["a", {"Ref": "Stage"}]]}, "a_dev"),
        ({"Fn::Split": ["-", "a-b"]}, ["a", "b"]),
        ({"Fn::Select": [1, {"Ref": "Zones"}]}, "b"),
        ({"Fn::Select": [2, {"Fn::GetAZs": ""}]}, "zone-2"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Memory"]}, 256),
        ({"Fn::And": [{"Condition": "IsDev"}, {"Fn::Equals": [{"Ref": "Empty"}, ""]}]}, True),
        ({"Fn::Or": [{"Condition": "IsProd"}, {"Condition": "IsProd"}]}, False),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "${Table.Arn}"),
        ({"Fn::ImportValue": {"Fn::Sub": "${Stage}-x"}}, "${dev-x}"),
    ],
)
def test_a_function_is_evaluated(node: Any, value: Any) -> None:
    assert planned.Evaluation(TEMPLATE, VALUES)(node) == value


def test_a_release_keeps_the_parameters_that_are_not_passed_again() -> None:
    def deployed(stack: str) -> dict[str, str]:
        return {"SiteUrl": "https://kept.test", "Sender": "kept@x.test"} if stack == "blog-app-qa-resources" else {}

    resources = next(iter(planned.stacks("qa", ["blog-app"], {"Sender": "new@x.test"}, deployed)))

    assert (resources.values["SiteUrl"], resources.values["Sender"]) == ("https://kept.test", "new@x.test")
    assert (resources.values["Stage"], resources.values["WebOrigins"]) == ("qa", ["*"])


@pytest.mark.parametrize("given", [{}, {"Dax": "true"}])
def test_every_stack_of_a_release_is_planned_and_its_names_are_known(given: dict[str, str]) -> None:
    stacks = planned.stacks("qa", order.names(), given, pseudo={"AWS::AccountId": "1"})

    expected = {
        apps.stack(app, "qa", step)
        for app in apps.names()
        for step in order.steps(app)
        if step in order.STACKS and (step != "dax" or given)
    }
    assert {stack.name for stack in stacks} == expected | {"updates-qa"}
    buckets = [each for stack in stacks for each in stack.resources() if each.type == "AWS::S3::Bucket"]
    assert buckets
    assert all("${" not in bucket.properties["BucketName"] for bucket in buckets if "BucketName" in bucket.properties)


def test_the_functions_of_an_app_have_the_settings_of_chalice() -> None:
    stack = next(each for each in planned.stacks("dev", ["blog-app"]) if each.name == "blog-app-dev")
    found = {each.logical_id: each for each in stack.resources()}

    assert found["MakeThumbnails"].type == "AWS::Serverless::Function"
    assert found["MakeThumbnails"].properties["Timeout"] == 120
    assert found["APIHandler"].properties["Environment"]["Variables"]["STAGE"] == "dev"
    assert found["RestAPI"].type == "AWS::Serverless::Api"
    assert found["MakeThumbnailsRole"].type == "AWS::IAM::Role"


@pytest.mark.parametrize(("given", "kept"), [({"HomeRegion": "us-east-1"}, {}), ({}, {"HomeRegion": "us-east-1"})])
def test_a_second_region_has_neither_the_edge_nor_the_tables(given: dict[str, str], kept: dict[str, str]) -> None:
    made = planned.stacks("qa", ["blog-app", "video-app"], given, lambda stack: kept if "blog" in stack else {})

    assert [stack.name for stack in made if stack.app == "blog-app"] == ["blog-app-qa-resources", "blog-app-qa"]
    types = {resource.type for stack in made if stack.app == "blog-app" for resource in stack.resources()}
    assert "AWS::DynamoDB::GlobalTable" not in types
    assert "video-app-qa-edge" in {stack.name for stack in made}
