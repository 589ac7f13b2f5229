"""`python -m deploy.pipelines.codepipeline APP`: print a template of CodePipeline, made by Chalice's own generator.

Chalice's template packages the app from CodeCommit and deploys it by CloudFormation. It is changed where this suite
needs more, or less: the stage is a parameter, and the build is that of `buildspec.yml` at the root of the repository,
which may read the outputs of the stage's resources, and use no bucket but the two of the pipeline.
https://aws.github.io/chalice/topics/cd.html
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from chalice.pipeline import CreatePipelineTemplateV2, PipelineParameters

from deploy import apps

PYTHON = "python3.13"
IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"


def template(app: str) -> dict[str, Any]:
    """Return the template of the app's pipeline."""
    given = PipelineParameters(app, PYTHON, codebuild_image=IMAGE, code_source="codecommit", pipeline_version="v2")
    made: dict[str, Any] = CreatePipelineTemplateV2().create_template(given)
    made["Parameters"]["Stage"] = {"Type": "String", "Default": "beta", "Description": "The stage to deploy to."}
    resources = made["Resources"]
    project = resources["AppPackageBuild"]["Properties"]
    project["Source"].pop("BuildSpec", None)  # buildspec.yml of the repository
    variables = {"APP": {"Ref": "ApplicationName"}, "STAGE": {"Ref": "Stage"}}
    project["Environment"]["EnvironmentVariables"] += [{"Name": name, "Value": variables[name]} for name in variables]
    _limit_build(resources["CodeBuildPolicy"]["Properties"]["PolicyDocument"]["Statement"])
    for stage in resources["AppPipeline"]["Properties"]["Stages"]:
        for action in stage["Actions"]:
            configuration = action["Configuration"]
            if "StackName" in configuration:
                configuration["StackName"] = {"Fn::Sub": "${ApplicationName}-${Stage}"}
            if configuration.get("ActionMode") == "CHANGE_SET_REPLACE":
                configuration["ParameterOverrides"] = {"Fn::Sub": '{"Stage": "${Stage}"}'}
                configuration["Capabilities"] = "CAPABILITY_IAM,CAPABILITY_AUTO_EXPAND"
            if configuration.get("BranchName"):
                configuration["BranchName"] = "main"
    return made


def _limit_build(statements: list[dict[str, Any]]) -> None:
    """Let the build use the two buckets of the pipeline only, and read the outputs of the stage's resources."""
    buckets = [{"Fn::Sub": f"${{{name}.Arn}}/*"} for name in ("ApplicationBucket", "ArtifactBucketStore")]
    for statement in statements:
        if any(action.startswith("s3:") for action in statement["Action"]):
            statement["Resource"] = buckets
    account = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}"
    stack = {"Fn::Sub": f"{account}:stack/${{ApplicationName}}-${{Stage}}-resources/*"}
    statements.append({"Effect": "Allow", "Action": ["cloudformation:DescribeStacks"], "Resource": stack})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m deploy.pipelines.codepipeline")
    parser.add_argument("app", choices=apps.names())
    json.dump(template(parser.parse_args().app), sys.stdout, indent=2)
    print()
