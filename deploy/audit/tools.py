"""The tools, each a function of the templates that returns what it finds. They run in an environment of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from deploy.apps import ROOT
from deploy.audit.findings import Finding
from deploy.errors import DeployError

HERE = Path(__file__).parent
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2")
"""The Regions whose resource types cfn-lint compares the templates with."""

type Templates = Mapping[str, Path]


class ToolFailed(DeployError):
    """A tool could not be installed or did not do its work; the message is what it printed."""


class Tools:
    """The environment of the tools, in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def install(self) -> None:
        """Install the packages of requirements.txt, unless they are there. Raises ToolFailed."""
        wanted, done = (HERE / "requirements.txt").read_text(), self._folder / "requirements.txt"
        if done.exists() and done.read_text() == wanted:
            return
        print(f"Installing the packages of deploy/audit/requirements.txt into {self._folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", self._folder], check=True)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        self._run("pip", "install", *options, "-r", str(HERE / "requirements.txt"))
        done.write_text(wanted)

    def cfn_lint(self, templates: Templates) -> Iterator[Finding]:
        """Yield the errors and warnings of cfn-lint, with its experimental rules, in five Regions."""
        # Exit codes: 2 with errors, 4 with warnings, 8 with informational messages, and their sums.
        options = ["--format", "json", "--include-experimental", "--regions", *REGIONS, "--"]
        names = {str(file): name for name, file in templates.items()}
        for match in json.loads(self._run("cfn-lint", *options, *names, codes=range(16))):
            path = match["Location"].get("Path") or []
            resource = f" {path[1]}" if len(path) > 1 and path[0] == "Resources" else ""
            yield Finding("cfn-lint", match["Rule"]["Id"], names[match["Filename"]] + resource, match["Message"])

    def checkov(self, templates: Templates) -> Iterator[Finding]:
        """Yield the checks of checkov that fail."""
        files = [option for file in templates.values() for option in ("--file", str(file))]
        options = ["--framework", "cloudformation", "--output", "json", "--compact", "--quiet", "--soft-fail"]
        report = json.loads(self._run("checkov", *options, "--skip-download", *files))
        names = {file.name: name for name, file in templates.items()}
        for part in report if isinstance(report, list) else [report]:
            for check in part.get("results", {}).get("failed_checks", []):
                resource = check["resource"].rpartition(".")[2]
                place = f"{names[Path(check['file_path']).name]} {resource}"
                yield Finding("checkov", check["check_id"], place, check["check_name"])
            for file in part.get("results", {}).get("parsing_errors", []):
                yield Finding("checkov", "parsing", names[Path(file).name], "the template cannot be parsed")

    def moto(self, templates: Templates) -> Iterator[Finding]:
        """Yield the templates whose stack the CloudFormation of moto cannot create from the types that it knows."""
        names = {str(file): name for name, file in templates.items()}
        for line in self._run("python", str(HERE / "moto_stacks.py"), *names).splitlines():
            failure: dict[str, str] = json.loads(line)
            yield Finding("moto", failure["error"], names[failure["file"]], failure["message"])

    def workflows(self, files: Sequence[Path]) -> Iterator[Finding]:
        """Yield what is wrong with workflows of GitHub Actions: by their schema, and by zizmor's rules on security."""
        for file in files:
            place = str(file.relative_to(ROOT))
            options = ["--builtin-schema", "vendor.github-workflows", "--output-format", "json"]
            checked = json.loads(self._run("check-jsonschema", *options, str(file), codes=(0, 1)))
            for error in checked.get("errors", []):
                yield Finding("check-jsonschema", "schema", place, f"{error['path']}: {error['message']}")
            options = ["--offline", "--persona", "pedantic", "--format", "json", "--no-exit-codes"]
            for each in json.loads(self._run("zizmor", *options, str(file))):
                yield Finding("zizmor", each["ident"], place, each["desc"])

    def _run(self, command: str, *arguments: str, codes: Sequence[int] = (0,)) -> str:
        """Run a command of the environment and return its output. Raises ToolFailed for another exit code."""
        done = subprocess.run([self._folder / "bin" / command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode not in codes:
            raise ToolFailed(f"{command} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout


def transformed(templates: Templates, folder: Path) -> tuple[dict[str, Path], list[Finding]]:
    """Return the templates with those of the apps as SAM transforms them, and what SAM objects to."""
    plain, findings = dict(templates), []
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGIONS[0]))
    for name, file in templates.items():
        if not name.endswith("/app"):
            continue
        try:
            template: dict[str, Any] = translator.translate(json.loads(file.read_text()), {"Stage": "dev"})
        except InvalidDocumentException as invalid:
            findings += [Finding("SAM", "transform", name, str(cause.message)) for cause in invalid.causes]
            continue
        plain[name] = folder / f"{name.replace('/', '-')}-transformed.json"
        plain[name].write_text(json.dumps(template, indent=1))
    return plain, findings
