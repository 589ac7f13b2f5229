"""The client with broken, outdated and hostile servers: it installs what was signed, or nothing."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from published import Clock, Published, a_repository, signing_key
from tuf.api.metadata import Targets

from updates.client import Client, NotUpdated, Release, main, own_name
from updates.publish import Repository

type Serve = Callable[[Path], str]


@pytest.fixture
def url(published: Published, serve: Serve) -> str:
    return serve(published.folder)


@pytest.fixture
def client(published: Published, url: str, tmp_path: Path) -> Client:
    return Client(url, tmp_path / "client", published.root, name="a", clock=published.clock)


def test_it_installs_the_newest_release_once(published: Published, client: Client) -> None:
    published.release("1.0.0")
    published.release("1.1.0", b"newer")
    published.release("2.0.0b1", channel="beta")

    installed = client.update()

    assert installed
    assert installed.read_bytes() == b"newer"
    assert client.installed()["version"] == "1.1.0"
    assert client.update() is None


def test_it_does_not_go_back_when_a_release_is_withdrawn(published: Published, client: Client) -> None:
    published.release("1.0.0")
    published.release("1.1.0")
    client.update()

    published.repository.withdraw("1.1.0")

    assert client.update() is None
    assert client.installed()["version"] == "1.1.0"


@pytest.mark.parametrize("withdrawn", [False, True], ids=["it stays", "it is withdrawn"])
def test_a_release_of_a_clock_that_was_ahead_hides_no_later_one(
    published: Published, client: Client, withdrawn: bool
) -> None:
    published.clock.passed = timedelta(days=400)
    published.release("1.0.0")
    published.clock.passed = timedelta()
    client.update()
    if withdrawn:
        published.repository.withdraw("1.0.0")

    published.release("1.1.0", b"the newest")

    installed = client.update()
    assert installed
    assert installed.read_bytes() == b"the newest"
    index = json.loads((published.folder / "releases" / "stable.json").read_text())
    assert index["releases"][0]["version"] == "1.1.0"
    assert client.update() is None


def test_a_release_without_a_sequence_and_a_note_of_an_earlier_client_are_read(
    published: Published, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:

        def without_sequence(self: Repository, targets: Targets, *more: Any) -> None:
            for target in targets.targets.values():
                (target.custom or {}).pop("sequence", None)
            put(self, targets, *more)

        put = Repository._put
        earlier.setattr(Repository, "_put", without_sequence)
        first = published.release("1.0.0")
    (tmp_path / "client").mkdir()
    note = {"version": "1.0.0", "published_at": first["published_at"]}
    (tmp_path / "client" / "installed.json").write_text(json.dumps(note))
    assert client.update() is None

    published.release("1.1.0")

    assert client.update()


def test_a_replaced_package_is_not_installed_and_the_signed_one_is_later(published: Published, client: Client) -> None:
    place = published.folder / str(published.release("1.0.0", b"the right one")["url"]).lstrip("/")
    place.write_bytes(b"a poisoned on")

    with pytest.raises(NotUpdated, match="not the signed package"):
        client.update()
    assert client.installed() == {}

    place.write_bytes(b"the right one")
    assert client.update()


def test_the_client_stops_reading_a_package_that_is_too_long(
    published: Published, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = 60_000_000  # more than the socket buffers hold
    place = published.folder / str(published.release("1.0.0", b"small")["url"]).lstrip("/")
    with place.open("wb") as content:
        content.truncate(size)

    caplog.set_level(logging.INFO, "access")
    with pytest.raises(NotUpdated):
        client.update()

    assert not list((tmp_path / "client").rglob("*.part"))
    for _ in range(500):  # until the server notices the closed connection
        if sent := [int(line.rpartition(" ")[2]) for line in caplog.messages if "/packages/" in line]:
            break
        time.sleep(0.01)
    assert 0 < sent[0] < size


def test_a_list_with_the_signature_of_another_key_is_refused(
    published: Published, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.release("1.0.0")
    client.update()

    monkeypatch.setattr(Repository, "_check_key", lambda *_: None)
    forger = Repository(published.folder, signing_key(), published.clock)
    published.repository = forger
    published.release("6.6.6")

    with pytest.raises(NotUpdated, match="cannot be trusted"):
        client.update()


def test_a_client_with_the_first_root_accepts_a_rotated_key(published: Published, client: Client) -> None:
    published.release("1.0.0")
    client.update()
    release_key = signing_key()
    published.repository = Repository(published.folder, release_key, published.clock)
    published.renew(release_key=release_key)

    published.release("1.1.0")

    assert client.update()


def test_an_older_list_is_refused_as_a_rollback(published: Published, client: Client, tmp_path: Path) -> None:
    published.release("1.0.0")
    shutil.copytree(published.folder / "metadata", tmp_path / "old")
    published.release("1.1.0")
    client.update()

    shutil.copytree(tmp_path / "old", published.folder / "metadata", dirs_exist_ok=True)

    with pytest.raises(NotUpdated, match="cannot be trusted"):
        client.check()


def test_an_expired_list_is_refused_as_a_freeze(serve: Serve, tmp_path: Path) -> None:
    published = a_repository(tmp_path / "frozen")
    published.clock.passed = -timedelta(days=8)
    published.release("1.0.0")
    client = Client(serve(published.folder), tmp_path / "client", published.root, name="a")

    with pytest.raises(NotUpdated, match="expired"):
        client.check()


def test_a_client_with_the_first_root_follows_yearly_renewals(serve: Serve, tmp_path: Path) -> None:
    published = a_repository(tmp_path / "releases", -timedelta(days=800))
    published.release("1.0.0")
    for days in (450, 100):
        published.clock.passed = -timedelta(days=days)
        published.renew()
    published.clock.passed = timedelta()
    published.repository.refresh()

    assert Client(serve(published.folder), tmp_path / "client", published.root, name="a").update()


def test_clients_stop_at_an_expired_root_until_it_is_renewed(serve: Serve, tmp_path: Path) -> None:
    published = a_repository(tmp_path / "releases", -timedelta(days=366))
    published.clock.passed = timedelta()
    published.release("1.0.0")
    client = Client(serve(published.folder), tmp_path / "client", published.root, name="a")
    with pytest.raises(NotUpdated, match=r"root\.json is expired"):
        client.update()

    published.renew()

    assert client.update()


def test_an_interrupted_download_is_resumed(published: Published, client: Client) -> None:
    content = bytes(range(256)) * 4000
    place = published.folder / str(published.release("1.0.0", content)["url"]).lstrip("/")
    release = client.check()
    assert release
    part = client.download(release)
    part.write_bytes(content[:1000])
    times = (place.stat().st_atime, place.stat().st_mtime)
    place.write_bytes(b"a second download of these bytes would give another hash".ljust(1000) + content[1000:])
    os.utime(place, times)

    assert client.download(release).read_bytes() == content


def test_a_download_never_joins_parts_of_two_versions(published: Published, client: Client) -> None:
    """The server no longer has the version of the part, so If-Range returns the whole package."""
    content = b"new " * 5000
    published.release("1.0.0", content)
    release = client.check()
    assert release
    part = client.download(release)
    part.write_bytes(b"old " * 100)
    part.with_suffix(".etag").write_text('"of the old one"')

    assert client.download(release).read_bytes() == content


def test_a_wave_starts_at_its_time_for_its_percentage(published: Published, url: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    waves = [
        {"starts_at": (now - timedelta(hours=1)).isoformat(), "percent": 10},
        {"starts_at": (now + timedelta(days=1)).isoformat(), "percent": 100},
    ]
    published.release("1.0.0", waves=waves)
    release = Client(url, tmp_path / "client", published.root, name="x", clock=lambda: now + timedelta(days=2)).check()
    assert release

    out = [name for name in map(str, range(2000)) if release.is_out_for(name, now)]

    assert 140 < len(out) < 260
    assert all(release.is_out_for(name, now + timedelta(days=1)) for name in map(str, range(100)))
    unlucky = next(name for name in map(str, range(2000)) if name not in out)
    assert Client(url, tmp_path / "unlucky", published.root, name=unlucky).check() is None


def test_a_clients_place_among_the_waves_differs_between_releases() -> None:
    def out(version: str) -> set[str]:
        wave = {"starts_at": "2020-01-01T00:00:00Z", "percent": 50}
        release = Release(version, 1, "", (wave,), None)  # type: ignore[arg-type]
        return {name for name in map(str, range(1000)) if release.is_out_for(name, Clock()())}

    assert 150 < len(out("1") & out("2")) < 350


def test_a_client_keeps_its_place_among_the_waves_when_it_restarts(
    published: Published, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published.release("1.0.0", waves=[{"starts_at": "2020-01-01T00:00:00Z", "percent": 50}])
    (tmp_path / "1.root.json").write_bytes(published.root)
    folder = tmp_path / "client"

    def is_updated(*options: str) -> bool:
        command = ["client", url, "--root", str(tmp_path / "1.root.json"), "--folder", str(folder), *options]
        monkeypatch.setattr(sys, "argv", command)
        assert main() is None
        (folder / "installed.json").unlink(missing_ok=True)
        return "app-1.0.0.bin" in capsys.readouterr().out

    assert len({is_updated() for _ in range(12)}) == 1
    # Of ten names, some are in the wave and some are not.
    assert {is_updated("--name", str(name)) for name in range(10)} == {True, False}


def test_a_client_generates_its_name_once(tmp_path: Path) -> None:
    name = own_name(tmp_path / "one")

    assert name
    assert own_name(tmp_path / "one") == name
    assert own_name(tmp_path / "other") != name


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "absent": lambda content: None,
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "one byte": lambda content: b"{",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("moment", ["installed", "downloading"])
def test_any_file_may_be_damaged_at_any_moment(
    published: Published, url: str, tmp_path: Path, damage: Callable[[bytes], bytes | None], moment: str
) -> None:
    """The client recovers by itself, whichever of its files is damaged: it has the signed bytes, and a note of them."""
    content = b"signed " * 1000
    published.release("1.0.0")
    before = tmp_path / "before"
    client = Client(url, before, published.root, name="a", clock=published.clock)
    own_name(before)
    client.update()
    published.release("1.1.0", content)
    if moment == "installed":
        client.update()
    else:
        release = client.check()
        assert release
        part = client.download(release)
        part.write_bytes(content[:3000])

    names = [file.relative_to(before) for file in before.rglob("*") if file.is_file()]
    assert len(names) > 6
    for number, name in enumerate(names):
        folder = tmp_path / f"damaged-{number}"
        shutil.copytree(before, folder, symlinks=True)
        left = damage((folder / name).read_bytes())
        (folder / name).unlink()
        if left is not None:
            (folder / name).write_bytes(left)
        client = Client(url, folder, published.root, name=own_name(folder), clock=published.clock)

        client.update()

        assert (folder / "installed" / "app-1.1.0.bin").read_bytes() == content, name
        assert client.installed()["version"] == "1.1.0", name
        assert client.update() is None, name
        assert own_name(folder) == own_name(folder), name


def test_a_damaged_package_that_is_withdrawn_is_reported_with_what_to_do(
    published: Published, client: Client, tmp_path: Path
) -> None:
    published.release("1.0.0")
    published.release("1.1.0")
    installed = client.update()
    assert installed
    published.repository.withdraw("1.1.0")
    installed.write_bytes(b"")

    with pytest.raises(NotUpdated, match=r"1\.1\.0 is damaged and no longer offered.*remove .*installed\.json"):
        client.update()

    (tmp_path / "client" / "installed.json").unlink()
    assert client.update() == installed.with_name("app-1.0.0.bin")


@pytest.mark.parametrize("step", range(4))
def test_a_crash_before_any_step_leaves_a_client_that_updates(
    published: Published, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The steps are those that reach the disk: the flush of the package and of its folder, and those of the note."""
    published.release("1.0.0", b"signed")
    flushes, flush = iter(range(10)), os.fsync

    def crash(number: int) -> None:
        if next(flushes) == step:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(number)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", crash)
        with pytest.raises(NotUpdated, match="No space left"):
            client.update()

    client.update()

    assert (tmp_path / "client" / "installed" / "app-1.0.0.bin").read_bytes() == b"signed"
    assert client.installed()["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda root, folder: root.unlink(), "root.json: No such file"),
        (lambda root, folder: root.write_bytes(b""), "cannot be trusted"),
        (lambda root, folder: folder.write_bytes(b""), "client"),
    ],
    ids=["no root", "empty root", "a file for a folder"],
)
def test_the_command_ends_with_one_line(
    published: Published,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Path, Path], object],
    reason: str,
) -> None:
    root, folder = tmp_path / "root.json", tmp_path / "client"
    root.write_bytes(published.root)
    prepare(root, folder)
    monkeypatch.setattr(sys, "argv", ["client", url, "--root", str(root), "--folder", str(folder)])

    error = main()

    assert error
    assert reason in error
    assert "\n" not in error


def test_a_client_ignores_a_forged_index(published: Published, client: Client) -> None:
    published.release("1.0.0")
    (published.folder / "releases" / "stable.json").write_text(json.dumps({"releases": [{"version": "6.6.6"}]}))

    assert client.update()
    assert client.installed()["version"] == "1.0.0"
