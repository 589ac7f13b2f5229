"""What CloudFormation would be given: cfn-lint and the SAM transform find nothing wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template that `chalice package` writes; its code is not looked at here."""
    folder = tmp_path_factory.mktemp("package")
    subprocess.run(
        [Path(sys.executable).with_name("chalice"), "package", "--merge-template", "merge.yaml", folder],
        cwd=ROOT / "todo-app",
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
    )
    template = yaml.safe_load((folder / "sam.yaml").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    file = folder / "sam.json"
    file.write_text(json.dumps(template))
    return file


def transformed(template: dict[str, Any]) -> dict[str, Any]:
    try:
        result: dict[str, Any] = Translator({}, Parser()).translate(template, {"Stage": "dev"})
    except InvalidDocumentException as invalid:
        pytest.fail(str([cause.message for cause in invalid.causes]))
    return result


def lint(file: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--non-zero-exit-code", "error", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["todo-app/resources.yaml", "deploy/dax.yaml"])
def test_the_templates_of_what_outlives_a_deploy_are_right(name: str) -> None:
    lint(ROOT / name)


def test_the_packaged_template_is_right_before_and_after_the_transform(packaged: Path, tmp_path: Path) -> None:
    lint(packaged)
    after = tmp_path / "transformed.json"
    after.write_text(json.dumps(transformed(json.loads(packaged.read_text()))))
    lint(after)


def test_only_the_cached_reads_are_cached_and_the_caller_is_in_the_key(packaged: Path) -> None:
    api = json.loads(packaged.read_text())["Resources"]["RestAPI"]["Properties"]
    cached = [setting["ResourcePath"] for setting in api["MethodSettings"] if setting["CachingEnabled"]]

    assert cached == ["/~1cached~1todos", "/~1cached~1todos~1{todo_id}"]
    for path in cached:
        get = api["DefinitionBody"]["paths"][path.replace("/~1", "/").replace("~1", "/")]["get"]
        assert "method.request.header.Authorization" in get["x-amazon-apigateway-integration"]["cacheKeyParameters"]
