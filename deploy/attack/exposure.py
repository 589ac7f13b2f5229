"""What is seen by who should not see it: another stage, secrets in logs and zips, the sandbox itself."""

from __future__ import annotations

import io
import json
import re
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from functools import cached_property

from deploy import apps, stacks, stages
from deploy.account import local_endpoint
from deploy.attack import wire
from deploy.attack.case import Attack, case
from deploy.attack.users import People
from deploy.verify.people import User, sign_in

_ACTIONS = {
    "dynamodb": ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
    "s3": ("s3:GetObject", "s3:PutObject"),
    "secretsmanager": ("secretsmanager:GetSecretValue",),
    "ssm": ("ssm:GetParameter",),
    "sqs": ("sqs:SendMessage", "sqs:ReceiveMessage"),
    "sns": ("sns:Publish",),
    "kinesis": ("kinesis:PutRecord", "kinesis:GetRecords"),
    "execute-api": ("execute-api:Invoke",),
}
_KEY = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|(?<![A-Z0-9])AKIA[A-Z0-9]{16}(?![A-Z0-9])|sk_live_\w+|whsec_\w{8,}"
)
_RECENT = 15 * 60
_EVENTS = 5_000


class Stages(Attack):
    """A function of this stage that the attacker controls, and the other stages of the account."""

    kind = "another stage"
    app = "todo-app"

    @case
    def the_data_of_another_stage(self) -> None:
        """A mistake in a stage for tests reads or deletes what users have."""
        iam, found = self.client("iam"), 0
        for role, resources in self._roles():
            for service, arns in resources.items():
                others = [other for arn in arns if (other := self._elsewhere(arn))]
                found += len(others)
                if not others:
                    continue
                answer = iam.simulate_principal_policy(
                    PolicySourceArn=role, ActionNames=list(_ACTIONS[service]), ResourceArns=others
                )
                for result in answer["EvaluationResults"]:
                    allowed = result["EvalDecision"] == "allowed"
                    self.without(allowed, f"{role}: {result['EvalActionName']} on {result.get('EvalResourceName')}")
        self.expect(found, "permissions for resources that are named by the stage", found)

    @case
    def the_users_of_another_stage(self) -> None:
        """Who can sign up in a stage for tests is a user of the real one."""
        other = next((each for each in self._stages if each != self.stage), None)
        if other is None:
            self.skip("the account has one stage only: make clone FROM=local TO=other")
        attack = type("Other", (Attack,), {"app": self.app, "kind": self.kind})(other)
        self.remove_later("users of the other stage", attack.remove)
        stranger: User = sign_in(attack, "stranger")
        self.allowed(stranger.api(attack.api()).get("/todos"))
        self.refused(stranger.api(self.api()).get("/todos"), 401)

    @cached_property
    def _stages(self) -> list[str]:
        names = self.client("cloudformation").get_paginator("list_stacks").paginate()
        living = [each for part in names for each in part["StackSummaries"] if "DELETE" not in each["StackStatus"]]
        found = (re.fullmatch(rf"{self.app}-([a-z][a-z0-9-]*)-resources", each["StackName"]) for each in living)
        return [each[1] for each in found if each]

    def _elsewhere(self, arn: str) -> str | None:
        """Return the ARN of the same resource in another stage, or None if it does not name the stage."""
        name, found = re.subn(rf"(?<![a-z0-9]){re.escape(self.stage)}(?![a-z0-9])", "elsewhere", arn)
        return name.replace("*", "x") if found else None

    def _roles(self) -> Iterator[tuple[str, dict[str, list[str]]]]:
        """Yield the roles of all functions of the stage, with the ARNs by service that their policies name."""
        iam = self.client("iam")
        for app in stages.of(self.stage):
            for kind, name in stacks.resources(apps.stack(app, self.stage, "app")).values():
                if kind != "AWS::IAM::Role":
                    continue
                arns: dict[str, list[str]] = {service: [] for service in _ACTIONS}
                for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                    for arn in set(re.findall(r"arn:aws[\w-]*:[^\"]+", json.dumps(document))):
                        service = arn.split(":")[2]
                        if service in arns:
                            arns[service].append(arn)
                yield iam.get_role(RoleName=name)["Role"]["Arn"], arns


class Secrets(People):
    """Ann has used the apps, and somebody reads the logs, or gets the zip of a function."""

    kind = "secrets"
    app = "todo-app"

    @case
    def secrets_in_the_logs(self) -> None:
        """Who may read logs acts as any user, as the owner, or as the payment provider."""
        marks = {"a token": self._ann.id_token, "an access token": self._ann.access_token, **self._secrets}
        for path in ("/todos", f"/todos/{self._todo}", "/files", "/todos?cursor=x", "/nowhere"):
            self._ann_api.get(path)
        self._ann_api.send("POST", "/todos", {"title": f"{self.name}-private", "priority": "x"})
        marks["what a user wrote"] = f"{self.name}-private"
        seen = 0
        for name in self._groups():
            for line in self._lines(name):
                seen += 1
                for what, value in marks.items():
                    self.without(value in line, f"{what} in the log of {name}")
                self.without(_KEY.search(line.encode()), f"a key in the log of {name}")
        self.expect(seen, "lines in the logs", seen)

    @case
    def secrets_in_the_zips(self) -> None:
        """Who gets the code of a function, by a backup or a build, gets its keys."""
        functions, seen = self.client("lambda"), 0
        for name in self._functions:
            place = functions.get_function(FunctionName=name)["Code"]["Location"]
            with urllib.request.urlopen(place) as answer:
                archive = zipfile.ZipFile(io.BytesIO(answer.read()))
            for file in archive.namelist():
                seen += 1
                hidden = re.search(r"(^|/)(\.env|\.git/|\.aws/|\.sandbox/|id_rsa|credentials$|.*\.pem$)", file)
                ours = not file.endswith("cacert.pem")
                self.without(hidden and ours, f"{file} in the zip of {name}")
                if re.search(r"\.(py|json|yaml|toml|txt|cfg|ini)$", file) and "/botocore/data/" not in f"/{file}":
                    content = archive.read(file)
                    for what, value in self._secrets.items():
                        self.without(value.encode() in content, f"{what} in {file} of {name}")
                    self.without(_is_key(file, content), f"a key in {file} of {name}")
        self.expect(seen, "files in the zips", seen)

    @case
    def secrets_in_the_settings_of_functions(self) -> None:
        """Who may list functions, as every auditor may, gets their keys."""
        functions = self.client("lambda")
        for name in self._functions:
            settings = json.dumps(functions.get_function_configuration(FunctionName=name).get("Environment", {}))
            for what, value in self._secrets.items():
                self.without(value in settings, f"{what} in the environment of {name}")
            self.without(_KEY.search(settings.encode()), f"a key in the environment of {name}")

    @cached_property
    def _functions(self) -> list[str]:
        return [
            name
            for app in stages.of(self.stage)
            for kind, name in stacks.resources(apps.stack(app, self.stage, "app")).values()
            if kind in ("AWS::Lambda::Function", "AWS::Serverless::Function")
        ]

    @cached_property
    def _secrets(self) -> dict[str, str]:
        """The values in the secrets of the stage, by where they are."""
        found: dict[str, str] = {}
        manager = self.client("secretsmanager")
        for part in manager.get_paginator("list_secrets").paginate():
            for secret in part["SecretList"]:
                if f"-{self.stage}-" in f"{secret['Name']}-":
                    text = manager.get_secret_value(SecretId=secret["Name"])["SecretString"]
                    values = json.loads(text) if text.startswith("{") else {"": text}
                    found |= {f"{secret['Name']} {key}": str(value) for key, value in values.items()}
        return {what: value for what, value in found.items() if len(value) > 15 and not what.endswith("key_id")}

    def _groups(self) -> list[str]:
        """The log groups of the stage's functions, which those of an app share."""
        groups = self.client("logs").get_paginator("describe_log_groups")
        prefixes = [f"/aws/lambda/{app}-{self.stage}" for app in stages.of(self.stage)]
        return [
            group["logGroupName"]
            for prefix in prefixes
            for part in groups.paginate(logGroupNamePrefix=prefix)
            for group in part["logGroups"]
            if f"{group['logGroupName']}-".startswith(f"{prefix}-")
        ]

    def _lines(self, group: str) -> Iterator[str]:
        count, since = 0, int((time.time() - _RECENT) * 1000)
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
        for part in pages:
            for event in part["events"]:
                count += 1
                yield event["message"]
            if count > _EVENTS:
                return


def _is_key(file: str, content: bytes) -> bool:
    """Return whether a file of ours has a key. Packages have names of keys in their tests and examples."""
    ours = file.startswith(("chalicelib/", "common/", "app.py")) or "/" not in file
    return bool(ours and _KEY.search(content) and not file.endswith("cloudfront.py"))


class Origins(Attack):
    """A developer opens the attacker's page while the sandbox runs."""

    kind = "pages of other sites"
    app = "todo-app"

    @case
    def a_request_of_another_sites_page(self) -> None:
        """Every page that a developer opens reads and changes the local AWS, and runs code as the developer."""
        for target in self._targets():
            for headers in (
                ("Origin: https://attacker.example",),
                ("Origin: https://attacker.example", "Sec-Fetch-Site: cross-site"),
                ("Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"),
                ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"),
                (f"Origin: http://{wire.host(self._endpoint)}.attacker.example",),
                ("Origin: http://localhost:1", "Sec-Fetch-Site: same-site"),
            ):
                for method in ("GET", "POST"):
                    self.refused(wire.ask(self._endpoint, target, *headers, method=method), 403)

    @case
    def a_name_that_leads_to_this_machine(self) -> None:
        """The attacker's page reads the local AWS under its own name (DNS rebinding)."""
        port = wire.host(self._endpoint).rpartition(":")[2]
        for name in ("attacker.example", f"127.0.0.1.attacker.example:{port}", f"evil.test:{port}", "169.254.169.254"):
            for target in self._targets():
                request = f"GET {target} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
                self.refused(wire.answers(self._endpoint, request, 1)[0], 403)

    @case
    def a_control_call_without_the_root_key(self) -> None:
        """Every program of another user of the machine turns the clock and reads the journal."""
        for call in ("clock?turn=1", "origins?add=https://attacker.example", "changes", "journal"):
            for method in ("GET", "POST"):
                answer = wire.ask(self._endpoint, f"/_localaws/{call}", method=method)
                self.refused(answer, 401, 403, 404, 405)

    @case
    def a_call_to_AWS_without_a_signature(self) -> None:
        """Every program on the machine reads the data of the local AWS."""
        for service, target in (
            ("dynamodb", "DynamoDB_20120810.ListTables"),
            ("secretsmanager", "secretsmanager.ListSecrets"),
            ("kinesis", "Kinesis_20131202.ListStreams"),
        ):
            headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
            answer = self.http.send("POST", f"{self._endpoint}/", b"{}", headers)
            self.refused(answer, 400, 403)
            self.without(b"Names" in answer.body or b"List" in answer.body, f"{service}: {answer}")

    @cached_property
    def _endpoint(self) -> str:
        self.need_local("AWS has no pages on the developer's machine")
        endpoint = local_endpoint()
        assert endpoint
        self.allowed(wire.ask(endpoint, "/_localaws/clock"), 200, 401, 403)
        return endpoint

    def _targets(self) -> tuple[str, ...]:
        return ("/_localaws/clock", "/", f"{wire.path(self.api())}/health")
