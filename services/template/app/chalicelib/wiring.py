"""Builds each object once in a process, on first use."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chalicelib.table import {{ Thing }}Table
from chalicelib.{{ things }} import {{ Things }}
from common import dynamodb
from common import settings as stage_settings


@dataclass(frozen=True)
class Settings:
    """The outputs of the stage's stacks."""

    table: str


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, Path(__file__).parent / "stages")


@cache
def {{ things }}() -> {{ Things }}:
    return {{ Things }}({{ Thing }}Table(dynamodb.client(), settings().table))
