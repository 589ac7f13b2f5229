"""The process of a stage in the sandbox: it starts the AWS unless it is a guest in one, deploys the apps, serves the
pages, and ends all of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette

from deploy import updates
from localaws.autoscaling.instances import AutoScalingGroup
from localaws.lambda_.batches import Backoff
from localaws.lambda_.poller import Poller
from sandbox import settings as place
from sandbox import stacks, web
from sandbox.console import console
from sandbox.demo import seed
from sandbox.payments import provider

_STATE = place.FOLDER / "state"
_TEMPORARY = place.FOLDER / "tmp"
_PYTHONPATH = os.pathsep.join([str(place.ROOT), str(place.ROOT / "pipeline-app")])


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    asyncio.run(_run())


async def _run() -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    place.PID.write_text(str(os.getpid()))
    shutil.rmtree(_TEMPORARY, ignore_errors=True)
    _TEMPORARY.mkdir(parents=True)
    os.environ.update(place.environment())  # before anything makes a client, which looks for credentials once
    try:
        async with contextlib.nullcontext() if place.LIKE else _aws():
            await _serve_stage(stop)
    finally:
        shutil.rmtree(_TEMPORARY, ignore_errors=True)
        place.PID.unlink(missing_ok=True)


# What belongs to the AWS, and is there once for all stages


@contextlib.asynccontextmanager
async def _aws() -> AsyncIterator[None]:
    """The emulator and the data planes that serve whatever is deployed to it; with it end the clones in it."""
    emulator = _start_emulator()
    try:
        await asyncio.to_thread(_wait_until_healthy, emulator)
        regions = (place.REGION, place.REPLICA_REGION)
        with (
            _started(Poller(regions, place.url("emulator"), Backoff(maximum=2))),
            _process("-m", "localaws.firehose"),
        ):
            try:
                yield
            finally:
                await asyncio.to_thread(_end_clones)
    finally:
        await asyncio.to_thread(_end, emulator)


def _start_emulator() -> subprocess.Popen[bytes]:
    keep = os.environ.get("KEEP") == "1"
    if not keep:
        shutil.rmtree(_STATE, ignore_errors=True)
        for deployed in place.ROOT.glob(f"*/.chalice/deployed/{place.STAGE}.json"):
            deployed.unlink()  # what `chalice deploy` made went with the last sandbox
    _STATE.mkdir(parents=True, exist_ok=True)
    # A clean environment: functions in the emulator inherit it.
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(place.ROOT),
        "TMPDIR": str(_TEMPORARY),
        "GATEWAY_PORT": str(place.port("emulator")),
        "LOCALAWS_DAX_PORT": str(place.port("dax")),
        "IOT_MTLS_ENABLED": "1",
        "IOT_MTLS_PORT": str(place.port("mqtt")),
        "MINISTACK_REGION": place.REGION,
        "LAMBDA_WARM_TTL_SECONDS": "60",
        "PERSIST_STATE": "1" if keep else "0",
        "S3_PERSIST": "1" if keep else "0",
        "STATE_DIR": str(_STATE),
        "S3_DATA_DIR": str(_STATE / "s3"),
    }
    return subprocess.Popen([sys.executable, "-m", "localaws.emulator"], env=environment, cwd=place.FOLDER)


def _wait_until_healthy(emulator: subprocess.Popen[bytes]) -> None:
    while emulator.poll() is None:
        try:
            urllib.request.urlopen(f"{place.url('emulator')}/_ministack/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the emulator ended with status {emulator.returncode}")


class _Plane(Protocol):
    """A data plane that works in threads of this process."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


@contextlib.contextmanager
def _started(plane: _Plane) -> Iterator[None]:
    plane.start()
    try:
        yield
    finally:
        plane.stop()


def _end_clones() -> None:
    """Have the stages beside this one end, and wait until they have."""
    clones = place.clones()
    for folder in clones:
        if pid := place.pid(folder):
            os.kill(pid, signal.SIGTERM)
    while any(place.pid(folder) for folder in clones):
        time.sleep(0.05)


# What belongs to a stage, of which there may be several


async def _serve_stage(stop: asyncio.Event) -> None:
    """Deploy the stage, serve its pages until *stop*, and say that all is ready once the demo data is there."""
    try:
        async with asyncio.TaskGroup() as servers:
            servers.create_task(_serve("payments", provider.site(), stop))  # a shop registers with it
            apps = await asyncio.to_thread(stacks.deploy_all)
            with contextlib.ExitStack() as planes:
                planes.enter_context(_started(AutoScalingGroup.in_stack(updates.stack(place.STAGE), place.FLEET)))
                planes.enter_context(_process("-m", "localaws.cloudfront", *_distributions(apps)))
                if os.environ.get("DEVICES") != "0":
                    planes.enter_context(_process(*_devices(apps["pipeline-app"])))
                await _serve_pages(apps, stop)
    finally:
        place.OUTPUTS.unlink(missing_ok=True)


async def _serve_pages(apps: dict[str, Any], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as servers:
        servers.create_task(_serve("console", console.site(apps), stop))
        for app, outputs in apps.items():
            if ("web" in outputs or "dashboard" in outputs) and "distribution_id" not in outputs:
                servers.create_task(_serve(app, web.page(app, outputs), stop))
        await asyncio.to_thread(seed.seed, apps)
        _announce(apps)


def _distributions(apps: dict[str, Any]) -> list[str]:
    """Return which distribution is served at which port: each at its app's."""
    return [f"{o['distribution_id']}={place.port(app)}" for app, o in apps.items() if "distribution_id" in o]


def _devices(pipeline: dict[str, Any]) -> list[str]:
    """Return the command that simulates a few devices, so that the dashboard shows live readings."""
    command = ["-m", "tools.simulate", pipeline["iot_policy"], "--rate", "3"]
    broker = ["--endpoint", pipeline["iot_endpoint"], "--ca", pipeline["iot_ca"]]
    return [*command, *broker, "--keys", str(place.FOLDER / "devices")]


@contextlib.contextmanager
def _process(*command: str) -> Iterator[None]:
    """A Python process that lives as long as the sandbox: a data plane that moves many bytes, or a demo."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": _PYTHONPATH, "TMPDIR": str(_TEMPORARY)}
    environment |= place.environment()
    process = subprocess.Popen([sys.executable, *command], env=environment, cwd=place.FOLDER)
    try:
        yield
    finally:
        _end(process)


async def _serve(name: str, site: Starlette, stop: asyncio.Event) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{place.port(name)}"]
    await serve(site, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]


def _announce(apps: dict[str, Any]) -> None:
    outputs = {
        "ready": True,
        "region": place.REGION,
        "endpoint": place.url("emulator"),
        "console": place.url("console"),
        **apps,
    }
    draft = place.OUTPUTS.with_suffix(".draft")
    draft.write_text(json.dumps(outputs, indent=2) + "\n")
    draft.rename(place.OUTPUTS)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
