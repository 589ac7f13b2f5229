"""AWS's prices and the assumptions on usage, from `prices.toml`, and amounts of what has a price."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True)
class Item:
    """An amount of something that has a price: ``quantity`` units a month, or for one unit of work."""

    app: str
    what: str
    price: str
    quantity: float

    @property
    def usd(self) -> float:
        """The cost, 0 if the price is not known."""
        return self.quantity * float(price(self.price).get("usd", 0))


@cache
def file() -> dict[str, Any]:
    """Return the contents of `prices.toml`."""
    return tomllib.loads(FILE.read_text())


def price(name: str) -> Mapping[str, Any]:
    """Return a price. Raises KeyError."""
    found: Mapping[str, Any] = file()["prices"][name]
    return found


def usage(name: str) -> float:
    """Return an assumption on usage. Raises KeyError."""
    return float(file()["usage"][name])


def hours() -> float:
    return float(file()["hours"])


def total(items: Iterable[Item]) -> float:
    return sum(item.usd for item in items)
