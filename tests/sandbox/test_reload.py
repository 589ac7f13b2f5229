"""What is deployed when a developer saves a file."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deploy.apps
import deploy.order
from deploy.errors import PackageFailed
from localaws.testing import until
from sandbox import reload
from sandbox.reload import Reload, Step, plan

APPS = ["blog-app", "receipts-app"]
CODE, PAGE, RELEASE = {Step.CODE}, {Step.PAGE}, {Step.RELEASE}


@pytest.mark.parametrize(
    ("path", "planned"),
    [
        ("video-app/app.py", {"video-app": CODE}),
        ("video-app/chalicelib/posts.py", {"video-app": CODE}),
        ("video-app/chalicelib/pages/post.html", {"video-app": CODE}),
        ("video-app/requirements.txt", {"video-app": CODE}),
        ("video-app/.chalice/config.json", {"video-app": CODE}),
        ("video-app/.chalice/policies/welcome.json", {"video-app": CODE}),
        ("video-app/resources.yaml", {"video-app": RELEASE}),
        ("video-app/merge.yaml", {"video-app": RELEASE}),
        ("video-app/edge-function.js", {"video-app": RELEASE}),
        ("video-app/sandbox.toml", {"video-app": RELEASE}),
        ("video-app/web/index.html", {"video-app": PAGE}),
        ("common/rest.py", {"video-app": CODE, "receipts-app": CODE}),
        ("deploy/edge.yaml", {"video-app": RELEASE, "receipts-app": RELEASE}),
        ("web/app.css", {"video-app": PAGE}),  # receipts-app has no page
        ("video-app/README.md", {}),
        ("video-app/tools/author.py", {}),
        ("deploy/order.py", {}),
        ("tests/video-app/test_app.py", {}),
        # What an editor writes.
        ("video-app/chalicelib/.posts.py.swp", {}),
        ("video-app/chalicelib/posts.py~", {}),
        ("video-app/web/.#index.html", {}),
        # What a deployment writes.
        ("video-app/chalicelib/stages/local.json", {}),
        ("video-app/.chalice/policies/local/welcome.json", {}),
        ("video-app/.chalice/deployments/x.zip", {}),
        ("video-app/chalicelib/__pycache__/posts.pyc", {}),
    ],
)
def test_a_change_needs_what_it_changes(path: str, planned: dict[str, set[Step]]) -> None:
    assert plan([Path(path)], ["receipts-app", "video-app"]) == planned


@pytest.mark.parametrize("steps", [CODE, PAGE])
def test_a_site_that_a_function_makes_needs_its_code_and_is_made_again(
    deployment: Deployment, reloads: Reload, steps: set[Step]
) -> None:
    reloads.deploy({"blog-app": steps})

    assert deployment.done == ["code of blog-app in local", "page of blog-app in local with {'of': 'site'}"]


def test_what_cannot_be_read_is_reported_and_a_deleted_app_is_not_deployed(
    deployment: Deployment, reloads: Reload, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(app: str, stage: str) -> list[str]:
        raise FileNotFoundError("app.py")

    monkeypatch.setattr(deploy.apps, "update_code", read)

    reloads.deploy({"deleted-app": RELEASE, "receipts-app": CODE})

    assert lines == ["receipts-app   the earlier version goes on: FileNotFoundError: app.py"]
    assert deployment.done == []


class Deployment:
    """Stands in for the commands that deploy; ``done`` has what was run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.only_code = True
        self.broken = ""
        monkeypatch.setattr(deploy.apps, "update_code", self.update_code)
        monkeypatch.setattr(deploy.order, "release", self.release)
        monkeypatch.setitem(deploy.order.STEPS, "site", self.publish)

    def update_code(self, app: str, stage: str) -> list[str] | None:
        self.done.append(f"code of {app} in {stage}")
        if self.broken:
            raise PackageFailed(self.broken)
        return ["APIHandler"] if self.only_code else None

    def release(self, stage: str, apps: list[str], parameters_for: deploy.order.ParametersFor) -> dict[str, Any]:
        self.done.append(f"release of {', '.join(apps)} in {stage} with {parameters_for(apps[0], 'app')}")
        return {app: {"app": {"RestAPIId": "abc"}} for app in apps}

    def publish(self, app: str, stage: str, **parameters: str) -> dict[str, str]:
        self.done.append(f"page of {app} in {stage} with {parameters}")
        return {}


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return Deployment(monkeypatch)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def reloads(lines: list[str], deployment: Deployment) -> Reload:
    return Reload("local", lambda app, step: {"of": step}, lines.append)


def test_code_and_page_are_deployed_without_a_stack(deployment: Deployment, reloads: Reload, lines: list[str]) -> None:
    reloads.deploy({"blog-app": CODE | PAGE})

    assert deployment.done == ["code of blog-app in local", "page of blog-app in local with {'of': 'site'}"]
    assert re.fullmatch(r"blog-app       APIHandler, page  \d\.\d s", lines[0])


@pytest.mark.parametrize(("steps", "only_code"), [(CODE, False), (RELEASE, True), (CODE | PAGE, False)])
def test_all_else_is_released_as_on_aws(
    deployment: Deployment, reloads: Reload, lines: list[str], steps: set[Step], only_code: bool
) -> None:
    deployment.only_code = only_code

    reloads.deploy({"blog-app": steps})

    assert deployment.done[-1] == "release of blog-app in local with {'of': 'app'}"
    assert re.fullmatch(r"blog-app       all stacks  \d\.\d s", lines[0])


def test_the_code_of_several_apps_is_deployed_side_by_side(
    reloads: Reload, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)

    def update_code(app: str, stage: str) -> list[str]:
        both.wait(90)
        return ["APIHandler"]

    monkeypatch.setattr(deploy.apps, "update_code", update_code)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    reloads.deploy({"receipts-app": CODE, "todo-app": CODE})

    assert [line.split()[:2] for line in sorted(lines)] == [["receipts-app", "APIHandler"], ["todo-app", "APIHandler"]]


def test_broken_code_is_reported_and_the_next_save_deploys_all(
    deployment: Deployment, reloads: Reload, lines: list[str]
) -> None:
    deployment.broken = "blog-app: chalicelib/posts.py, line 3: SyntaxError: invalid syntax"
    reloads.deploy({"blog-app": CODE | PAGE, "receipts-app": PAGE})
    lines.sort()  # the apps are deployed side by side
    assert lines[0] == f"blog-app       the earlier version goes on: {deployment.broken}"
    assert lines[1].startswith("receipts-app   page")
    assert reloads.problems == {"blog-app": deployment.broken}
    deployment.broken, deployment.done[:] = "", []

    reloads.deploy({"blog-app": CODE})

    assert reloads.problems == {}
    assert deployment.done == ["code of blog-app in local", "page of blog-app in local with {'of': 'site'}"]


def test_twenty_saved_files_are_one_deployment(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("common", "deploy", "web", "blog-app/chalicelib", "receipts-app/chalicelib"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "blog-app" / "web").mkdir()
    (tmp_path / "blog-app" / "vendor").mkdir()
    (tmp_path / "blog-app" / "vendor" / "web").symlink_to("../web")
    monkeypatch.setattr(deploy.apps, "names", lambda: APPS)
    plans: list[Any] = []
    reloads = Reload("local", lambda app, step: {})
    monkeypatch.setattr(reloads, "deploy", plans.append)

    async def save() -> None:
        stop = asyncio.Event()
        watching = asyncio.create_task(reloads.watch(stop, tmp_path))
        while not plans:  # until the folders are watched
            (tmp_path / "web" / "app.css").write_text("")
            await asyncio.sleep(0.5)
        plans.clear()
        for number in range(20):
            (tmp_path / "blog-app" / "chalicelib" / f"{number}.py").write_text("")
        (tmp_path / "blog-app" / "README.md").write_text("")
        await asyncio.to_thread(until, _has(plans, {"blog-app": CODE}))
        (tmp_path / "blog-app" / "web" / "site.css").write_text("")
        await asyncio.to_thread(until, _has(plans, {"blog-app": PAGE}))
        stop.set()
        await watching

    asyncio.run(save())

    saved = [each for each in plans if "receipts-app" not in each and CODE in each.values()]
    assert saved == [{"blog-app": CODE}]


def test_a_new_service_is_released_and_added_once(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("common", "deploy", "web", "blog-app"):
        (tmp_path / folder).mkdir(parents=True)
    names = ["blog-app"]
    monkeypatch.setattr(deploy.apps, "names", lambda: list(names))
    added: list[Any] = []
    reloads = Reload("local", lambda app, step: {}, lambda line: None, lambda *of: added.append(of))

    async def make() -> None:
        stop = asyncio.Event()
        watching = asyncio.create_task(reloads.watch(stop, tmp_path))
        (tmp_path / "orders-app").mkdir()
        names.append("orders-app")  # it is not complete yet
        (tmp_path / "orders-app" / "openapi.json").touch()
        await asyncio.to_thread(until, lambda: added)
        while len(deployment.done) < 2:  # until its folder is watched
            (tmp_path / "orders-app" / "app.py").write_text("")
            await asyncio.sleep(0.5)
        stop.set()
        await watching

    asyncio.run(make())

    assert added == [("orders-app", {"app": {"RestAPIId": "abc"}})]
    assert deployment.done[:2] == ["release of orders-app in local with {}", "code of orders-app in local"]


def _has(plans: list[Any], planned: Any) -> Callable[[], bool]:
    return lambda: planned in plans


def test_the_folders_of_the_suite_exist() -> None:
    assert [folder for folder in reload._SHARED if not (reload.ROOT / folder).is_dir()] == []
