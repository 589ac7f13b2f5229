"""Settings come from the environment, or from the outputs of the stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from common import settings


@dataclass(frozen=True)
class Settings:
    table: str
    bucket: str
    extra: str = "none"
    limit: int = 20


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STAGE", "dev")
    (tmp_path / "dev.json").write_text('{"table": "todos", "bucket": "files", "other": "x"}')
    return tmp_path


def test_the_outputs_of_the_stage_fill_the_fields(stages: Path) -> None:
    assert settings.load(Settings, stages) == Settings("todos", "files")


def test_the_environment_overrides_the_outputs(stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE", "another")

    assert settings.load(Settings, stages).table == "another"


def test_an_error_names_all_missing_settings(stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "prod")

    with pytest.raises(settings.InvalidSettings, match=r"'prod'.*table, bucket"):
        settings.load(Settings, stages)


def test_there_is_no_default_stage(stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stages / "local.json").write_text((stages / "dev.json").read_text())
    monkeypatch.delenv("STAGE")

    with pytest.raises(settings.InvalidSettings, match=r"^STAGE is not set: .*\.chalice/config\.json"):
        settings.load(Settings, stages)


def test_under_the_chalice_command_an_error_is_one_line(stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "prod")
    monkeypatch.setenv("AWS_CHALICE_CLI_MODE", "true")

    with pytest.raises(SystemExit, match=r"^stage 'prod' has no value for table, bucket"):
        settings.load(Settings, stages)


def test_a_text_in_the_outputs_becomes_a_number(stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMIT", "300")

    assert settings.load(Settings, stages).limit == 300


def test_an_error_names_a_value_of_the_wrong_type(stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMIT", "many")

    with pytest.raises(settings.InvalidSettings, match=r"'dev': Expected `int`.*limit"):
        settings.load(Settings, stages)
