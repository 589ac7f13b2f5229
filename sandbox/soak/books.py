"""The books of a soak test: the effects that must be there by what the clients were told, and those that are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sandbox.soak.journal import Operation, Outcome

ADDS = {
    "add todo": ("todos",),
    "publish post": ("posts", "pages of posts"),
    "subscribe": ("welcome mails",),
    "pay": ("entitlements", "receipts"),
    "send readings": ("readings",),
    "download package": ("downloads",),
    "download film": ("downloads",),
}
"""By action the kinds of effects that it has."""

REMOVES = {"remove todo": ("todos",), "remove post": ("posts", "pages of posts"), "refund": ("entitlements",)}
"""By action the kinds of effects that it takes back."""

KINDS = tuple(dict.fromkeys(kind for kinds in ADDS.values() for kind in kinds))

type Found = Mapping[str, Mapping[str, int]]
"""By kind and subject how many effects there are."""


@dataclass(frozen=True)
class Account:
    """One kind of effects.

    Of its *operations*, so many were *acknowledged*, *unknown* and *refused*. Of the effects, *found* are there. *lost*
    and *surplus* name the subjects with fewer or more than the clients were told. A subject is in *surplus* too if its
    operation was refused, or if no client asked for it.
    """

    kind: str
    operations: int
    acknowledged: int
    unknown: int
    refused: int
    found: int
    lost: list[str]
    surplus: list[str]

    @property
    def balances(self) -> bool:
        return not (self.lost or self.surplus)


@dataclass(frozen=True)
class _Range:
    least: int = 0
    most: int = 0


def balance(operations: Iterable[Operation], found: Found) -> list[Account]:
    """Return an account for each kind of effects."""
    known = list(operations)
    return [_account(kind, known, found.get(kind, {})) for kind in KINDS]


def _account(kind: str, operations: Iterable[Operation], found: Mapping[str, int]) -> Account:
    own = [each for each in operations if kind in (*ADDS.get(each.what, ()), *REMOVES.get(each.what, ()))]
    wanted = _wanted(own)
    outcomes = Counter(each.outcome for each in own)
    return Account(
        kind,
        len(own),
        outcomes[Outcome.ACKNOWLEDGED],
        outcomes[Outcome.UNKNOWN],
        outcomes[Outcome.REFUSED],
        sum(found.values()),
        sorted(subject for subject, allowed in wanted.items() if found.get(subject, 0) < allowed.least),
        sorted(subject for subject, count in found.items() if count > wanted.get(subject, _Range()).most),
    )


def _wanted(operations: Iterable[Operation]) -> dict[str, _Range]:
    """Return by subject how many effects there must be, and may be.

    An action that is repeated on a subject, such as the same event of a payment, has its effects once.
    """
    wanted: dict[str, _Range] = {}
    for each in operations:
        before = wanted.get(each.subject, _Range())
        wanted[each.subject] = _removed(before, each) if each.what in REMOVES else _added(before, each)
    return wanted


def _added(before: _Range, operation: Operation) -> _Range:
    if operation.outcome is Outcome.REFUSED:
        return before
    happened = operation.outcome in (Outcome.ACKNOWLEDGED, Outcome.BROKEN)
    return _Range(max(before.least, operation.count * happened), max(before.most, operation.count))


def _removed(before: _Range, operation: Operation) -> _Range:
    if operation.outcome is Outcome.REFUSED:
        return before
    return _Range(0, 0 if operation.outcome is Outcome.ACKNOWLEDGED else before.most)
