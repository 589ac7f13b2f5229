"""The page of the update servers: the next version, what the edge saved, and the button that releases."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.errors import ReleaseRefused
from sandbox.console import console, metrics, updates
from sandbox.settings import Settings


@pytest.mark.parametrize(
    ("versions", "following"),
    [
        ([], "1.0.0"),
        (["1.0.0", "1.1.0"], "1.2.0"),
        (["1.10.0", "1.9.3"], "1.11.0"),
        (["2.0.0b1", "1.0.0"], "1.1.0"),
    ],
)
def test_the_next_version_follows_the_highest_one(versions: list[str], following: str) -> None:
    assert updates.next_version(versions) == following


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The outputs of update servers that have released 1.0.0, and sent it to the edge once."""
    (tmp_path / "releases").mkdir()
    release = {"version": "1.0.0", "channel": "stable", "size": 300, "published_at": "2030-01-01T00:00:00Z"}
    (tmp_path / "releases" / "stable.json").write_text(json.dumps({"releases": [release]}))
    log = tmp_path / "instances.log"
    log.write_text('2030-01-01 00:00:00,000 127.0.0.1 "GET /packages/app-1.0.0.bin" 200 300\nstarted\n')
    monkeypatch.setattr(updates, "_fleet", lambda stage: {"desired": 3, "servers": []})
    counts = {"Requests": 10, "OriginRequests": 1, "BytesDownloaded": 3000}
    monkeypatch.setattr(metrics, "sums", lambda wanted, past: {each: counts[each.name] for each in wanted})
    places = {"releases": str(tmp_path), "log": str(log), "root_key": str(tmp_path / "root.pem")}
    return {"publisher": "p", "distribution_id": "D", "edge": "http://edge", **places}


def test_the_page_tells_what_the_edge_saved(outputs: dict[str, str]) -> None:
    found = updates.found("local", outputs)

    assert found["edge"] == {"requests": 10, "origin_requests": 1, "bytes": 3000, "origin_bytes": 300}
    assert (found["next"], [each["version"] for each in found["releases"]]) == ("1.1.0", ["1.0.0"])


def _asked(method: str, path: str, apps: dict[str, Any]) -> tuple[int, Any]:
    site: Any = console.site(Settings.from_environment(), apps, {})

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://127.0.0.1") as client:
            return await client.request(method, path)

    answer = asyncio.run(ask())
    return answer.status_code, answer.json()


def test_the_button_releases_the_next_version_to_clients_of_the_edge(
    outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[Any] = []
    downloads: list[str] = []

    class Publisher:
        def __init__(self, stage: str) -> None:
            self.stage = stage

        def release(self, file: Path, version: str, channel: str, root_key: Path) -> dict[str, Any]:
            published.append((self.stage, file.name, file.stat().st_size, version, channel))
            return {"version": version, "url": f"/packages/{file.name}"}

    monkeypatch.setattr(updates, "Publisher", Publisher)
    monkeypatch.setattr(updates, "_download", downloads.append)

    status, answer = _asked("POST", "/updates/release", {"servers": outputs})

    assert (status, answer["version"]) == (200, "1.1.0")
    assert published == [("local", "app-1.1.0.bin", updates.SIZE, "1.1.0", "stable")]
    assert downloads == ["http://edge/packages/app-1.1.0.bin"] * updates.CLIENTS


def test_a_release_that_is_refused_is_said_in_words(outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(stage: str) -> None:
        raise ReleaseRefused("the key is gone")

    monkeypatch.setattr(updates, "Publisher", refuse)

    answer = _asked("POST", "/updates/release", {"servers": outputs})
    assert answer == (409, {"message": "The release was refused: the key is gone"})


def test_without_update_servers_there_is_nothing_to_release() -> None:
    assert _asked("GET", "/updates.json", {"shop": {}}) == (200, None)
    status, answer = _asked("POST", "/updates/release", {"shop": {}})
    assert (status, answer["message"]) == (404, "There are no update servers in this account yet.")
    assert _asked("GET", "/updates.json", {})[0] == 200
