"""A running local AWS: the emulator, Lambda's event source mappings, and Firehose."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from localaws import allowed_pages, clock, processes
from localaws.lambda_.batches import Backoff
from localaws.lambda_.poller import Poller
from localaws.ports import find_free_port
from localaws.settings import Settings


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    """Run a local AWS until the block ends. This process's environment must have ``settings.environment``."""
    temporary, state = settings.folder / "tmp", settings.state
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    if not settings.keep:
        shutil.rmtree(state, ignore_errors=True)
    state.mkdir(exist_ok=True)
    clock.create(settings.clock)
    clock.install(str(settings.clock))
    keeps = "1" if settings.keep else "0"
    key_id, secret = settings.root_key
    # The functions in the emulator inherit this environment, with the keys of their own roles.
    environment = {
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "TMPDIR": str(temporary),
        "GATEWAY_PORT": str(settings.port),
        "LOCALAWS_DAX_PORT": str(settings.dax_port),
        "IOT_MTLS_ENABLED": "1",
        "IOT_MTLS_PORT": str(settings.mqtt_port),
        "MINISTACK_REGION": settings.regions[0],
        "LAMBDA_WARM_TTL_SECONDS": "60",
        "LOCALAWS_CONSISTENCY_DELAY": str(settings.consistency_delay),
        clock.VARIABLE: str(settings.clock),
        allowed_pages.VARIABLE: " ".join(settings.origins),
        "LOCALAWS_GRANT_REQUESTS": "1" if settings.grant_requests else "0",
        "PERSIST_STATE": keeps,
        "S3_PERSIST": keeps,
        "STATE_DIR": str(state),
        "S3_DATA_DIR": str(state / "s3"),
        **_given(),
    }
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        stack.callback(settings.delete_root_key)
        emulator = stack.enter_context(processes.running(["-m", "localaws.emulator"], environment, settings.folder))
        await asyncio.to_thread(processes.wait_for, f"{settings.endpoint}/_ministack/health", emulator)
        poller = Poller(settings.regions, settings.endpoint, Backoff(maximum=settings.retry_delay))
        poller.start()
        stack.push_async_callback(asyncio.to_thread, poller.stop)
        options = [f"--retry-delay={settings.retry_delay}", f"--buffer-interval={settings.buffer_interval}"]
        stack.enter_context(data_plane(settings, "localaws.firehose", *options))
        yield


@contextlib.contextmanager
def emulator(folder: Path, grant_requests: bool = True, consistency_delay: float = 0) -> Iterator[str]:
    """Run an empty emulator, without data planes, in *folder* until the block ends; the value is its address.

    Its root key is `test` with the secret `test`.
    """
    port, file = find_free_port(), folder / "clock"
    clock.create(file)
    environment = {
        "GATEWAY_PORT": str(port),
        clock.VARIABLE: str(file),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder),
        "LOG_LEVEL": "ERROR",
        "LOCALAWS_GRANT_REQUESTS": "1" if grant_requests else "0",
        "LOCALAWS_CONSISTENCY_DELAY": str(consistency_delay),
        allowed_pages.VARIABLE: os.environ.get(allowed_pages.VARIABLE, ""),
        **_given(),
    }
    with processes.running(["-m", "localaws.emulator"], environment, folder) as process:
        url = f"http://127.0.0.1:{port}"
        processes.wait_for(f"{url}/_ministack/health", process)
        yield url


def _given() -> dict[str, str]:
    """Return the options of the emulator that the environment gives."""
    names = "LOCALAWS_TRACES", "LOCALAWS_USED_ACTIONS", "LOCALAWS_DEBUG", "LOCALAWS_DEBUG_PORT"
    return {name: value for name in names if (value := os.environ.get(name))}


def data_plane(
    settings: Settings, module: str, *arguments: str
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """Return a context in which *module* runs as a process that is a client of this AWS."""
    environment = {
        "TMPDIR": str(settings.folder / "tmp"),
        clock.VARIABLE: str(settings.clock),
        allowed_pages.VARIABLE: " ".join(settings.origins),
        **settings.environment,
    }
    return processes.running(["-m", module, *arguments], environment, settings.folder)
