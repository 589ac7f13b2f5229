"""cfn-lint and the SAM transform find no error in any template."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from deploy import apps

ROOT = Path(__file__).parent.parent.parent
APPS = sorted(config.parent.parent.name for config in ROOT.glob("*/.chalice/config.json"))
NAMES = ("resources", "edge", "dax", "delivery", "before", "after", "quicksight", "redshift")
TEMPLATES = sorted(str(file.relative_to(ROOT)) for name in NAMES for file in ROOT.glob(f"*/{name}.yaml"))
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/x/stream/2030-01-01T00:00:00.000"
# The settings that the apps' decorators need.
SETTINGS = {
    "USER_POOL_ARN": "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_x",
    "POSTS_STREAM_ARN": STREAM,
    "SUBSCRIBERS_STREAM_ARN": STREAM,
    "PAYMENTS_STREAM_ARN": STREAM,
    "ALERTS_STREAM_ARN": STREAM,
    "MAIL_EVENTS_TOPIC": "arn:aws:sns:us-east-1:000000000000:x",
    **dict.fromkeys(("MONTH_PRICE", "YEAR_PRICE", "LINK_LIFE"), "1"),
}


@pytest.fixture(scope="module", params=APPS)
def packaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template that `chalice package` writes for each app, with a placeholder for the code."""
    folder = tmp_path_factory.mktemp("package")
    app = ROOT / request.param
    outputs = re.findall(r"^  (\w+): \{Value", (app / "resources.yaml").read_text(), re.MULTILINE)
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", output).upper() for output in outputs]
    settings = {name: SETTINGS.get(name, f"lint-{name.lower().replace('_', '-')}") for name in names}
    subprocess.run(
        [sys.executable, "-m", "deploy.packaging", "package", "--merge-template", "merge.yaml", folder],
        cwd=app,
        env=os.environ | settings | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    template = yaml.safe_load((folder / "sam.yaml").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    file = folder / f"{request.param}.json"
    file.write_text(json.dumps(template))
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
