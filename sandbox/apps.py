"""The needs of each app in the sandbox, read from the app's own folder.

``<app>/sandbox.toml`` is optional. ``<app>/tools/seed.py``, if there is one, makes the app's demo data.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from sandbox.errors import InvalidFile
from sandbox.ports import FILE

ADDRESSES = ("web", "site", "dashboard", "cdn", "edge", "origin", "api")
"""The outputs of an app that a person can open."""


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the first page of the console says of an app."""

    title: str = ""
    """If it is empty, the page shows the name of the folder."""
    about: str = ""
    """What the app is, in a sentence."""
    page: str = ""
    """A page of the console about the app, such as ``updates.html``."""
    try_now: str = ""
    """One thing to try, in words."""
    command: str = ""
    """What to type in a terminal for it."""


class Needs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of sandbox.toml.

    Texts may contain placeholders such as ``{page}``, the address of the app's page: see `sandbox.stacks`.
    """

    port: int | None = None
    """The port of the app's page."""
    outputs: dict[str, str] = {}
    """Addresses to add to the app's entry in outputs.json."""
    parameters: dict[str, str] = {}
    """Parameters of the app's stacks."""
    access_keys: list[str] = []
    """People with an access key: for ``author`` the stack's output ``author_secret`` names the secret with the key."""
    background: list[str] = []
    """A Python command that runs beside the app, started in the app's folder."""
    card: Card = Card()
    """What the console says of the app."""


def found(root: Path) -> dict[str, Needs]:
    """Return the needs of each folder with a sandbox.toml. Raises InvalidFile."""
    return {file.parent.name: _read(file) for file in sorted(root.glob(f"*/{FILE}"))}


def card(folder: Path) -> Card:
    """Return the card of the app in *folder*, an empty one without a sandbox.toml. Raises InvalidFile."""
    file = folder / FILE
    return _read(file).card if file.exists() else Card()


def _read(file: Path) -> Needs:
    try:
        return msgspec.toml.decode(file.read_bytes(), type=Needs)
    except msgspec.DecodeError as error:
        raise InvalidFile(f"{file}: {error}") from error
