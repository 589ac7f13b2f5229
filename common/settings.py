"""The settings of a stage: names and addresses of its resources, prices, limits."""

import dataclasses
import json
import os
from pathlib import Path

import msgspec


class InvalidSettings(Exception):
    """The stage was not deployed, or one of its settings is missing or has the wrong type."""


def load[T](cls: type[T], stages: Path) -> T:
    """Return dataclass *cls*, each field from the environment (in capitals), else from ``<STAGE>.json`` in *stages*.

    The file holds the outputs of the app's resources stack; ``deploy`` writes it and it travels in the zip. All values
    are text there and become what the field's type says, for example an int.
    Raises InvalidSettings without a stage, with the names of all fields that have neither a value nor a default, and
    for a value that its field's type does not allow. Under the Chalice command, it exits with the same line instead.
    """
    try:
        return _load(cls, stages)
    except InvalidSettings as error:
        if "AWS_CHALICE_CLI_MODE" in os.environ:  # Chalice would show a traceback
            raise SystemExit(str(error)) from error
        raise


def _load[T](cls: type[T], stages: Path) -> T:
    stage = os.environ.get("STAGE")
    if not stage:
        raise InvalidSettings(
            "STAGE is not set: add the stage like the others to .chalice/config.json, or use `make deploy` or "
            "`make package`, which need no entry"
        )
    file = stages / f"{stage}.json"
    outputs = json.loads(file.read_text()) if file.exists() else {}
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    values = {f.name: os.environ.get(f.name.upper()) or outputs.get(f.name, f.default) for f in fields}
    missing = [name for name, value in values.items() if value is dataclasses.MISSING]
    if missing:
        raise InvalidSettings(
            f"stage {stage!r} has no value for {', '.join(missing)}: deploy its resources first "
            f"(`make up` for the sandbox, `make resources APP=… STAGE={stage}` for AWS)"
        )
    try:
        return msgspec.convert(values, cls, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"stage {stage!r}: {error}") from error
