"""Fixtures: a repository of releases, and update servers as they run on an instance."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from published import Published, a_repository

from updates.origin.server import server


@pytest.fixture(scope="module")
def endpoint(emulator: str) -> Iterator[str]:
    """The address of the emulator, to which the module's clients of AWS connect."""
    os.environ["AWS_ENDPOINT_URL"] = emulator
    yield emulator
    del os.environ["AWS_ENDPOINT_URL"]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return a_repository(tmp_path / "releases")


@pytest.fixture
def serve(free_port: Callable[[], int]) -> Iterator[Callable[[Path], str]]:
    """Return a function that serves a folder and returns the server's address."""
    running = []

    def serve(folder: Path) -> str:
        port = free_port()
        serving = uvicorn.Server(uvicorn.Config(server(folder), port=port, log_level="warning", access_log=False))
        thread = threading.Thread(target=serving.run)
        thread.start()
        running.append((serving, thread))
        while not serving.started:
            time.sleep(0.005)
        return f"http://127.0.0.1:{port}"

    yield serve
    for serving, thread in running:
        serving.should_exit = True
        thread.join()
