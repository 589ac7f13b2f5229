"""The one sequence of deployment, and that `make release`, `make clone` and the sandbox all go through it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy import __main__ as command
from deploy import apps, clone, order, signing_keys, stacks, updates
from deploy.errors import NotDeployed, StackFailed
from sandbox.settings import Settings
from sandbox.stacks import Stacks

DOMAIN = "d1.cloudfront.net"
API = "https://abc.execute-api.us-east-1.amazonaws.com/api/"


class Account:
    """An AWS account in which every deployment succeeds. It notes each, and what else a release does, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.parameters: dict[str, dict[str, str]] = {}
        self.templates: dict[str, Any] = {}
        self.known_apis: dict[str, set[str]] = {}
        """By app the APIs that its policies name, of the apps that it calls."""
        self.refreshed: list[str] = []
        """The publishers that were invoked."""
        self._lock = threading.Lock()

    def deploy(self, name: str, template: str, parameters: dict[str, str]) -> dict[str, str]:
        read = stacks.read(template)
        declared = read["Parameters"]
        defaults = {key: str(each["Default"]) for key, each in declared.items() if "Default" in each}
        defaults |= {key: "hello@shop.test" for key in declared if key.endswith("Sender")}
        given = {key: value for key, value in parameters.items() if key in declared}
        with self._lock:
            self.done.append(name)
            self.parameters[name] = defaults | self.parameters.get(name, {}) | given
            self.templates[name] = read
        assert self.parameters[name].keys() == declared.keys(), f"{name} lacks parameters"
        return self.outputs(name)

    def outputs(self, name: str, missing_ok: bool = False) -> dict[str, str]:
        if name not in self.templates:
            return {}
        values = {key: output["Value"] for key, output in self.templates[name].get("Outputs", {}).items()}
        parameters = self.parameters[name]
        own = {
            key: parameters.get(value.get("Ref"), key.lower()) if isinstance(value, dict) else key.lower()
            for key, value in values.items()
        }
        return own | {"EndpointURL": API, "RestAPIId": "abc", "DistributionDomain": DOMAIN}

    def parameters_of(self, name: str, missing_ok: bool = False) -> dict[str, str]:
        return self.parameters.get(name, {})

    def exports(self) -> set[str]:
        named = [re.fullmatch(r"(.+-app)-(\w+)(?:-(\w+))?", name) for name in self.templates]
        places = [(each[1], each[3] or "app", each[2]) for each in named if each]
        return {name for app, kind, stage in places for name in apps.exports(app, kind, stage)}

    def note(self, step: str) -> Any:
        def run(app: str, stage: str, **parameters: str) -> dict[str, str]:
            with self._lock:
                self.done.append(f"{app}-{stage}-{step}")
            return {f"/{stage}/{app}/api": API}

        return run

    def write_policies(self, app: str, stage: str) -> None:
        with self._lock:
            self.known_apis[app] = {other for other in apps.called(app) if f"{other}-{stage}-register" in self.done}

    def stage(self, stage: str) -> dict[str, tuple[Any, set[str]]]:
        """By stack, named as if of the stage *x*: its template, and which parameters it has."""
        named = re.compile(rf"-{stage}(?=-|$)")
        found = {name for name in self.parameters if named.search(name)}
        return {named.sub("-x", name): (self.templates[name], set(self.parameters[name])) for name in found}


@contextmanager
def empty_account(tmp_path: Path) -> Iterator[Account]:
    """All apps of the suite, without their code, and an account with nothing in it."""
    for app in apps.names():
        folder = tmp_path / app
        (folder / "chalicelib").mkdir(parents=True)
        (folder / ".chalice").mkdir()
        for file in (*(apps.ROOT / app).glob("*.yaml"), *(apps.ROOT / app).glob("*.js")):
            shutil.copy(file, folder)
        (folder / ".chalice" / "config.json").touch()
        shutil.copytree(apps.ROOT / app / ".chalice" / "policies", folder / ".chalice" / "policies")
        shutil.copy(folder / "merge.yaml", folder / "sam.yaml")  # stands for what `chalice package` makes of it
    (tmp_path / "deploy").mkdir()
    for shared in ("dax.yaml", "edge.yaml"):
        shutil.copy(apps.ROOT / "deploy" / shared, tmp_path / "deploy")
    with pytest.MonkeyPatch.context() as monkeypatch:
        account = Account()
        monkeypatch.setattr(apps, "ROOT", tmp_path)
        monkeypatch.setattr(apps, "package", lambda app, stage: tmp_path / app)
        monkeypatch.setattr(apps, "_sender_identity", lambda *_: {})
        monkeypatch.setattr(apps, "write_policies", account.write_policies)
        for module in (apps, updates):
            monkeypatch.setattr(module, "layer", lambda *_, **__: b"")
        monkeypatch.setattr(stacks, "upload", lambda content, suffix: ("bucket", "key"))
        monkeypatch.setattr(stacks, "upload_code", lambda template, folder: json.dumps(template))
        monkeypatch.setattr(stacks, "deploy", account.deploy)
        monkeypatch.setattr(stacks, "outputs", account.outputs)
        monkeypatch.setattr(stacks, "parameters_of", account.parameters_of)
        monkeypatch.setattr(stacks, "existing", lambda: set(account.templates))
        monkeypatch.setattr(stacks, "exports", account.exports)
        monkeypatch.setattr(stacks, "template_of", account.templates.__getitem__)
        monkeypatch.setattr(signing_keys, "ensure", lambda app, stage: "group")
        monkeypatch.setattr(updates, "prefix_lists", lambda: ["pl-1"])
        monkeypatch.setattr(updates, "refresh", account.refreshed.append)
        monkeypatch.setattr(apps, "refuse_chalice", lambda app, stage: None)
        monkeypatch.setattr(clone, "begin", lambda source, target: None)
        monkeypatch.setattr(command, "target", lambda: "account 000000000000, us-east-1, test")
        steps = {step: account.note(step) for step in ("register", "site")}
        monkeypatch.setattr(order, "STEPS", order.STEPS | steps)
        yield account


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with empty_account(tmp_path) as account:
        yield account


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str | None:
    """Run a command."""
    monkeypatch.setattr(sys, "argv", ["deploy", *arguments])
    return command.main()


class Released(Exception):
    """Raised where the sandbox would continue after the release."""


def deploy_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Release as a start of the sandbox does."""
    release = order.release

    def release_only(*arguments: Any) -> None:
        release(*arguments)
        raise Released

    with monkeypatch.context() as patched:
        patched.setattr(order, "release", release_only)
        with pytest.raises(Released):
            Stacks(Settings.from_environment({"SANDBOX_STAGE": "local"})).deploy()


STAGES = ("prod", "twin", "local")


@pytest.fixture(scope="module")
def three_stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """One released, one a clone of it, and one of the sandbox."""
    with empty_account(tmp_path_factory.mktemp("suite")) as account, pytest.MonkeyPatch.context() as monkeypatch:
        assert run(monkeypatch, "release", "all", "prod", "Dax=true") is None
        assert run(monkeypatch, "clone", "prod", "twin", "Dax=true", "Template=after") is None
        assert run(monkeypatch, "clone", "prod", "small") is None
        deploy_sandbox(monkeypatch)
        yield account


def test_a_clone_has_what_costs_by_the_hour_only_if_asked(three_stages: Account) -> None:
    costly = {stack for stack in three_stages.stage("twin") if stack.endswith("-dax") or stack.startswith("updates")}

    assert costly == {"todo-app-x-dax", "blog-app-x-dax", "updates-x"}
    assert three_stages.stage("small").keys() == three_stages.stage("twin").keys() - costly
    assert three_stages.parameters["todo-app-small"].get("Dax", "false") == "false"


def test_a_release_a_clone_and_the_sandbox_have_the_same_stacks_and_parameters(three_stages: Account) -> None:
    released, cloned, in_sandbox = (three_stages.stage(stage) for stage in STAGES)

    assert released == cloned
    assert released == in_sandbox
    kinds = {app: {kind for kind in apps.KINDS if apps.stack(app, "x", kind) in released} for app in apps.names()}
    assert kinds == {
        "blog-app": {"resources", "dax", "app", "edge"},
        "pipeline-app": {"resources", "app", "delivery", "edge"},
        "receipts-app": {"resources", "app"},
        "todo-app": {"resources", "dax", "app", "edge"},
        "video-app": {"resources", "app", "edge"},
    }
    assert "updates-x" in released


def test_only_the_values_differ(three_stages: Account) -> None:
    def differing(other: str) -> set[str]:
        """The parameters whose values differ from those of the released stage."""
        pairs = [
            (three_stages.parameters[stack.replace("-x", "-prod")], three_stages.parameters[stack.replace("-x", other)])
            for stack in three_stages.stage("prod")
        ]
        return {name for released, values in pairs for name in released if released[name] != values[name]}

    assert differing("-twin") == {"Stage", "Sender", "ReceiptSender"}
    assert differing("-local") == {
        *("Stage", "SiteUrl", "WebOrigins", "PaymentsApi", "SignInUrl", "EndpointEncryption"),
        *("ReportSeconds", "CleanseSeconds", "Sender", "ReceiptSender", "AlertRecipient"),
        *("StageCache", "DetailedMetrics", "StreamMode", "DeviceTopics", "Reads", "ReportRate"),
    }


def test_the_steps_have_one_order(three_stages: Account) -> None:
    for stage in STAGES:
        done = [name for name in three_stages.done if re.search(rf"-{stage}(?=-|$)", name)]
        resources = [name.endswith("-resources") for name in done if not name.startswith("updates")]
        assert resources[: len(apps.names())] == [True] * len(apps.names()), "all resources come first"
        for app in apps.names():
            ran = dict.fromkeys(name for name in done if name.startswith(f"{app}-{stage}"))
            assert list(ran) == [apps.stack(app, stage, step) for step in order.steps(app)]


def test_an_app_that_calls_another_is_packaged_after_the_other_has_its_api(account: Account) -> None:
    order.release("dev", order.names())

    assert account.known_apis["video-app"] == {"receipts-app"}


def test_a_site_without_an_address_gets_that_of_its_distribution(account: Account) -> None:
    order.release("dev", ["video-app"])
    first = account.done.copy()
    order.release("dev", ["video-app"])

    video = [apps.stack("video-app", "dev", step) for step in ("resources", "app", "register", "edge", "site")]
    assert first == [*video[:4], *video[:2], video[4]]
    assert account.done == [*first, *video], "later it keeps that address"
    assert account.parameters["video-app-dev-resources"]["SiteUrl"] == f"https://{DOMAIN}"


@pytest.mark.parametrize("app", [app for app in apps.names() if (apps.ROOT / app / "web").exists()])
def test_every_page_is_released_and_its_address_is_the_only_origin(account: Account, app: str) -> None:
    outputs = order.release("dev", [app])

    steps = [name.removeprefix(f"{app}-dev-") for name in account.done]
    assert "edge" in steps
    assert steps[-1] == "site"
    assert outputs[app]["edge"]["DistributionDomain"] == DOMAIN
    assert account.parameters[f"{app}-dev-resources"].get("WebOrigins", f"https://{DOMAIN}") == f"https://{DOMAIN}"


def test_a_site_keeps_the_address_that_it_is_given(account: Account) -> None:
    order.release("dev", ["blog-app"], lambda app, step: {"SiteUrl": "https://blog.test"})

    assert account.done.count("blog-app-dev") == 1
    assert account.parameters["blog-app-dev-resources"]["SiteUrl"] == "https://blog.test"
    assert account.parameters["blog-app-dev-resources"]["WebOrigins"] == "https://blog.test"


def test_a_stage_whose_consumers_began_with_the_latest_record_keeps_them(account: Account) -> None:
    order.release("dev", ["video-app"])
    assert account.parameters["video-app-dev"]["StreamStart"] == "TRIM_HORIZON"

    del account.parameters["video-app-dev"]["StreamStart"]  # released before there was this parameter
    order.release("dev", ["video-app"])
    order.release("dev", ["video-app"])

    assert account.parameters["video-app-dev"]["StreamStart"] == "LATEST"


def test_dax_is_deployed_as_long_as_the_app_uses_it(account: Account) -> None:
    order.release("dev", ["todo-app"])
    assert "todo-app-dev-dax" not in account.done

    order.release("dev", ["todo-app"], lambda app, step: {"Dax": "true"})
    order.release("dev", ["todo-app"])

    assert account.done.count("todo-app-dev-dax") == 2
    assert account.parameters["todo-app-dev"]["Dax"] == "true"


def test_a_new_client_of_dax_changes_the_stack_of_the_app_alone(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another stack imports what the cluster's stack exports, and an export that is imported cannot change."""
    order.release("dev", ["todo-app"], lambda app, step: {"Dax": "true"})
    cluster = account.parameters["todo-app-dev-dax"].copy()
    monkeypatch.setattr(stacks, "upload", lambda content, suffix: ("bucket", "newer"))

    order.release("dev", ["todo-app"])

    assert account.parameters["todo-app-dev-dax"] == cluster
    assert account.parameters["todo-app-dev"]["DaxClientKey"] == "newer"


def test_the_update_servers_keep_their_template(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def has_edge() -> bool:
        return "Distribution" in account.templates["updates-dev"]["Resources"]

    assert run(monkeypatch, "release", "updates", "dev", "Template=before") is None
    assert not has_edge()
    assert run(monkeypatch, "release", "all", "dev") is None
    assert not has_edge()
    assert run(monkeypatch, "release", "updates", "dev", "Template=after") is None
    assert has_edge()
    assert account.refreshed == ["publisher"] * 3


def test_a_clone_allows_its_own_page_only(three_stages: Account) -> None:
    origins = {stage: three_stages.parameters[f"blog-app-{stage}-resources"]["WebOrigins"] for stage in STAGES}

    assert origins == {"prod": f"https://{DOMAIN}", "twin": f"https://{DOMAIN}", "local": "http://127.0.0.1:4502"}


def test_a_clone_needs_a_source_that_was_released(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    apps.deploy_resources("todo-app", "dev")

    assert "make release APP=todo-app STAGE=dev" in str(run(monkeypatch, "clone", "dev", "twin"))
    assert account.stage("twin") == {}


def test_a_parameter_that_no_template_has_ends_in_one_line(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = run(monkeypatch, "release", "all", "dev", "SiteURL=https://blog.test")

    assert "SiteURL" in str(failed)
    assert account.done == []


@pytest.mark.parametrize("command", ["release", "deploy", "package", "resources", "edge"])
@pytest.mark.parametrize(
    ("stage", "why"), [("QA", "a stage has"), ("x-edge", "a stage has"), ("prod-2", "must not begin")]
)
def test_a_stage_that_cannot_be_is_refused_in_one_line(
    account: Account, monkeypatch: pytest.MonkeyPatch, command: str, stage: str, why: str
) -> None:
    apps.deploy_resources("video-app", "prod")
    done = account.done.copy()

    failed = str(run(monkeypatch, command, "video-app", stage))

    assert why in failed
    assert failed.count("\n") == 0
    assert account.done == done


def test_a_step_that_an_app_does_not_have_ends_in_one_line(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "edge", "receipts-app", "dev") == "edge failed: receipts-app has no edge"


def test_a_command_first_prints_where_it_acts(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "release", "todo-app", "dev")

    assert capsys.readouterr().out.startswith("account 000000000000, us-east-1, test\n")


def test_an_app_alone_names_the_stack_that_it_misses(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = str(run(monkeypatch, "release", "receipts-app", "dev"))

    assert "receipts-app needs video-app-dev-purchases-topic of the stack video-app-dev-resources" in failed
    assert "make release APP=video-app STAGE=dev" in failed
    assert failed.count("\n") == 0
    assert account.done == []

    assert run(monkeypatch, "release", "video-app", "dev") is None
    assert run(monkeypatch, "release", "receipts-app", "dev") is None


def test_an_app_that_needs_a_deleted_one_says_so(account: Account, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "video-app")

    missing = "receipts-app needs video-app-dev-purchases-topic, which no app of this folder exports"
    with pytest.raises(NotDeployed, match=f"{missing}: .* or delete the folder receipts-app"):
        order.release("dev", ["todo-app", "receipts-app"])

    assert account.done == []


def test_a_release_names_the_parameters_that_it_needs(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path / "receipts-app" / "resources.yaml", "Parameters", {"TaxNumber": {"Type": "String"}})

    failed = str(run(monkeypatch, "release", "all", "dev"))

    assert "receipts-app needs TaxNumber" in failed
    assert failed.endswith('add PARAMETERS="TaxNumber=…"')
    assert account.done == []

    assert run(monkeypatch, "release", "all", "dev", "TaxNumber=1") is None
    assert run(monkeypatch, "release", "all", "dev") is None, "later it keeps them"


def test_a_release_needs_no_parameter(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "release", "all", "dev") is None


def test_an_app_waits_for_the_stacks_whose_exports_it_imports(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is that of the templates, not of a list: here a stack of todo-app imports from pipeline-app."""
    export = {"Value": "x", "Export": {"Name": {"Fn::Sub": "pipeline-app-${Stage}-x"}}}
    add(tmp_path / "pipeline-app" / "merge.yaml", "Outputs", {"X": export})
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::ImportValue": export["Export"]["Name"]}}}
    add(tmp_path / "todo-app" / "delivery.yaml", "Resources", {"Topic": topic})
    add(tmp_path / "todo-app" / "delivery.yaml", "Parameters", {"Stage": {"Type": "String"}})

    order.release("dev", ["todo-app", "pipeline-app"])

    assert account.done.index("pipeline-app-dev") < account.done.index("todo-app-dev-delivery")


def add(file: Path, section: str, content: dict[str, Any]) -> None:
    """Add to a section of a template."""
    template = stacks.read(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**template, section: {**template.get(section, {}), **content}}))


def test_the_first_failure_stops_the_rest_and_gives_its_reason(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def deploy(name: str, template: str, parameters: dict[str, str]) -> dict[str, str]:
        if name == "video-app-dev-resources":
            raise StackFailed(f"{name}: Users: no more user pools")
        return account.deploy(name, template, parameters)

    monkeypatch.setattr(stacks, "deploy", deploy)

    failed = str(run(monkeypatch, "release", "all", "dev"))

    assert failed == "release failed: video-app-dev-resources: Users: no more user pools"
    assert "video-app: resources failed: video-app-dev-resources: Users" in capsys.readouterr().out
    assert {name for name in account.done if not name.endswith("-resources")} <= {"updates-dev"}

    monkeypatch.setattr(stacks, "deploy", account.deploy)
    assert run(monkeypatch, "release", "all", "dev") is None
    assert {"video-app-dev-edge", "receipts-app-dev"} <= set(account.done)


def test_a_release_says_what_it_waits_for(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def deploy(*arguments: Any) -> dict[str, str]:
        time.sleep(0.2)
        return account.deploy(*arguments)

    monkeypatch.setattr(order, "_SILENCE", 0.01)
    monkeypatch.setattr(stacks, "deploy", deploy)

    run(monkeypatch, "release", "todo-app", "dev")

    assert "still running: todo-app: resources\n" in capsys.readouterr().out


def test_a_release_shows_its_progress(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "release", "video-app", "dev")

    lines = capsys.readouterr().out.splitlines()
    for step in order.steps("video-app"):
        assert lines.index(f"video-app: {step}") < next(
            place for place, line in enumerate(lines) if line.startswith(f"video-app: {step} done in ")
        )
    done = [line for line in lines if " done in " in line]
    assert [re.findall(r"\((\d+) of (\d+)\)$", line) for line in done] == [
        [(str(number), str(len(done)))] for number in range(1, len(done) + 1)
    ]
