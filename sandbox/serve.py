"""The process of one stage: starts the AWS unless the stage is a clone, deploys the apps, and serves the pages."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette

import localaws.serve
from deploy import packager, updates
from deploy.errors import DeployError
from localaws import clock, control_client, processes, service_models
from localaws.allowed_pages import AllowedPages
from sandbox import account
from sandbox.console import console
from sandbox.demo import seed
from sandbox.payments import provider
from sandbox.ports import DEBUGGER, SHARED
from sandbox.progress import Progress
from sandbox.reload import Reload
from sandbox.settings import ROOT, Settings
from sandbox.stacks import Stacks


def main(settings: Settings) -> str | None:
    """Run until SIGTERM or SIGINT. Return why the start failed, if it is for the user to mend."""
    service_models.share()
    settings.folder.mkdir(parents=True, exist_ok=True)
    if not settings.clone_of:
        settings.aws.make_root_key()
    os.environ.update(settings.environment | settings.debugger)  # boto3 looks for credentials once, in the first client
    reason = None
    with processes.pid_file(settings.folder), processes.limited_log(settings.log):
        try:
            asyncio.run(_run(settings))
        except* DeployError as failed:
            error: BaseException = failed
            while isinstance(error, BaseExceptionGroup):  # of task groups in task groups
                error = error.exceptions[0]
            reason = str(error)
    if reason and "\n" not in reason:
        Progress.fail(reason)
    return reason


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    if settings.clone_of:
        clock.install(str(settings.aws.clock))
        query = urlencode({"add": sorted(settings.origins)}, doseq=True)
        await asyncio.to_thread(control_client.call, f"{settings.aws.endpoint}/_localaws/origins?{query}", b"")
        await _serve_stage(settings, stop, Progress(3))
        return
    if not settings.keep:
        _forget_deployments(settings.stage)
    packager.prepare()
    progress = Progress(1 if settings.fresh else 5)
    async with contextlib.AsyncExitStack() as running:
        with progress.step("local AWS"):
            await running.enter_async_context(localaws.serve.running(settings.aws))
        try:
            if settings.fresh:
                await _serve_account(settings, stop)
                return
            with progress.step("account"):
                await asyncio.to_thread(account.prepare)
            await _serve_stage(settings, stop, progress)
        finally:
            for folder in settings.clones():
                await asyncio.to_thread(processes.stop, folder)


def _forget_deployments(stage: str) -> None:
    """Delete the records of what `chalice deploy` made in an AWS that is gone."""
    for deployed in ROOT.glob(f"*/.chalice/deployed/{stage}.json"):
        deployed.unlink()


async def _serve_account(settings: Settings, stop: asyncio.Event) -> None:
    """Serve a new account, in which nothing is deployed, until *stop*: its console, and the instances of its groups."""
    try:
        async with asyncio.TaskGroup() as servers:
            folders = str(settings.instances), str(settings.aws.file_systems)
            with localaws.serve.data_plane(settings.aws, "localaws.autoscaling", *folders):
                serving = servers.create_task(_serve(settings, "console", console.site(settings, {}, {}), stop))
                _announce(settings, {})
                await serving
    finally:
        settings.outputs_file.unlink(missing_ok=True)


async def _serve_stage(settings: Settings, stop: asyncio.Event, progress: Progress) -> None:
    """Deploy the stage, serve its pages until *stop*, and write its outputs once the demo data is there."""
    try:
        async with asyncio.TaskGroup() as servers:
            servers.create_task(_serve(settings, "payments", provider.site(), stop))  # a shop registers with it
            stacks = Stacks(settings)
            with progress.step("apps"):
                apps = await asyncio.to_thread(stacks.deploy, progress.release)
            with contextlib.ExitStack() as planes:
                folders = str(settings.instances), str(settings.aws.file_systems)
                for module, *arguments in (
                    ("localaws.autoscaling", *folders, updates.stack(settings.stage)),
                    ("sandbox.pages" if settings.reload else "localaws.cloudfront", *_distributions(settings, apps)),
                ):
                    planes.enter_context(localaws.serve.data_plane(settings.aws, module, *arguments))
                if settings.background:
                    _start_background(settings, stacks, apps, planes)
                with progress.step("senders of mail"):
                    await asyncio.to_thread(account.verify_senders, settings.aws.endpoint)
                await _serve_pages(settings, stacks, apps, stop, progress)
    finally:
        settings.outputs_file.unlink(missing_ok=True)


def _start_background(settings: Settings, stacks: Stacks, apps: dict[str, Any], planes: contextlib.ExitStack) -> None:
    """Start the command that an app runs beside it, in the app's folder."""
    for app, outputs in apps.items():
        if command := stacks.background(app, outputs):
            planes.enter_context(processes.running(command, settings.environment, ROOT / app))


async def _serve_pages(
    settings: Settings, stacks: Stacks, apps: dict[str, Any], stop: asyncio.Event, progress: Progress
) -> None:
    report, show = functools.partial(print, flush=True), functools.partial(_show, settings, stacks, apps)
    reload = Reload(settings.stage, stacks.parameters_for, report, show)
    async with asyncio.TaskGroup() as servers:
        servers.create_task(_serve(settings, "console", console.site(settings, apps, reload.problems), stop))
        with progress.step("demo data"):
            await asyncio.to_thread(seed.seed, settings, apps, progress.release)
        _announce(settings, apps)
        if settings.reload:
            servers.create_task(reload.watch(stop))


def _show(
    settings: Settings, stacks: Stacks, apps: dict[str, Any], app: str, released: Mapping[str, Mapping[str, str]]
) -> None:
    """Add a new app to the console and to the outputs of the stage."""
    apps[app] = stacks.outputs(app, released)
    _announce(settings, apps)


def _distributions(settings: Settings, apps: dict[str, Any]) -> list[str]:
    """Return ``ID=PORT`` for each distribution; the port is that of its app's page."""
    return [f"{o['distribution_id']}={settings.ports[app]}" for app, o in apps.items() if "distribution_id" in o]


async def _serve(settings: Settings, name: str, site: Starlette, stop: asyncio.Event) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{settings.ports[name]}"]
    await serve(AllowedPages(site, settings.origins), config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]


def _announce(settings: Settings, apps: dict[str, Any]) -> None:
    """Write the stage's outputs, which tell other commands that it is ready."""
    outputs = {
        "ready": True,
        "access_key_id": settings.aws.root_key[0],
        "secret_access_key": settings.aws.root_key[1],
        "region": settings.aws.regions[0],
        "endpoint": settings.aws.endpoint,
        "console": settings.url("console"),
        "stage": settings.stage,
        **({"debugger": f"127.0.0.1:{settings.ports[DEBUGGER]}"} if settings.debug else {}),
        **{f"{name}_port": settings.ports[name] for name in SHARED},
        **apps,
    }
    draft = settings.outputs_file.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(outputs, indent=2) + "\n")
    draft.rename(settings.outputs_file)
