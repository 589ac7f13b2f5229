"""The fixtures of a local AWS, as a project that uses localaws gets them, and an emulator without gap modules."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from localaws import allowed_pages, processes
from localaws.ports import find_free_port

pytest_plugins = ["localaws.testing"]

os.environ[allowed_pages.VARIABLE] = "https://example.com https://www.example.com"


@pytest.fixture(scope="session")
def bare_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty emulator without gap modules: what a probe shows there is the gap itself."""
    folder = tmp_path_factory.mktemp("bare-emulator")
    port = find_free_port()
    environment = {"GATEWAY_PORT": str(port), "TMPDIR": str(folder), "STATE_DIR": str(folder), "LOG_LEVEL": "ERROR"}
    environment |= {"AUTH": "true", "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
    with processes.running(["-m", "ministack"], environment, folder) as process:
        url = f"http://127.0.0.1:{port}"
        processes.wait_for(f"{url}/_ministack/health", process)
        yield url
