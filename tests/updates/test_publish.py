"""Publishing: package first, names never reused, complete files only, lists and signatures consistent."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from published import Published, a_repository, signing_key
from tuf.api.metadata import Metadata, Root, Targets, Timestamp

from updates.publish import NotPublished, Repository, first_root, main, next_root

type Command = Callable[..., str | None]


@pytest.fixture
def command(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs a command with the keys `root.pem` and `key.pem`, and returns its error."""
    (tmp_path / "root.pem").write_bytes(published.root_key.private_bytes)
    (tmp_path / "key.pem").write_bytes(published.release_key.private_bytes)

    def command(name: str, *options: str) -> str | None:
        keys = [str(tmp_path / option) if option.endswith(".pem") else option for option in options]
        monkeypatch.setattr(sys, "argv", ["publish", name, str(published.folder), *keys])
        return main()

    return command


def index(published: Published, channel: str = "stable") -> list[dict[str, Any]]:
    releases: list[dict[str, Any]] = json.loads((published.folder / "releases" / f"{channel}.json").read_text())[
        "releases"
    ]
    return releases


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_publishing_a_release_again_changes_neither_package_nor_list(published: Published) -> None:
    first = published.release("1.0.0", b"one")

    again = published.release("1.0.0", b"one")

    assert again == first
    assert index(published) == [first]


def test_a_published_name_is_never_another_package(published: Published) -> None:
    published.release("1.0.0", b"one")
    before = files(published.folder)

    with pytest.raises(NotPublished, match=r"app-1\.0\.0\.bin"):
        published.release("1.0.0", b"two")
    assert files(published.folder) == before


def test_a_version_has_one_package_and_a_package_one_version(published: Published, tmp_path: Path) -> None:
    published.release("1.0.0", b"one")
    other = tmp_path / "other.bin"
    other.write_bytes(b"one")

    with pytest.raises(NotPublished, match=r"other\.bin"):
        published.repository.release(other, "1.0.0")
    with pytest.raises(NotPublished, match=r"app-1\.0\.0\.bin"):
        published.repository.release(tmp_path / "app-1.0.0.bin", "1.0.1")


@pytest.mark.parametrize(
    ("starts_at", "percent", "named"),
    [("2030-01-01T00:00:00", 1, "offset"), ("soon", 1, "offset"), ("2030-01-01T00:00:00Z", 101, "percentage")],
)
def test_a_wave_that_clients_could_not_read_is_refused(
    published: Published, starts_at: str, percent: int, named: str
) -> None:
    before = files(published.folder)

    with pytest.raises(NotPublished, match=named):
        published.release("1.0.0", waves=[{"starts_at": starts_at, "percent": percent}])

    assert files(published.folder) == before


def test_waves_of_a_published_release_can_be_changed(published: Published) -> None:
    first = published.release("1.0.0", waves=[{"starts_at": "2030-01-01T00:00:00Z", "percent": 1}])

    again = published.release("1.0.0", waves=[{"starts_at": "2030-01-01T00:00:00Z", "percent": 50}])

    assert again == first
    (targets,) = (
        Metadata[Targets].from_file(str(file)).signed for file in published.folder.glob("metadata/3.targets*")
    )
    (target,) = targets.targets.values()
    assert target.custom
    assert target.custom["waves"][0]["percent"] == 50


def test_a_file_exists_before_another_file_names_it(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a file is replaced, all files that the published files name exist."""
    seen = []
    replace = Path.replace

    def watched(draft: Path, place: Path) -> Path:
        moved = replace(draft, place)
        seen.append(place.name)
        for release in index(published) if (published.folder / "releases/stable.json").exists() else []:
            assert (published.folder / release["url"].lstrip("/")).exists()
        timestamp = Metadata[Timestamp].from_file(str(published.folder / "metadata/timestamp.json")).signed
        version = timestamp.snapshot_meta.version
        assert (published.folder / f"metadata/{version}.snapshot.json").exists()
        assert (published.folder / f"metadata/{version}.targets.json").exists()
        return moved

    monkeypatch.setattr(Path, "replace", watched)
    published.release("1.0.0")

    assert seen == ["app-1.0.0.bin", "2.targets.json", "2.snapshot.json", "timestamp.json", "stable.json"]


def test_a_withdrawn_release_is_no_longer_listed_and_its_package_stays(published: Published) -> None:
    first, second = published.release("1.0.0"), published.release("1.1.0")

    published.repository.withdraw("1.1.0")

    assert index(published) == [first]
    assert (published.folder / str(second["url"]).lstrip("/")).exists()
    published.repository.withdraw("1.0.0")
    assert index(published) == []
    with pytest.raises(NotPublished, match=r"no 1\.0\.0 in stable"):
        published.repository.withdraw("1.0.0")


def test_a_repository_is_created_once(published: Published) -> None:
    with pytest.raises(NotPublished, match="already"):
        published.repository.create(published.repository.root)


@pytest.mark.parametrize("name", ["../app.bin", ".hidden", "a b", "ä.bin"])
def test_a_package_name_must_be_safe_in_a_url(published: Published, tmp_path: Path, name: str) -> None:
    file = tmp_path / Path(name).name
    file.write_bytes(b"x")
    if file.name == name:
        with pytest.raises(NotPublished):
            published.repository.release(file, "1.0.0")
    with pytest.raises(NotPublished):
        published.repository.release(published.folder / "metadata" / "1.root.json", "1.0.0", channel="../x")


def test_refresh_extends_the_expiry(published: Published) -> None:
    def expires() -> Any:
        return Metadata[Timestamp].from_file(str(published.folder / "metadata/timestamp.json")).signed.expires

    before = expires()
    published.clock.passed = timedelta(days=3)

    published.repository.refresh()

    assert expires() - before >= timedelta(days=2, hours=23)


def test_after_a_rotation_only_the_new_key_signs(published: Published, tmp_path: Path) -> None:
    published.release("1.0.0")
    release_key = signing_key()
    published.repository = Repository(published.folder, release_key, published.clock)

    published.renew(release_key=release_key)

    root = Metadata[Root].from_file(str(published.folder / "metadata/2.root.json"))
    root.verify_delegate(Root.type, root)
    for role in ("timestamp", "2.snapshot", "2.targets"):
        file = published.folder / "metadata" / f"{role}.json"
        if role != "timestamp":
            file = file.with_name(f"3.{role.partition('.')[2]}.json")
        root.verify_delegate(role.rpartition(".")[2], Metadata.from_file(str(file)))
    assert a_repository(tmp_path / "other").root != published.root


def test_a_root_of_another_key_is_refused(published: Published) -> None:
    before, strange = files(published.folder), signing_key()

    with pytest.raises(NotPublished, match="root key"):
        published.renew(strange)
    with pytest.raises(NotPublished, match="root key"):
        published.repository.replace_root(first_root(strange, strange.public_key, published.clock()))

    assert files(published.folder) == before


def test_a_root_is_published_once_and_only_with_the_key_that_signs_releases(published: Published) -> None:
    root = next_root(published.repository.root.signed, published.root_key, published.clock())
    published.repository.replace_root(root)
    before = files(published.folder)

    with pytest.raises(NotPublished, match="the next root is version 3"):
        published.repository.replace_root(root)
    with pytest.raises(NotPublished, match="does not name the key"):
        published.renew(release_key=signing_key())

    assert files(published.folder) == before


def test_without_a_repository_there_is_no_release(tmp_path: Path) -> None:
    for name in ("metadata", "incoming"):
        (tmp_path / name).mkdir()

    with pytest.raises(NotPublished, match="create it"):
        Repository(tmp_path, signing_key()).refresh()


def test_refresh_warns_when_the_root_expires_soon(
    published: Published, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    def refresh(root_age: int) -> tuple[str | None, str]:
        published.clock.passed = -timedelta(days=root_age)
        published.renew()
        return command("refresh", "--key", "key.pem"), capsys.readouterr().err

    assert refresh(root_age=304) == (None, "")
    assert refresh(root_age=306) == (None, "the root expires in 58 days: run renew with the root key\n")
    wrong, _ = refresh(root_age=366)
    assert wrong
    assert "has expired" in wrong


def test_the_root_key_is_enough_to_renew_the_root(published: Published, command: Command) -> None:
    published.clock.passed = -timedelta(days=366)
    published.renew()
    before = files(published.folder)

    assert command("renew", "--root-key", "root.pem") is None

    assert set(files(published.folder)) - set(before) == {"metadata/3.root.json"}
    assert command("refresh", "--key", "key.pem") is None
